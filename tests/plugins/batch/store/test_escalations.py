"""Escalations: who is at risk, who races, who wins."""

import pytest

from hostel.plugins.batch import BatchInput, RequestId, RequestState, SqlStorage, StateConflict
from hostel.plugins.batch._model.records import Request
from hostel.plugins.batch._model.states import Processing, Superseded
from hostel.plugins.batch.testing import ENDPOINT, Clock, ManualWorker

PENDING = [RequestState.PENDING]
LIVE = [RequestState.PENDING, RequestState.CLAIMED, RequestState.PROCESSING]


async def escalate(worker: ManualWorker, model: str = "m", seconds: float = 3600, **more: str) -> int:
    return await worker.storage.create_escalated_requests(model, seconds, LIVE, **more)


async def race(worker: ManualWorker) -> tuple[Request[Processing], Request[Processing]]:
    """Start the one request of a batch and its escalation."""
    assert await escalate(worker, model_override="big") == 1
    first, second = await worker.start(5)
    return (first, second) if not first.id.escalated else (second, first)


async def test_lines_near_their_deadline_are_at_risk_and_past_it_are_missed(
    worker: ManualWorker, clock: Clock
) -> None:
    near = await worker.batch("a", "b", window="30m")
    await worker.batch("c", window="3h")
    await worker.start()

    assert await worker.storage.get_at_risk_batches(3600, LIVE) == {near.id: 2}
    assert await worker.storage.get_at_risk_batches(3600, PENDING) == {near.id: 1}
    assert await worker.storage.get_missed_sla_batches(LIVE) == {}
    clock.advance(1801)
    assert await worker.storage.get_missed_sla_batches(LIVE) == {near.id: 2}


async def test_finished_and_cancelled_batches_are_at_no_risk(worker: ManualWorker) -> None:
    done = await worker.batch("a", window="30m")
    await worker.complete((await worker.start())[0])
    cancelled = await worker.batch("b", window="30m")
    await worker.storage.cancel_batch(cancelled.id)

    assert await worker.storage.get_at_risk_batches(3600, list(RequestState)) == {}
    assert done.id != cancelled.id


async def test_nothing_escalates_without_work_at_risk(worker: ManualWorker) -> None:
    assert await escalate(worker) == 0
    await worker.batch("a", window="30m", model="other")
    await worker.batch("b", window="3h")

    assert await escalate(worker) == 0


async def test_the_states_that_may_escalate_are_the_callers_choice(worker: ManualWorker) -> None:
    await worker.batch("a", "b", window="30m")
    await worker.start()

    assert await worker.storage.create_escalated_requests("m", 3600, PENDING) == 1
    assert await worker.storage.create_escalated_requests("m", 3600, LIVE) == 1


async def test_a_request_escalates_once_even_when_its_escalation_is_over(worker: ManualWorker) -> None:
    batch = await worker.batch("a", window="30m")
    original, clone = await race(worker)
    assert await worker.storage.find_pending_escalation(original.id) == clone.id
    await worker.fail(clone)

    assert await escalate(worker) == 0
    assert await worker.storage.find_pending_escalation(original.id) is None
    assert len(await worker.storage.get_batch_requests(batch.id)) == 2


async def test_an_escalation_links_back_and_is_not_counted(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "a", window="30m")

    assert await escalate(worker, model_override="big", api_key_override="env:BIG") == 2

    found = await worker.storage.get_batch_requests(batch.id)
    clones = [request.data for request in found if request.data.is_escalated]
    assert [clone.escalated_from_request_id for clone in clones] == [
        RequestId(batch.id, 0),
        RequestId(batch.id, 1),
    ]
    assert {(clone.model, clone.api_key) for clone in clones} == {("big", "env:BIG")}
    assert await worker.counts(batch) == (2, 0, 0, 0, 0)


