"""What is kept of outputs: nothing of tasks that are forgotten, in memory and on disk."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from hostel.sessions import LocalBackgroundTaskHost, TaskFilter, TaskSpec, current_task
from hostel.sessions.journal import SqliteJournal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOME = 10
"""More than are retained: the latest ends are not in the journal yet when it is asked."""
LINE = "x" * 1023 + "\n"


async def write() -> None:
    await current_task().write(LINE)


async def run(host: LocalBackgroundTaskHost, ids: Sequence[str], session: str = "s") -> None:
    for task_id in ids:
        await (await host.spawn_managed(session, TaskSpec(id=task_id), write)).wait()


def folders(journal: SqliteJournal) -> int:
    return len(list(journal.output_dir.iterdir())) if journal.output_dir.exists() else 0


async def until_there_are(journal: SqliteJournal, most: int) -> None:
    with anyio.fail_after(60):
        while folders(journal) > most:
            await anyio.lowlevel.checkpoint()


async def test_ten_thousand_outputs_leave_nothing_in_memory() -> None:
    async with LocalBackgroundTaskHost(retain_terminal=10, retain_events=10) as host:
        ids = [str(number) for number in range(500)]
        await run(host, ids)
        gc.collect()
        tracemalloc.start()
        for _ in range(20):
            await run(host, ids)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        inner = host._host
        assert len(inner.outputs._outputs._open) <= 10
        assert not inner.outputs._outputs._found
        assert not inner.turns._admission._tasks

    assert grown < 512 * 1024


async def test_folders_of_tasks_beyond_those_retained_go(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    async with LocalBackgroundTaskHost(journal, retain_terminal=5) as host:
        await run(host, [str(number) for number in range(200)])
        await until_there_are(journal, SOME)
        assert len(await host.list(TaskFilter(include_terminal=True))) == 5


async def test_folders_of_pruned_tasks_go(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    async with LocalBackgroundTaskHost(journal) as host:
        await run(host, "abcdef")
        assert folders(journal) == 6
        assert await host.prune("s", keep=2) == 4
        await until_there_are(journal, 2)
        assert (await host.read_output("f")).text == LINE


async def test_folders_of_tasks_forgotten_while_no_host_ran_go(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    async with LocalBackgroundTaskHost(journal) as host:
        await run(host, "abc")
    await journal.open()
    await journal.prune("s", 1, None)
    await journal.aclose()

    async with LocalBackgroundTaskHost(journal) as host:
        await until_there_are(journal, 1)


async def test_what_a_live_task_writes_is_not_swept(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    async with LocalBackgroundTaskHost(journal) as host:
        await host.register_external("s", TaskSpec(id="t"))
        await host.write_output("t", LINE)
        await run(host, "abc")
        await host.prune("s")
        await until_there_are(journal, 1)
        await host.complete("t")

        assert (await host.read_output("t")).text == LINE
