"""Claims: in order, within limits, each under a lease of its own."""

import anyio
import pytest

from hostel.plugins.batch import Capacity, RequestId, RequestState, StateConflict
from hostel.plugins.batch._model.ids import new_batch_id
from hostel.plugins.batch._model.records import DaemonStats
from hostel.plugins.batch._model.states import LIVE, Pending
from hostel.plugins.batch.testing import Clock, ManualWorker, template


def names(requests: object) -> list[str]:
    return [request.data.custom_id for request in requests]  # type: ignore[attr-defined]


async def test_five_pending_requests_are_claimed_three_and_then_two(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c", "d", "e")

    assert names(await worker.claim(3)) == ["a", "b", "c"]
    assert names(await worker.claim(10)) == ["d", "e"]
    assert await worker.counts(batch) == (0, 5, 0, 0, 0)
    assert await worker.claim(1) == []


async def test_the_nearest_deadline_goes_first_then_the_older_batch_then_the_line(
    worker: ManualWorker,
) -> None:
    await worker.batch("late-1", "late-2", window="48h")
    await worker.batch("soon-1", "soon-2", window="1h")
    await worker.batch("later", window="49h")

    assert names(await worker.claim(5)) == ["soon-1", "soon-2", "late-1", "late-2", "later"]


async def test_lines_go_in_order_whatever_their_models(worker: ManualWorker) -> None:
    await worker.batch_of([template(f"{n:03}", f"model-{n * 7 % 5 if n < 60 else 0}") for n in range(80)])

    claimed = names(await worker.claim(30)) + names(await worker.claim(50))

    assert claimed == [f"{n:03}" for n in range(80)]


async def test_a_model_takes_no_more_than_its_free_slots(worker: ManualWorker) -> None:
    await worker.batch_of(
        [template(f"x{n}", "x") for n in range(5)] + [template(f"y{n}", "y") for n in range(5)]
    )

    claimed = await worker.claim(10, Capacity({"x": 2}, default=1))

    assert names(claimed) == ["x0", "x1", "y0"]
    assert await worker.claim(10, Capacity({"x": 0, "y": 0})) == []


async def test_a_model_without_free_slots_does_not_hide_the_others(worker: ManualWorker) -> None:
    await worker.batch(*(f"x{n}" for n in range(50)), model="x")
    await worker.batch("y", model="y", window="48h")

    assert names(await worker.claim(5, Capacity({"x": 0}, default=5))) == ["y"]


async def test_a_request_whose_time_has_not_come_is_passed_over(worker: ManualWorker, clock: Clock) -> None:
    await worker.batch("a", "b", "c")
    (first,) = await worker.start()
    await worker.report(first, Pending(1, clock() + 1800, first.state.batch_expires_at))

    assert names(await worker.claim(2)) == ["b", "c"]
    clock.advance(1801)
    (again,) = await worker.claim(2)
    assert (again.data.custom_id, again.state.retry_attempt, again.lease) == ("a", 1, 2)


async def put_off(worker: ManualWorker, count: int) -> None:
    """Claim requests and give them back for half an hour later."""
    later = worker.clock() + 1800
    async with anyio.create_task_group() as group:
        for request in await worker.claim(count):
            group.start_soon(worker.report, request, Pending(1, later, request.state.batch_expires_at))


async def test_what_an_earlier_batch_cannot_give_yet_the_next_one_gives(
    worker: ManualWorker, clock: Clock
) -> None:
    await worker.batch("a", "b", "c", window="1h")
    await put_off(worker, 3)
    await worker.batch("d", window="2h")
    await worker.batch("e", "f", window="3h")

    assert names(await worker.claim(2)) == ["d", "e"]
    clock.advance(1801)
    assert names(await worker.claim(5)) == ["a", "b", "c", "f"]


@pytest.mark.parametrize("models", [256, 257, 600])
async def test_no_model_waits_behind_however_many_others(worker: ManualWorker, models: int) -> None:
    await worker.batch_of([template(f"{n}", f"model-{n:03}") for n in range(models)], "1h")
    await worker.batch("last", model="zzz", window="2h")

    first = await worker.claim(models - 1)

    assert names(first) == [f"{n}" for n in range(models - 1)]
    assert names(await worker.claim(10)) == [f"{models - 1}", "last"]


async def test_many_models_that_can_give_nothing_yet_do_not_hide_one_that_can(worker: ManualWorker) -> None:
    await worker.batch_of([template(f"{n}", f"model-{n:03}") for n in range(300)], "1h")
    await put_off(worker, 300)
    await worker.batch("a", "b", model="zzz", window="2h")

    assert names(await worker.claim(10, Capacity({"zzz": 1}, default=5))) == ["a"]


async def test_a_request_and_its_escalation_are_claimed_as_two_that_are_one_line(
    worker: ManualWorker,
) -> None:
    batch = await worker.batch("a", "b", window="30m")
    assert await worker.storage.create_escalated_requests("m", 3600, sorted(LIVE)) == 2

    (first,) = await worker.claim(1)
    others = await worker.claim(10)

    ids = [(request.id.line, request.id.escalated) for request in (first, *others)]
    assert ids == [(0, False), (0, True), (1, False), (1, True)]
    assert await worker.counts(batch) == (0, 2, 0, 0, 0)
    assert await worker.claim(10) == []


async def test_giving_a_claim_back_keeps_its_attempts(worker: ManualWorker) -> None:
    await worker.batch("a")
    (claimed,) = await worker.claim()

    await worker.give_back(claimed, attempt=3)

    (again,) = await worker.claim()
    assert (again.state.retry_attempt, again.lease) == (3, 2)


async def test_concurrent_claims_never_hand_out_a_request_twice(worker: ManualWorker, clock: Clock) -> None:
    batch = await worker.batch(*(f"r{n}" for n in range(100)))
    desks = [ManualWorker(worker.storage, clock) for _ in range(4)]
    taken: list[str] = []

    async def work(each: ManualWorker) -> None:
        while found := await each.claim(7):
            taken.extend(names(found))

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            for each in desks:
                group.start_soon(work, each)

    assert len(taken) == len(set(taken))
    assert set(taken) | set(names(await worker.claim(100))) == {f"r{n}" for n in range(100)}
    assert await worker.counts(batch) == (0, 100, 0, 0, 0)


async def test_a_dead_daemons_requests_are_claimable_again_at_once(
    worker: ManualWorker, clock: Clock
) -> None:
    batch = await worker.batch("a", "b")
    await worker.check_in()
    await worker.start(2)
    await worker.sign_off()

    assert (await worker.storage.sweep(1e9)).reclaimed == 2
    assert await worker.counts(batch) == (2, 0, 0, 0, 0)
    assert names(await ManualWorker(worker.storage, clock).claim(5)) == ["a", "b"]


async def test_a_silent_daemons_requests_are_reclaimed_and_a_living_ones_are_not(
    worker: ManualWorker, clock: Clock
) -> None:
    await worker.batch("a", "b")
    other = ManualWorker(worker.storage, clock)
    for each in (worker, other):
        await each.check_in()
        await each.start()
    clock.advance(40)
    await other.storage.heartbeat(other.daemon_id, DaemonStats())

    assert (await worker.storage.sweep(30)).reclaimed == 1
    assert names(await other.claim(5)) == ["a"]


async def test_requests_are_read_by_id_in_order_and_unknown_ids_fail_in_place(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b")
    wanted = [
        RequestId(batch.id, 1),
        RequestId(new_batch_id(), 0),
        RequestId(batch.id, 0),
        RequestId(batch.id, 9),
    ]

    answers = await worker.storage.get_requests(wanted)

    kinds = [getattr(answer, "data", None) and answer.data.custom_id for answer in answers]  # type: ignore[union-attr]
    assert kinds == ["b", None, "a", None]


async def test_single_requests_can_be_withdrawn(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c", "d", "e")
    done, held = await worker.start(2)
    await worker.complete(done)
    ids = [RequestId(batch.id, line) for line in (0, 1, 4)]

    answers = await worker.storage.cancel_requests([*ids, RequestId(new_batch_id(), 0)])

    assert isinstance(answers[0], StateConflict)
    assert answers[1:3] == [None, None]
    assert isinstance(answers[3], LookupError)
    assert await worker.counts(batch) == (2, 0, 1, 0, 2)
    assert await worker.storage.find_stopped({held.id: held.lease}) == [held.id]


async def test_failed_requests_are_retried_from_the_first_attempt(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c")
    first, second, third = await worker.start(3)
    await worker.fail(first)
    await worker.complete(second)

    answers = await worker.storage.retry_failed_requests(
        [first.id, second.id, third.id, RequestId(new_batch_id(), 1)]
    )

    assert answers[0] is None
    assert [type(answer) for answer in answers[1:3]] == [StateConflict, StateConflict]
    assert isinstance(answers[3], LookupError)
    (again,) = await worker.start()
    assert (again.data.custom_id, again.state.retry_attempt) == ("a", 0)
    await worker.complete(again)
    assert await worker.outputs(batch) == ["b", "a"]
    assert await worker.errors(batch) == []


async def test_a_retry_opens_a_finished_batch_again(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b")
    for request in await worker.start(2):
        await worker.fail(request)
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None

    assert await worker.storage.retry_failed_requests_for_batch(batch.id) == 2

    opened = await worker.storage.get_batch(batch.id)
    assert (opened.completed_at, opened.finalizing_at, opened.is_finished) == (None, None, False)
    assert await worker.counts(batch) == (2, 0, 0, 0, 0)


async def test_a_retry_in_a_cancelled_batch_revives_that_request_alone(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c")
    (request,) = await worker.start()
    await worker.fail(request)
    await worker.storage.cancel_batch(batch.id)

    assert await worker.storage.retry_failed_requests([request.id]) == [None]

    assert await worker.counts(batch) == (1, 0, 0, 0, 2)
    (again,) = await worker.start(5)
    await worker.complete(again)
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None


async def test_a_retry_in_an_expired_batch_has_a_window_of_its_own(
    worker: ManualWorker, clock: Clock
) -> None:
    batch = await worker.batch("a", window="1h")
    clock.advance(4000)
    await worker.storage.sweep(1e9)

    assert await worker.storage.retry_failed_requests_for_batch(batch.id) == 1

    await worker.storage.sweep(1e9)
    (again,) = await worker.start()
    await worker.complete(again)
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None


async def test_a_retry_waits_until_a_cancelled_batch_has_come_to_rest(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b")
    first, _second = await worker.start(2)
    await worker.fail(first)
    await worker.storage.cancel_batch(batch.id)

    (answer,) = await worker.storage.retry_failed_requests([first.id])

    assert isinstance(answer, StateConflict)
    assert answer.current is RequestState.FAILED


@pytest.mark.parametrize("step", ["complete", "fail", "give_back", "withdraw"])
async def test_a_report_that_is_repeated_changes_nothing(worker: ManualWorker, step: str) -> None:
    batch = await worker.batch("a")
    (request,) = await worker.start()
    report = getattr(worker, step)
    await report(request)
    before = await worker.storage.get_batch(batch.id)

    await report(request)

    assert await worker.storage.get_batch(batch.id) == before
