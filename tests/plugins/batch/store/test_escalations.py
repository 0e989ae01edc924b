"""Escalations: who is at risk, who races, who wins."""

import pytest

from hostel.plugins.batch import BatchInput, RequestId, RequestState, SqlStorage, StateConflict
from hostel.plugins.batch._model.records import Request
from hostel.plugins.batch._model.states import Processing, Superseded
from hostel.plugins.batch.testing import ENDPOINT, Clock, Desk

PENDING = [RequestState.PENDING]
LIVE = [RequestState.PENDING, RequestState.CLAIMED, RequestState.PROCESSING]


async def escalate(desk: Desk, model: str = "m", seconds: float = 3600, **more: str) -> int:
    return await desk.storage.create_escalated_requests(model, seconds, LIVE, **more)


async def race(desk: Desk) -> tuple[Request[Processing], Request[Processing]]:
    """Start the one request of a batch and its escalation."""
    assert await escalate(desk, model_override="big") == 1
    first, second = await desk.start(5)
    return (first, second) if not first.id.escalated else (second, first)


async def test_lines_near_their_deadline_are_at_risk_and_past_it_are_missed(desk: Desk, clock: Clock) -> None:
    near = await desk.batch("a", "b", window="30m")
    await desk.batch("c", window="3h")
    await desk.start()

    assert await desk.storage.get_at_risk_batches(3600, LIVE) == {near.id: 2}
    assert await desk.storage.get_at_risk_batches(3600, PENDING) == {near.id: 1}
    assert await desk.storage.get_missed_sla_batches(LIVE) == {}
    clock.advance(1801)
    assert await desk.storage.get_missed_sla_batches(LIVE) == {near.id: 2}


async def test_finished_and_cancelled_batches_are_at_no_risk(desk: Desk) -> None:
    done = await desk.batch("a", window="30m")
    await desk.complete((await desk.start())[0])
    cancelled = await desk.batch("b", window="30m")
    await desk.storage.cancel_batch(cancelled.id)

    assert await desk.storage.get_at_risk_batches(3600, list(RequestState)) == {}
    assert done.id != cancelled.id


async def test_nothing_escalates_without_work_at_risk(desk: Desk) -> None:
    assert await escalate(desk) == 0
    await desk.batch("a", window="30m", model="other")
    await desk.batch("b", window="3h")

    assert await escalate(desk) == 0


async def test_the_states_that_may_escalate_are_the_callers_choice(desk: Desk) -> None:
    await desk.batch("a", "b", window="30m")
    await desk.start()

    assert await desk.storage.create_escalated_requests("m", 3600, PENDING) == 1
    assert await desk.storage.create_escalated_requests("m", 3600, LIVE) == 1


async def test_a_request_escalates_once_even_when_its_escalation_is_over(desk: Desk) -> None:
    batch = await desk.batch("a", window="30m")
    original, clone = await race(desk)
    assert await desk.storage.find_pending_escalation(original.id) == clone.id
    await desk.fail(clone)

    assert await escalate(desk) == 0
    assert await desk.storage.find_pending_escalation(original.id) is None
    assert len(await desk.storage.get_batch_requests(batch.id)) == 2


async def test_an_escalation_links_back_and_is_not_counted(desk: Desk) -> None:
    batch = await desk.batch("a", "a", window="30m")

    assert await escalate(desk, model_override="big", api_key_override="env:BIG") == 2

    found = await desk.storage.get_batch_requests(batch.id)
    clones = [request.data for request in found if request.data.is_escalated]
    assert [clone.escalated_from_request_id for clone in clones] == [
        RequestId(batch.id, 0),
        RequestId(batch.id, 1),
    ]
    assert {(clone.model, clone.api_key) for clone in clones} == {("big", "env:BIG")}
    assert await desk.counts(batch) == (2, 0, 0, 0, 0)


