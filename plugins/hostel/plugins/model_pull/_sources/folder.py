"""Files of this machine, or of a disk mounted on it."""

from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread

from .._errors import NotFound, StorageFailed
from .reference import FOLDER, Reference
from .remote_file import RemoteFile


class FolderSource:
    """Lists a folder with everything below it, or one file; hidden files are left out."""

    schemes = (FOLDER,)

    async def resolve(self, reference: Reference) -> list[RemoteFile]:
        """List the files.

        :raises NotFound: if there is nothing at the path
        :raises StorageFailed: if it cannot be read
        """
        return await anyio.to_thread.run_sync(_list, reference.name)


def _list(name: str) -> list[RemoteFile]:
    place = Path(name).expanduser().absolute()
    try:
        if place.is_file():
            return [_file(place, place.parent)]
        if place.is_dir():
            return [_file(path, place) for path in sorted(_visible(place))]
    except OSError as error:
        raise StorageFailed(place, (error.strerror or str(error)).lower()) from error
    raise NotFound(str(place))


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _visible(path)
        elif path.is_file():
            yield path


def _file(path: Path, folder: Path) -> RemoteFile:
    found = path.stat()
    name = path.relative_to(folder).as_posix()
    return RemoteFile(name, found.st_size, None, path.as_uri(), version=str(found.st_mtime_ns))
