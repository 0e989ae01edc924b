"""A file of this machine becomes a blob: the counterpart of `fetch` for `file://`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio.to_thread

from hostel.plugins.model_pull._disk import partial_path
from hostel.plugins.model_pull._errors import ContentChanged, StorageFailed
from hostel.plugins.model_pull._fetch import Fetched, FetchPhase, FetchProgress
from hostel.plugins.model_pull._remote import RemoteFile

CHUNK = 8 * 2**20


async def copy(
    file: RemoteFile, blob: Path, *, on_progress: Callable[[FetchProgress], None] | None = None
) -> Fetched:
    """Copy a local file under its blob's name; interrupted, it begins anew.

    :raises ContentChanged: if its size is not the one that was listed
    :raises StorageFailed: if one of the disks refuses
    """
    source, partial = Path(url2pathname(urlsplit(file.url).path)), partial_path(blob)
    try:
        done = await _copied(source, partial, file.size, on_progress)
        if file.size is not None and done != file.size:
            raise ContentChanged(file.path, expected=f"{file.size} bytes", actual=f"{done} bytes")
        partial.replace(blob)
    except OSError as error:
        raise StorageFailed(blob, (error.strerror or str(error)).lower()) from error
    finally:
        partial.unlink(missing_ok=True)
    return Fetched(blob, done, fetched=0)


async def _copied(
    source: Path, partial: Path, total: int | None, on_progress: Callable[[FetchProgress], None] | None
) -> int:
    done = 0
    with source.open("rb") as reader, partial.open("wb") as writer:
        while count := await anyio.to_thread.run_sync(_chunk, reader, writer):
            done += count
            if on_progress is not None:
                on_progress(FetchProgress(FetchPhase.DOWNLOADING, done, total, fetched=done))
        await anyio.to_thread.run_sync(os.fsync, writer.fileno())
    return done


def _chunk(reader: IO[bytes], writer: IO[bytes]) -> int:
    data = reader.read(CHUNK)
    writer.write(data)
    writer.flush()
    return len(data)