async def test_when_the_original_wins_the_escalation_is_superseded(desk: Desk) -> None:
    batch = await desk.batch("a", window="30m")
    original, clone = await race(desk)

    assert await desk.complete(original) == clone.id

    (loser,) = await desk.storage.get_requests([clone.id])
    assert isinstance(loser, Request)
    assert isinstance(loser.state, Superseded)
    assert (loser.state.was_escalated, loser.state.superseded_by_request_id) == (True, original.id)
    assert await desk.storage.find_stopped({clone.id: clone.lease}) == [clone.id]
    assert await desk.counts(batch) == (0, 0, 1, 0, 0)


async def test_when_the_escalation_wins_the_original_is_superseded_and_counts_as_completed(
    desk: Desk,
) -> None:
    batch = await desk.batch("a", window="30m")
    original, clone = await race(desk)

    assert await desk.complete(clone, '{"from": "big"}') == original.id

    assert await desk.storage.find_stopped({original.id: original.lease}) == [original.id]
    assert await desk.counts(batch) == (0, 0, 1, 0, 0)
    (result,) = [item async for item in desk.storage.get_batch_results_stream(batch.id)]
    assert (result.id, result.model, result.response_body) == (clone.id, "big", '{"from": "big"}')
    assert '"model": "m"' in result.input_body


@pytest.mark.parametrize("first_to_fail", ["original", "clone"])
async def test_when_both_fail_the_line_failed_once_and_only_then(desk: Desk, first_to_fail: str) -> None:
    batch = await desk.batch("a", window="30m")
    original, clone = await race(desk)
    order = [original, clone] if first_to_fail == "original" else [clone, original]

    await desk.fail(order[0])
    assert await desk.counts(batch) == (0, 1, 0, 0, 0)
    await desk.fail(order[1])

    assert await desk.counts(batch) == (0, 0, 0, 1, 0)
    assert await desk.errors(batch) == ["a"]
    assert (await desk.storage.get_batch(batch.id)).completed_at is not None


@pytest.mark.parametrize("winner", ["original", "clone"])
async def test_one_failure_and_one_success_complete_the_line(desk: Desk, winner: str) -> None:
    batch = await desk.batch("a", window="30m")
    original, clone = await race(desk)
    await desk.fail(clone if winner == "original" else original)

    superseded = await desk.complete(original if winner == "original" else clone)

    assert superseded == (None if winner == "original" else original.id)
    assert await desk.counts(batch) == (0, 0, 1, 0, 0)
    assert (await desk.outputs(batch), await desk.errors(batch)) == (["a"], [])


async def test_three_lines_and_three_escalations_give_three_results(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c", window="30m")
    assert await escalate(desk, model_override="big") == 3

    refused = 0
    for request in await desk.start(6):
        try:
            await desk.complete(request)
        except StateConflict:
            refused += 1

    assert refused == 3
    assert await desk.counts(batch) == (0, 0, 3, 0, 0)
    assert sorted(await desk.outputs(batch)) == ["a", "b", "c"]  # type: ignore[type-var]
    states = [request.state for request in await desk.storage.get_batch_requests(batch.id)]
    assert sum(isinstance(state, Superseded) for state in states) == 3


async def test_withdrawing_a_line_withdraws_its_escalation(desk: Desk) -> None:
    batch = await desk.batch("a", window="30m")
    original, clone = await race(desk)

    assert await desk.storage.cancel_requests([original.id]) == [None]

    held = {original.id: original.lease, clone.id: clone.lease}
    assert await desk.storage.find_stopped(held) == list(held)
    assert await desk.counts(batch) == (0, 0, 0, 0, 1)


async def test_an_escalation_keeps_the_attempts_of_its_original(storage: SqlStorage, desk: Desk) -> None:
    file_id = await desk.file("a")
    batch = await storage.create_batch(BatchInput(file_id, ENDPOINT, "30m"))
    (claimed,) = await desk.claim()
    await desk.give_back(claimed, attempt=4)

    assert await escalate(desk) == 1

    clone = next(request for request in await storage.get_batch_requests(batch.id) if request.id.escalated)
    assert getattr(clone.state, "retry_attempt", None) == 4
