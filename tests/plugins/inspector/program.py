"""The scenario as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SCENARIO = Path(__file__).parent / "scenario.py"


class Program:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.page_url = self._line()

    def tell(self, word: str) -> None:
        """Let it do something and wait until it has."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self._line() == "ok"

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"the scenario has ended: {self.process.poll()}"
        return line


@contextmanager
def running(
    loop: str, folder: Path, *, port: int = 0, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run the scenario; its cards are in `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(SCENARIO), loop, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder), **(env or {})},
    )
    with process:
        try:
            yield Program(process)
        finally:
            process.send_signal(signal.SIGKILL)
