"""Programs run as processes of their own; each wait for one has a deadline, and none outlives its test."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

SCENARIO = Path(__file__).parent / "scenario.py"
HOSTEL = str(Path(sys.executable).parent / "hostel")
SECONDS = 300.0
"""What hangs is given up after so long; nothing else is judged by the clock."""


class Started:
    """A running program: its output line by line, how it ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._read = b""

    def line(self) -> str:
        """Return the next line it prints."""
        end = monotonic() + SECONDS
        while b"\n" not in self._read:
            more = self._more(end - monotonic())
            assert more, f"no further line after {self._read!r}, exit code {self.process.poll()}"
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def say(self, line: str) -> None:
        """Write a line to its input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def end(self, signal: int) -> tuple[int, str, str]:
        """Send it a signal; return its exit code and what it still wrote to its output and its errors."""
        self.process.send_signal(signal)
        told, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, (self._read + told).decode(), (errors or b"").decode()

    def wait(self) -> tuple[int, str]:
        """Wait until it ends by itself; return its exit code and what it still wrote to its output."""
        told, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, (self._read + told).decode()

    def _more(self, seconds: float) -> bytes:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(0.0, seconds))[0]:
            return b""
        return os.read(self.process.stdout.fileno(), 65_536)


@contextmanager
def started(
    command: list[str], folder: Path, env: Mapping[str, str] | None = None, errors: int | None = None
) -> Iterator[Started]:
    """Run a command whose runtime directory is `folder`; it is killed at the end."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        bufsize=0,
        env=environment(folder, env),
    )
    with process:
        try:
            yield Started(process)
        finally:
            process.kill()


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "XDG_RUNTIME_DIR": str(folder), **(more or {})}


class Program:
    """The scenario, told what to do."""

    def __init__(self, running: Started) -> None:
        self.process = running.process
        self._running = running
        self.page_url = running.line()

    def tell(self, word: str) -> None:
        """Let it do something and wait until it has."""
        self._running.say(word)
        assert self._running.line() == "ok"

    def quit(self) -> None:
        """Let it leave its runtime and end."""
        self._running.say("quit")
        assert self._running.wait()[0] == 0


@contextmanager
def running(
    loop: str, folder: Path, *, port: int = 0, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run the scenario; its cards are in `folder`."""
    command = [sys.executable, "-W", "error", str(SCENARIO), loop, str(port)]
    with started(command, folder, env) as process:
        yield Program(process)
