"""A command in a terminal of its own, whose every byte is kept."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from .program import HOSTEL, SECONDS, environment


class Terminal:
    """A command in a terminal of so many columns and 20 lines."""

    def __init__(self, folder: Path, *arguments: str, width: int = 100) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 20, width, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            [HOSTEL, *arguments],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            env=environment(folder, {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}),
        )
        self.told = b""

    def press(self, keys: str) -> None:
        self.told = b""  # what is waited for next comes after this
        os.write(self._ours, keys.encode())

    def wait(self, *shown: str) -> str:
        """Wait until it has written all of `shown` since the last key."""
        self._until(lambda: all(one.encode() in self.told for one in shown))
        return self.told.decode(errors="replace")

    def end(self) -> int:
        """Return its exit code, having read all it has written."""
        self._until(lambda: self.process.poll() is not None)
        while self._more(0.0):
            pass
        return self.process.returncode

    @property
    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _until(self, is_there: Callable[[], bool]) -> None:
        end = monotonic() + SECONDS
        while not is_there():
            self._more(0.1)
            assert monotonic() < end, self.told[-2_000:]

    def _more(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self.told += os.read(self._ours, 65_536)
        return True
