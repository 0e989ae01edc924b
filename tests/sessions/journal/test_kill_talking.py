"""SIGKILL while tasks tell, ask, write and wait: what anybody was shown holds in every later life."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from hostel.sessions import (
    Limits,
    LocalBackgroundTaskHost,
    StaleQuestion,
    TaskRecord,
    TaskState,
    current_task,
)
from hostel.sessions.journal import SqliteJournal
from hostel.sessions.spool import read_spool

from .histories import EVERY_STATE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from hostel.sessions import JsonValue

LIVES = 12
MOST_LINES = 80


@contextmanager
def process(work: str, loop: str, journal: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("killed_talking.py")), work, loop, str(journal)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def life(work: str, loop: str, journal: Path, lines: int, seconds: float = 0.0) -> list[list[str]]:
    """Return what a process said that was killed after it had said that many lines and lived on a moment."""
    with process(work, loop, journal) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        started.stdin.write("go\n")
        started.stdin.flush()
        said = [started.stdout.readline() for _ in range(lines)]
        assert all(said), "it ended by itself"
        threading.Event().wait(seconds)
        started.kill()
        said += started.stdout.readlines()
    return [line.split() for line in said if line.endswith("\n")]


def lives(work: str, journal: Path, seed: int, count: int = LIVES) -> list[list[list[str]]]:
    chance = random.Random(seed)
    return [
        life(
            work,
            ("asyncio", "trio")[number % 2],
            journal,
            chance.randint(0, MOST_LINES),
            chance.uniform(0, 0.02),
        )
        for number in range(count)
    ]


@pytest.fixture
def once(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("the processes alternate between the loops themselves")


@pytest.mark.usefixtures("once")
async def test_each_notice_is_given_at_least_once_and_never_after_it_was_acknowledged(path: Path) -> None:
    said = [line for life in lives("inbox", path, 11) for line in life]
    async with LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=1_000_000) as host:
        await host.wait_all("s")
        left = await host.inbox("s").drain(1_000_000)
        said += [["given", one.id, one.kind, one.task_id, one.summary or ""] for one in left]
        ended = {record.id for record in await host.list(EVERY_STATE)}

    acked, given = set[str](), defaultdict[str, set[str]](set)
    for verb, *words in said:
        if verb == "given":
            id, kind, task_id, *summary = words
            assert id not in acked
            given[kind].add(" ".join(summary) if kind == "told" else task_id)
        elif verb == "acked":
            acked.add(words[0])
    shown = {words[0] for verb, *words in said if verb == "told"}
    waited = {words[0] for verb, *words in said if verb == "ended"}

    assert len(acked) > LIVES
    assert waited
    assert waited <= ended
    assert given["ended"] == ended
    assert shown <= given["told"]


class Asks:
    """A body that asks again in each of its runs."""

    def body_of(self, record: TaskRecord, params: JsonValue) -> Callable[[], Awaitable[object]]:
        async def body() -> object:
            return [current_task().attempt, await current_task().ask("again?")]

        return body


@pytest.mark.parametrize("work", ["ask", "answer"])
async def test_a_question_dies_with_its_process_and_is_asked_anew(
    path: Path, anyio_backend_name: str, work: str
) -> None:
    lines = {"ask": 2, "answer": 6}[work]
    said = life(work, anyio_backend_name, path, lines)
    old = {task_id: id for verb, *words in said if verb == "asks" for task_id, id in [words]}
    assert old.keys() == {"r", "n"}

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        waiting, lost = await host.get("r"), await host.get("n")
        assert waiting is not None
        assert lost is not None
        assert (waiting.state, waiting.question) == (TaskState.PENDING, None)
        assert (lost.state, lost.question) == (TaskState.ABANDONED, None)
        with pytest.raises(StaleQuestion):
            await host.answer("r", "late", question_id=old["r"])
        await host.resume(Asks().body_of)
        while (question := (await host.wait_any(["r"], or_asking=True)).live[0].question) is None:
            await anyio.lowlevel.checkpoint()

        assert question.id != old["r"]
        with pytest.raises(StaleQuestion):
            await host.answer("r", "late", question_id=old["r"])
        await host.transfer("r", "elsewhere")
        await host.answer("r", "yes", question_id=question.id)
        record = await host.wait("r")

    assert record.session_id == "elsewhere"
    assert record.result is not None
    assert record.result.value == [2, "yes"]


@pytest.mark.usefixtures("once")
async def test_no_offset_that_was_shown_ever_means_anything_else(path: Path) -> None:
    said = lives("output", path, 23, 6)
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        shown = [words for life in said for verb, *words in life if verb == "shown"]
        for start, after, text in shown:
            now = await host.read_output("long", int(start), int(after) - int(start))
            assert (now.text.encode().hex(), now.next, now.dropped) == (text, int(after), 0)
        ends = [int(words[0]) for life in said for verb, *words in life if verb == "ended"]
        assert set(ends) == {1_000}
        record = await host.get("short", session_id="s")
        if record is not None and record.state is TaskState.COMPLETED:
            assert len((await host.read_output("short")).text) == 1_000

    attempts = [
        int(one) for _, _, text in shown for one in re.findall(rb"(\d\d):\d{6}\n", bytes.fromhex(text))
    ]
    assert attempts == sorted(attempts)
    assert attempts[-1] > 1


async def test_what_nobody_reads_is_in_files_after_a_moment(path: Path, anyio_backend_name: str) -> None:
    folder = SqliteJournal(path).output_dir / "1"
    with process("once", anyio_backend_name, path) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdin.write("go\n")
        started.stdin.flush()
        assert [started.stdout.readline() for _ in range(2)] == ["ready\n", "wrote\n"]
        with anyio.fail_after(60):
            while read_spool(folder, 0, 100).total < 18:
                await anyio.lowlevel.checkpoint()
        started.kill()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.wait("t")
        read = await host.read_output("t")
        assert (read.text, read.ended) == ("said and not read\n", True)


async def test_what_waits_its_turn_waits_on_after_a_crash(path: Path, anyio_backend_name: str) -> None:
    life("queue", anyio_backend_name, path, 1)
    running, order = 0, list[str]()

    def body_of(record: TaskRecord, params: JsonValue) -> Callable[[], Awaitable[object]]:
        async def body() -> None:
            nonlocal running
            running += 1
            assert running == 1
            assert current_task().record.state is TaskState.RUNNING
            order.append(f"{record.id} {current_task().attempt}")
            await anyio.lowlevel.checkpoint()
            running -= 1

        return body

    async with LocalBackgroundTaskHost(SqliteJournal(path), limits=Limits(total=1)) as host:
        before = {record.id: record for record in await host.list()}
        assert before.keys() == {"runs", "normal", "first", "later"}
        assert {record.state for record in before.values()} == {TaskState.PENDING}
        assert [id for id, record in before.items() if record.started_at is None] == [
            "normal",
            "first",
            "later",
        ]
        assert before["normal"].session_id == "other"
        await host.resume(body_of)
        await host.wait_all(["runs", "normal", "first"])

        assert order == ["runs 2", "first 1", "normal 1"]
        (later,) = await host.list()
        assert (later.id, later.state, later.started_at) == ("later", TaskState.PENDING, None)
        place = await host.place("later")
        assert place is not None
        assert place.reason.startswith("not before ")
