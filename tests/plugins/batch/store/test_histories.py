"""Random histories: both stores give the same answers, and what they count is what is there."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostel.plugins.batch import (
    Batch,
    BatchError,
    BatchInput,
    Capacity,
    OnDeadline,
    RequestId,
    RequestState,
    SqlStorage,
)
from hostel.plugins.batch._model.records import AnyRequest, Request
from hostel.plugins.batch._model.states import LIVE, Claimed, Processing, standing
from hostel.plugins.batch.testing import ENDPOINT, Clock, ManualWorker, PostgresServer, template

LINES = 6
DAEMONS = 2
BATCHES = 2

places = st.integers(0, 7)
desks = st.integers(0, DAEMONS - 1)
batches = st.integers(0, BATCHES - 1)
steps = st.one_of(
    st.tuples(st.just("claim"), desks, st.integers(1, 4)),
    st.tuples(st.just("claim_within"), desks, st.integers(0, 2)),
    st.tuples(st.sampled_from(["begin", "complete", "fail", "give_back", "withdraw"]), desks, places),
    st.tuples(st.just("cancel_requests"), batches, places),
    st.tuples(st.just("cancel_batch"), batches, places),
    st.tuples(st.just("retry"), batches, places),
    st.tuples(st.just("retry_all"), batches, places),
    st.tuples(st.just("escalate"), batches, places),
    st.tuples(st.just("advance"), st.just(0), st.sampled_from([1, 40, 1900])),
    st.tuples(st.just("beat"), desks, places),
    st.tuples(st.just("sweep"), desks, places),
)


class Player:
    """Plays a history on one store and notes every answer, without ids and times."""

    def __init__(self, storage: SqlStorage) -> None:
        self.storage, self.clock = storage, Clock()
        storage._clock = self.clock
        self.desks = [ManualWorker(storage, self.clock) for _ in range(DAEMONS)]
        self.batches: list[Batch] = []
        self.held: list[list[AnyRequest]] = [[] for _ in range(DAEMONS)]
        self.seen: list[object] = []

    async def begin(self) -> None:
        for number in range(BATCHES):
            lines = [template(f"{number}-{line}", "xy"[line % 2]) for line in range(LINES)]
            file_id = await self.storage.create_file("f", None, lines)
            how = OnDeadline.EXPIRE if number else OnDeadline.CONTINUE
            order = BatchInput(file_id, ENDPOINT, "1h", on_deadline=how)
            self.batches.append(await self.storage.create_batch(order))
        for worker in self.desks:
            await worker.check_in()

    async def play(self, step: tuple[str, int, int]) -> None:
        name, who, what = step
        self.seen.append((step, await getattr(self, f"_{name}")(who, what)))
        for batch in self.batches:
            self.seen.append(await self._check(batch))

    async def _claim(self, who: int, limit: int, capacity: Capacity = Capacity()) -> object:  # noqa: B008  # frozen
        claimed = await self.desks[who].claim(limit, capacity)
        self.held[who] += claimed
        return [(request.data.custom_id, request.lease, request.data.model) for request in claimed]

    async def _claim_within(self, who: int, free: int) -> object:
        return await self._claim(who, 4, Capacity({"x": free}, default=1, everywhere={"y": 2}))

    async def _report(self, who: int, place: int, call: Callable[[Any], Any], *kinds: type) -> object:
        mine = [request for request in self.held[who] if isinstance(request.state, kinds)]
        if not mine:
            return "nothing"
        chosen = mine[place % len(mine)]
        try:
            answer = await call(chosen)
        except BatchError as error:
            return type(error).__name__
        if isinstance(answer, Request):
            self.held[who][self.held[who].index(chosen)] = answer
            return "begun"
        return None if answer is None else str(answer.line)

    async def _begin(self, who: int, place: int) -> object:
        return await self._report(who, place, self.desks[who].begin, Claimed)

    async def _complete(self, who: int, place: int) -> object:
        return await self._report(who, place, self.desks[who].complete, Processing)

    async def _fail(self, who: int, place: int) -> object:
        return await self._report(who, place, self.desks[who].fail, Processing)

    async def _give_back(self, who: int, place: int) -> object:
        return await self._report(who, place, self.desks[who].give_back, Claimed, Processing)

    async def _withdraw(self, who: int, place: int) -> object:
        return await self._report(who, place, self.desks[who].withdraw, Claimed, Processing)

    async def _cancel_requests(self, which: int, line: int) -> object:
        return _kinds(await self.storage.cancel_requests([RequestId(self.batches[which].id, line)]))

    async def _cancel_batch(self, which: int, _: int) -> object:
        await self.storage.cancel_batch(self.batches[which].id)
        return "cancelled"

    async def _retry(self, which: int, line: int) -> object:
        return _kinds(await self.storage.retry_failed_requests([RequestId(self.batches[which].id, line)]))

    async def _retry_all(self, which: int, _: int) -> object:
        return await self.storage.retry_failed_requests_for_batch(self.batches[which].id)

    async def _escalate(self, _: int, place: int) -> object:
        override = "z" if place % 2 else None
        return await self.storage.create_escalated_requests("x", 3000, sorted(LIVE), override)

    async def _advance(self, _: int, seconds: int) -> object:
        self.clock.advance(seconds)
        return seconds

    async def _beat(self, who: int, _: int) -> None:
        await self.desks[who].check_in()

    async def _sweep(self, *_: int) -> object:
        return await self.storage.sweep(30)

    async def _check(self, batch: Batch) -> object:
        """Compare what is counted with what is there."""
        found = await self.storage.get_batch_requests(batch.id)
        states = {(request.id.line, request.id.escalated): request.state.name for request in found}
        stands = [standing(states[line, False], states.get((line, True))) for line in range(LINES)]
        counted = await self.desks[0].counts(batch)
        order = (
            RequestState.PENDING,
            RequestState.PROCESSING,
            RequestState.COMPLETED,
            RequestState.FAILED,
            RequestState.CANCELED,
        )
        assert counted == tuple(Counter(stands)[state] for state in order)
        await self._check_results(batch, stands)
        kept = await self.storage.get_batch(batch.id)
        assert not kept.completed_at or not (counted[0] or counted[1])
        return states, counted, kept.is_finished, bool(kept.cancelled_at), bool(kept.expired_at)

    async def _check_results(self, batch: Batch, stands: list[RequestState]) -> None:
        for state, names in (
            (RequestState.COMPLETED, await self.desks[0].outputs(batch)),
            (RequestState.FAILED, await self.desks[0].errors(batch)),
        ):
            assert len(names) == len(set(names)) == stands.count(state)
        items = [item async for item in self.storage.get_batch_results_stream(batch.id)]
        assert [item.status for item in items] == stands


def _kinds(answers: list[BatchError | None]) -> list[str | None]:
    return [None if answer is None else type(answer).__name__ for answer in answers]


async def _compare(history: list[tuple[str, int, int]], locations: Sequence[str | Path]) -> None:
    async with AsyncExitStack() as stack:
        seen = []
        for location in locations:
            player = Player(await stack.enter_async_context(SqlStorage(location)))
            await player.begin()
            for step in history:
                await player.play(step)
            seen.append(player.seen)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("loop", ["asyncio"])
def test_both_stores_tell_the_same_story(
    loop: str, tmp_path: Path, sqlite_template: Path, postgres: PostgresServer, postgres_database: str
) -> None:
    """On one loop: a history has one step at a time."""
    path, url = tmp_path / "batch.db", postgres.url(postgres_database)

    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(steps, min_size=5, max_size=30))
    def run(history: list[tuple[str, int, int]]) -> None:
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        shutil.copy(sqlite_template, path)
        try:
            anyio.run(_compare, history, (path, url), backend=loop)
        finally:
            postgres.empty(postgres_database)

    run()
