"""Many callers, one run."""

from collections.abc import Sequence

import anyio
import pytest

from hostel.plugins.batch._store.group_commit import GroupCommit


class Recorder:
    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.gate: anyio.Event | None = None

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.runs.append(list(items))
        if self.gate is not None:
            await self.gate.wait()
        if 13 in items:
            raise ValueError("thirteen")
        return [item * 10 for item in items]


async def test_what_waits_during_a_run_is_run_together_and_each_gets_its_answer() -> None:
    recorder = Recorder()
    recorder.gate = anyio.Event()
    call = GroupCommit(recorder)
    answers: dict[int, int] = {}

    async def ask(item: int) -> None:
        answers[item] = await call(item)

    async with anyio.create_task_group() as group:
        group.start_soon(ask, 0)
        await anyio.wait_all_tasks_blocked()
        for item in range(1, 6):
            group.start_soon(ask, item)
        await anyio.wait_all_tasks_blocked()
        recorder.gate.set()

    assert [len(run) for run in recorder.runs] == [1, 5]
    assert answers == {item: item * 10 for item in range(6)}


async def test_a_run_takes_no_more_than_allowed() -> None:
    recorder = Recorder()
    call = GroupCommit(recorder, at_most=2)

    async with anyio.create_task_group() as group:
        for item in range(5):
            group.start_soon(call, item)

    assert sorted(item for run in recorder.runs for item in run) == list(range(5))
    assert max(map(len, recorder.runs)) <= 2


async def test_a_failed_run_fails_its_callers_and_nobody_else() -> None:
    call = GroupCommit(Recorder())

    with pytest.raises(ValueError, match="thirteen"):
        await call(13)

    assert await call(1) == 10


async def test_a_caller_cancelled_before_its_run_withdraws_its_item() -> None:
    recorder = Recorder()
    recorder.gate = anyio.Event()
    call = GroupCommit(recorder)

    async with anyio.create_task_group() as group:
        group.start_soon(call, 0)
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(call, 1)
            await anyio.wait_all_tasks_blocked()
            waiting.cancel_scope.cancel()
        recorder.gate.set()

    assert await call(2) == 20
    assert recorder.runs == [[0], [2]]
