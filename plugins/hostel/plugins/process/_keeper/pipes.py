"""What the command writes goes to the spool; what it is sent goes to its stdin, as fast as it reads."""

from __future__ import annotations

import os
from collections import deque
from importlib.util import module_from_spec, spec_from_file_location
from time import monotonic, sleep  # noqa: TID251 - a keeper has nothing else to do, and no loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from .links import Link

_CHUNK = 256 * 1024
_READS = 16
_STREAMING, _GATHERING = 0.001, 0.0002
"""Seconds between two rounds that make a stream, and seconds that its pipe is given to fill."""
_END_OF_FILE = b"\x04"  # what a terminal in its usual mode takes for one, at the start of a line


class Output:
    """The end of what the command writes, and the spool it goes to."""

    def __init__(self, fd: int, spool_program: str, folder: str) -> None:
        self.fd: int | None = fd
        self.problem: str | None = None
        self._emptied = -_STREAMING
        self._buffer = memoryview(bytearray(_CHUNK))
        self._spool = _load(spool_program).SpoolWriter(folder)

    @property
    def total(self) -> int:
        """How many bytes the spool has had."""
        return int(self._spool.total)

    def pump(self) -> bool:
        """Move what is there to the spool, at most some megabytes; tell whether more may come."""
        # a stream: a full pipe is worth one round, each line of it is not
        if monotonic() - self._emptied < _STREAMING:
            sleep(_GATHERING)
        for _ in range(_READS):
            size = self._read()
            if size is None:
                self._emptied = monotonic()
                return True
            if size == 0:
                self.close()
                return False
            try:
                self._spool.append(self._buffer[:size])
            except OSError as error:  # the command must not stand still because of it
                self.problem = str(error)
        return True

    def _read(self) -> int | None:
        """Fill the buffer; return how many bytes it got, 0 at the end, None if there are none now."""
        assert self.fd is not None
        try:
            return os.readv(self.fd, [self._buffer])
        except BlockingIOError:
            return None
        except OSError:  # how a terminal ends
            return 0

    def close(self) -> None:
        """Close both ends."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        self._spool.close()


class Input:
    """The stdin of the command; each text is acknowledged to who sent it when the command could take it."""

    def __init__(self, fd: int | None, terminal: bool) -> None:
        self.fd, self._terminal = fd, terminal
        self._waiting: deque[tuple[bytes, Link | None]] = deque()
        self._closing = False

    @property
    def busy(self) -> bool:
        """Whether something waits for the command to read."""
        return self.fd is not None and (bool(self._waiting) or self._closing)

    def put(self, data: bytes, link: Link) -> None:
        """Write `data` after what was put before."""
        self._waiting.append((data, link))

    def end(self) -> None:
        """Let the command see the end after what was put before."""
        if self._terminal:
            self._waiting.append((_END_OF_FILE, None))
        else:
            self._closing = True

    def flush(self) -> list[Link]:
        """Write what can be written now; return whom to acknowledge something to, once for each text."""
        done: list[Link] = []
        while self._waiting:
            data, link = self._waiting.popleft()
            written = self._write(data)
            if written < len(data):
                self._waiting.appendleft((data[written:], link))
                return done
            if link is not None:
                done.append(link)
        if self._closing:
            self.close()
        return done

    def close(self) -> None:
        """Close it; what waits is lost."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def _write(self, data: bytes) -> int:
        if self.fd is None:
            return len(data)
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError:  # the command has closed it: nobody will read this
            return len(data)


def _load(program: str) -> ModuleType:
    spec = spec_from_file_location("spool", program)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
