"""What a runtime with a data folder finds when the process before it was killed."""

import sys
from collections.abc import Iterable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hostel.runtime import Runtime, TaskKind, current_task, hookimpl
from hostel.sessions import FailureKind, TaskFilter, TaskState
from hostel.sessions.journal import JournalInUse

from .conftest import Site

RUN_UNTIL_KILLED = """
import sys, anyio
from hostel.runtime import Runtime, TaskKind, hookimpl

async def sleep(**params):
    await anyio.sleep_forever()

class Sleeping:
    @hookimpl
    def register_task_kinds(self):
        return [TaskKind("crawl", sleep, resumable=True), TaskKind("walk", sleep)]

async def run():
    async with Runtime([Sleeping()], data_dir=sys.argv[1], load_installed=False) as runtime:
        await runtime.start("s", "crawl", {"page": 7}, id="crawl", label="all pages")
        await runtime.start("s", "walk", id="walk")
        print("both run", flush=True)
        await anyio.sleep_forever()

anyio.run(run, backend=sys.argv[2])
"""


class Crawling:
    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        async def crawl(page: int) -> tuple[int, int]:
            return current_task().attempt, page

        async def walk() -> None:
            pytest.fail("it was started again")

        return [TaskKind("crawl", crawl, resumable=True), TaskKind("walk", walk)]


async def killed_runtime(folder: Path, loop: str) -> None:
    command = [sys.executable, "-c", RUN_UNTIL_KILLED, str(folder), loop]
    with anyio.fail_after(60):
        async with await anyio.open_process(command) as process:
            assert process.stdout is not None
            assert (await process.stdout.receive()).startswith(b"both run")
            process.kill()
            await process.wait()


async def test_a_resumable_kind_is_started_again_and_another_one_is_abandoned(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    await killed_runtime(tmp_path, anyio_backend_name)

    async with Runtime([Crawling()], data_dir=tmp_path, load_installed=False) as runtime:
        with anyio.fail_after(60):
            crawl = await runtime.tasks.wait("crawl")
            walk = await runtime.tasks.wait("walk")

    assert crawl.result is not None
    assert (crawl.state, crawl.attempt.attempt, crawl.result.value) == (TaskState.COMPLETED, 2, [2, 7])
    assert (crawl.label, crawl.host_id != walk.host_id) == ("all pages", True)
    assert walk.failure is not None
    assert (walk.state, walk.failure.kind) == (TaskState.ABANDONED, FailureKind.HOST_LOST)


async def test_a_body_is_run_again_once_every_plugin_has_started(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    class Library:
        pages = "all"

    class Slow:
        @hookimpl
        async def on_startup(self, runtime: Runtime) -> None:
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            runtime.offer(Library())

    class Reading:
        @hookimpl
        def on_startup(self, runtime: Runtime) -> None:
            self.runtime = runtime

        @hookimpl
        def register_task_kinds(self) -> Iterable[TaskKind]:
            async def crawl(page: int) -> str:
                return self.runtime.get(Library).pages

            return [TaskKind("crawl", crawl, resumable=True)]

    await killed_runtime(tmp_path, anyio_backend_name)

    with anyio.fail_after(60):
        async with Runtime([Reading(), Slow()], data_dir=tmp_path, load_installed=False) as runtime:
            record = await runtime.tasks.wait("crawl")

    assert record.result is not None
    assert record.result.value == "all"


async def test_tasks_are_still_listed_when_a_runtime_opens_its_data_folder_again(tmp_path: Path) -> None:
    async with Runtime([Crawling()], data_dir=tmp_path / "data", load_installed=False) as runtime:
        handle = await runtime.start("s", "crawl", {"page": 1}, id="crawl")
        await handle.wait()
        before = await runtime.tasks.list(TaskFilter(include_terminal=True))

    async with Runtime([Crawling()], data_dir=tmp_path / "data", load_installed=False) as runtime:
        assert await runtime.tasks.list(TaskFilter(include_terminal=True)) == before


async def test_two_runtimes_cannot_share_a_data_folder(tmp_path: Path) -> None:
    async with Runtime(data_dir=tmp_path, load_installed=False):
        with pytest.raises(JournalInUse):
            async with Runtime(data_dir=tmp_path, load_installed=False):
                pytest.fail("entered")


async def test_without_a_data_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Runtime([Crawling()], load_installed=False) as runtime:
        await runtime.start("s", "crawl", {"page": 1})

    assert list(tmp_path.iterdir()) == []


NEVER_STARTS = """
    from hostel.runtime import TaskKind, hookimpl

    async def crawl(page):
        raise AssertionError("run by a plugin that did not start")

    @hookimpl
    def register_task_kinds():
        return [TaskKind("crawl", crawl, resumable=True)]

    @hookimpl
    def on_startup():
        raise OSError("the port is taken")
"""


async def test_tasks_of_a_plugin_that_does_not_start_wait_for_a_start_in_which_it_does(
    tmp_path: Path, site: Site, anyio_backend_name: str
) -> None:
    await killed_runtime(tmp_path, anyio_backend_name)
    site.install("crawling", NEVER_STARTS)

    async with Runtime(data_dir=tmp_path, blocked=["hostel"]) as runtime:
        record = await runtime.tasks.get("crawl")
        assert record is not None
        assert record.state is TaskState.PENDING

    async with Runtime([Crawling()], data_dir=tmp_path, load_installed=False) as runtime:
        assert (await runtime.tasks.wait("crawl")).state is TaskState.COMPLETED