async def test_when_the_original_wins_the_escalation_is_superseded(worker: ManualWorker) -> None:
    batch = await worker.batch("a", window="30m")
    original, clone = await race(worker)

    assert await worker.complete(original) == clone.id

    (loser,) = await worker.storage.get_requests([clone.id])
    assert isinstance(loser, Request)
    assert isinstance(loser.state, Superseded)
    assert (loser.state.was_escalated, loser.state.superseded_by_request_id) == (True, original.id)
    assert await worker.storage.find_stopped({clone.id: clone.lease}) == [clone.id]
    assert await worker.counts(batch) == (0, 0, 1, 0, 0)


async def test_when_the_escalation_wins_the_original_is_superseded_and_counts_as_completed(
    worker: ManualWorker,
) -> None:
    batch = await worker.batch("a", window="30m")
    original, clone = await race(worker)

    assert await worker.complete(clone, '{"from": "big"}') == original.id

    assert await worker.storage.find_stopped({original.id: original.lease}) == [original.id]
    assert await worker.counts(batch) == (0, 0, 1, 0, 0)
    (result,) = [item async for item in worker.storage.get_batch_results_stream(batch.id)]
    assert (result.id, result.model, result.response_body) == (clone.id, "big", '{"from": "big"}')
    assert '"model": "m"' in result.input_body


@pytest.mark.parametrize("first_to_fail", ["original", "clone"])
async def test_when_both_fail_the_line_failed_once_and_only_then(
    worker: ManualWorker, first_to_fail: str
) -> None:
    batch = await worker.batch("a", window="30m")
    original, clone = await race(worker)
    order = [original, clone] if first_to_fail == "original" else [clone, original]

    await worker.fail(order[0])
    assert await worker.counts(batch) == (0, 1, 0, 0, 0)
    await worker.fail(order[1])

    assert await worker.counts(batch) == (0, 0, 0, 1, 0)
    assert await worker.errors(batch) == ["a"]
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None


@pytest.mark.parametrize("winner", ["original", "clone"])
async def test_one_failure_and_one_success_complete_the_line(worker: ManualWorker, winner: str) -> None:
    batch = await worker.batch("a", window="30m")
    original, clone = await race(worker)
    await worker.fail(clone if winner == "original" else original)

    superseded = await worker.complete(original if winner == "original" else clone)

    assert superseded == (None if winner == "original" else original.id)
    assert await worker.counts(batch) == (0, 0, 1, 0, 0)
    assert (await worker.outputs(batch), await worker.errors(batch)) == (["a"], [])


async def test_three_lines_and_three_escalations_give_three_results(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c", window="30m")
    assert await escalate(worker, model_override="big") == 3

    refused = 0
    for request in await worker.start(6):
        try:
            await worker.complete(request)
        except StateConflict:
            refused += 1

    assert refused == 3
    assert await worker.counts(batch) == (0, 0, 3, 0, 0)
    assert sorted(await worker.outputs(batch)) == ["a", "b", "c"]  # type: ignore[type-var]
    states = [request.state for request in await worker.storage.get_batch_requests(batch.id)]
    assert sum(isinstance(state, Superseded) for state in states) == 3


async def test_withdrawing_a_line_withdraws_its_escalation(worker: ManualWorker) -> None:
    batch = await worker.batch("a", window="30m")
    original, clone = await race(worker)

    assert await worker.storage.cancel_requests([original.id]) == [None]

    held = {original.id: original.lease, clone.id: clone.lease}
    assert await worker.storage.find_stopped(held) == list(held)
    assert await worker.counts(batch) == (0, 0, 0, 0, 1)


async def test_an_escalation_keeps_the_attempts_of_its_original(
    storage: SqlStorage, worker: ManualWorker
) -> None:
    file_id = await worker.file("a")
    batch = await storage.create_batch(BatchInput(file_id, ENDPOINT, "30m"))
    (claimed,) = await worker.claim()
    await worker.give_back(claimed, attempt=4)

    assert await escalate(worker) == 1

    clone = next(request for request in await storage.get_batch_requests(batch.id) if request.id.escalated)
    assert getattr(clone.state, "retry_attempt", None) == 4
