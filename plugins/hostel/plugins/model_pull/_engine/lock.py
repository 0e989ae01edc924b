"""One writer per partial file, across processes.

The kernel's lock on `<part>.lock` decides; `<part>.owner` tells people who holds it. Both go when the
lock is released, still under it, so that a waiter never locks a name that is gone (filelock looks).
Waiting polls, because no lock of the kernel can be awaited and cancelled. Where the kernel lies about
locks (some network file systems), two writers of one pinned file put the same bytes in the same places,
and `Part.publish` refuses a part that is no longer its own.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

from .._errors import StorageFailed

POLL_SECONDS = 0.1


@contextlib.asynccontextmanager
async def locked(part: Path, *, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the lock of `part`; waits as long as another process or task has it, after telling so."""
    lock = _lock_of(part)
    while not await anyio.to_thread.run_sync(_try, lock, part):
        on_wait()
        await anyio.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        _release(lock, part)


@contextlib.contextmanager
def locked_now(part: Path) -> Iterator[bool]:
    """Hold the lock of `part` if nobody else has it; gives whether it is held."""
    lock = _lock_of(part)
    held = _try(lock, part)
    try:
        yield held
    finally:
        if held:
            _release(lock, part)


def _lock_of(part: Path) -> FileLock:
    return FileLock(_beside(part, "lock"), thread_local=False)


def _try(lock: FileLock, part: Path) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        raise StorageFailed(part, error.strerror or str(error)) from error
    with contextlib.suppress(OSError):
        _tell_owner(_beside(part, "owner"))
    return True


def _tell_owner(path: Path) -> None:
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    path.unlink(missing_ok=True)
    with path.open("x") as file:  # follows no link that somebody planted
        json.dump(owner, file)


def _release(lock: FileLock, part: Path) -> None:
    with contextlib.suppress(OSError):
        _beside(part, "owner").unlink(missing_ok=True)
        _beside(part, "lock").unlink(missing_ok=True)
    lock.release()


def _beside(part: Path, kind: str) -> Path:
    return part.with_name(f"{part.name}.{kind}")
