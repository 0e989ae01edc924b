"""Real commands under real keepers; each test must leave no process behind, not even a dead one."""

import fcntl
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from hostel.plugins.process import OnHostLoss, ProcessError, check
from hostel.plugins.process._keeper.files import Exit
from hostel.plugins.process._kept import KeptCommand, kept
from hostel.sessions import JsonValue
from hostel.sessions.spool import read_spool

MARK = "HOSTEL_TEST_FOLDER"


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test starts knows its folder, from its environment or its arguments."""
    monkeypatch.setenv(MARK, str(tmp_path))
    with tempfile.TemporaryDirectory(prefix="h") as runtime:  # the path of a socket is short
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield
        _expect_nothing(tmp_path)
        assert list(Path(runtime).rglob("keeper-*")) == []


def _expect_nothing(tmp_path: Path) -> None:
    for _ in range(6_000):
        left = [*marked(str(tmp_path)), *_dead_children()]
        if not left:
            return
        threading.Event().wait(0.01)  # a keeper that has said its last word still has to exit
    pytest.fail(f"processes left: {left}")


def marked(mark: str) -> list[str]:
    """Return the command lines of those who know `mark`."""
    return list(_marked(mark.encode()))


def _marked(mark: bytes) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mark in told and int(folder.name) != os.getpid():
            yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def _dead_children() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == os.getpid():
            yield f"zombie {path.parent.name}"


class Scene:
    """A command that a test runs, followed."""

    def __init__(self, process: KeptCommand, output: Path) -> None:
        self.process, self.output = process, output
        self.exit: Exit | None = None
        self.error: ProcessError | None = None
        self._news = anyio.Event()

    async def follow(self) -> None:
        try:
            self.exit = await self.process.ended(self._on_output)
        except ProcessError as error:
            self.error = error
        self._on_output(0)

    def _on_output(self, total: int) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def news(self) -> None:
        """Wait until there is more output, or the end."""
        await self._news.wait()

    async def text(self) -> str:
        return (await to_thread.run_sync(read_spool, self.output, 0, 1 << 20)).data.decode()

    async def shows(self, wanted: str) -> str:
        """Wait until the output has `wanted`, and return it all."""
        while True:
            news = self._news
            text = await self.text()
            if wanted in text:
                return text
            assert self.exit is None, f"ended with {self.exit} and {text!r}"
            assert self.error is None
            await news.wait()

    async def ended(self) -> Exit:
        while self.exit is None:
            if self.error is not None:
                raise self.error
            await self._news.wait()
        return self.exit


def wait_for_keeper(output: Path) -> None:
    """Wait until the keeper of a command has ended; it holds a lock while it lives."""
    with (output / "keeper/lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)


async def killed(program: Path, folder: Path, loss: str, loop: str) -> None:
    """Run a program that starts ten commands and says when it is ready; it is killed then."""
    command = [sys.executable, str(program), str(folder), loss, loop]
    async with await anyio.open_process(command, stderr=None) as host:
        assert host.stdout is not None
        told = b""
        while not told.endswith(b"ready\n"):
            told += await host.stdout.receive()
        host.kill()


@pytest.fixture
def loop(anyio_backend: tuple[str, object]) -> str:
    """The name of the loop, for programs that are to run on the same."""
    return anyio_backend[0]


Running = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    @asynccontextmanager
    async def run(
        shell: str | None = None, loss: OnHostLoss = OnHostLoss.KILL, **params: JsonValue
    ) -> AsyncIterator[Scene]:
        command = check({"shell": shell, **params})
        async with kept(tmp_path, lambda: (command, loss)) as process, anyio.create_task_group() as group:
            scene = Scene(process, tmp_path)
            group.start_soon(scene.follow)
            yield scene
            group.cancel_scope.cancel()

    return run
