"""Claims: in order, within limits, each under a lease of its own."""

import anyio
import pytest

from hostel.plugins.batch import Capacity, RequestId, RequestState, StateConflict
from hostel.plugins.batch._model.ids import new_batch_id
from hostel.plugins.batch._model.records import DaemonStats
from hostel.plugins.batch._model.states import LIVE, Pending
from hostel.plugins.batch.testing import Clock, Desk, template


def names(requests: object) -> list[str]:
    return [request.data.custom_id for request in requests]  # type: ignore[attr-defined]


async def test_five_pending_requests_are_claimed_three_and_then_two(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c", "d", "e")

    assert names(await desk.claim(3)) == ["a", "b", "c"]
    assert names(await desk.claim(10)) == ["d", "e"]
    assert await desk.counts(batch) == (0, 5, 0, 0, 0)
    assert await desk.claim(1) == []


async def test_the_nearest_deadline_goes_first_then_the_older_batch_then_the_line(desk: Desk) -> None:
    await desk.batch("late-1", "late-2", window="48h")
    await desk.batch("soon-1", "soon-2", window="1h")
    await desk.batch("later", window="49h")

    assert names(await desk.claim(5)) == ["soon-1", "soon-2", "late-1", "late-2", "later"]


async def test_lines_go_in_order_whatever_their_models(desk: Desk) -> None:
    await desk.batch_of([template(f"{n:03}", f"model-{n * 7 % 5 if n < 60 else 0}") for n in range(80)])

    claimed = names(await desk.claim(30)) + names(await desk.claim(50))

    assert claimed == [f"{n:03}" for n in range(80)]


async def test_a_model_takes_no_more_than_its_free_slots(desk: Desk) -> None:
    await desk.batch_of(
        [template(f"x{n}", "x") for n in range(5)] + [template(f"y{n}", "y") for n in range(5)]
    )

    claimed = await desk.claim(10, Capacity({"x": 2}, default=1))

    assert names(claimed) == ["x0", "x1", "y0"]
    assert await desk.claim(10, Capacity({"x": 0, "y": 0})) == []


async def test_a_model_without_free_slots_does_not_hide_the_others(desk: Desk) -> None:
    await desk.batch(*(f"x{n}" for n in range(50)), model="x")
    await desk.batch("y", model="y", window="48h")

    assert names(await desk.claim(5, Capacity({"x": 0}, default=5))) == ["y"]


async def test_a_request_whose_time_has_not_come_is_passed_over(desk: Desk, clock: Clock) -> None:
    await desk.batch("a", "b", "c")
    (first,) = await desk.start()
    await desk.report(first, Pending(1, clock() + 1800, first.state.batch_expires_at))

    assert names(await desk.claim(2)) == ["b", "c"]
    clock.advance(1801)
    (again,) = await desk.claim(2)
    assert (again.data.custom_id, again.state.retry_attempt, again.lease) == ("a", 1, 2)


async def put_off(desk: Desk, count: int) -> None:
    """Claim requests and give them back for half an hour later."""
    later = desk.clock() + 1800
    async with anyio.create_task_group() as group:
        for request in await desk.claim(count):
            group.start_soon(desk.report, request, Pending(1, later, request.state.batch_expires_at))


async def test_what_an_earlier_batch_cannot_give_yet_the_next_one_gives(desk: Desk, clock: Clock) -> None:
    await desk.batch("a", "b", "c", window="1h")
    await put_off(desk, 3)
    await desk.batch("d", window="2h")
    await desk.batch("e", "f", window="3h")

    assert names(await desk.claim(2)) == ["d", "e"]
    clock.advance(1801)
    assert names(await desk.claim(5)) == ["a", "b", "c", "f"]


@pytest.mark.parametrize("models", [256, 257, 600])
async def test_no_model_waits_behind_however_many_others(desk: Desk, models: int) -> None:
    await desk.batch_of([template(f"{n}", f"model-{n:03}") for n in range(models)], "1h")
    await desk.batch("last", model="zzz", window="2h")

    first = await desk.claim(models - 1)

    assert names(first) == [f"{n}" for n in range(models - 1)]
    assert names(await desk.claim(10)) == [f"{models - 1}", "last"]


async def test_many_models_that_can_give_nothing_yet_do_not_hide_one_that_can(desk: Desk) -> None:
    await desk.batch_of([template(f"{n}", f"model-{n:03}") for n in range(300)], "1h")
    await put_off(desk, 300)
    await desk.batch("a", "b", model="zzz", window="2h")

    assert names(await desk.claim(10, Capacity({"zzz": 1}, default=5))) == ["a"]


async def test_a_request_and_its_escalation_are_claimed_as_two_that_are_one_line(desk: Desk) -> None:
    batch = await desk.batch("a", "b", window="30m")
    assert await desk.storage.create_escalated_requests("m", 3600, sorted(LIVE)) == 2

    (first,) = await desk.claim(1)
    others = await desk.claim(10)

    ids = [(request.id.line, request.id.escalated) for request in (first, *others)]
    assert ids == [(0, False), (0, True), (1, False), (1, True)]
    assert await desk.counts(batch) == (0, 2, 0, 0, 0)
    assert await desk.claim(10) == []


async def test_giving_a_claim_back_keeps_its_attempts(desk: Desk) -> None:
    await desk.batch("a")
    (claimed,) = await desk.claim()

    await desk.give_back(claimed, attempt=3)

    (again,) = await desk.claim()
    assert (again.state.retry_attempt, again.lease) == (3, 2)


async def test_concurrent_claims_never_hand_out_a_request_twice(desk: Desk, clock: Clock) -> None:
    batch = await desk.batch(*(f"r{n}" for n in range(100)))
    desks = [Desk(desk.storage, clock) for _ in range(4)]
    taken: list[str] = []

    async def work(each: Desk) -> None:
        while found := await each.claim(7):
            taken.extend(names(found))

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            for each in desks:
                group.start_soon(work, each)

    assert len(taken) == len(set(taken))
    assert set(taken) | set(names(await desk.claim(100))) == {f"r{n}" for n in range(100)}
    assert await desk.counts(batch) == (0, 100, 0, 0, 0)


async def test_a_dead_daemons_requests_are_claimable_again_at_once(desk: Desk, clock: Clock) -> None:
    batch = await desk.batch("a", "b")
    await desk.check_in()
    await desk.start(2)
    await desk.sign_off()

    assert (await desk.storage.sweep(1e9)).reclaimed == 2
    assert await desk.counts(batch) == (2, 0, 0, 0, 0)
    assert names(await Desk(desk.storage, clock).claim(5)) == ["a", "b"]


async def test_a_silent_daemons_requests_are_reclaimed_and_a_living_ones_are_not(
    desk: Desk, clock: Clock
) -> None:
    await desk.batch("a", "b")
    other = Desk(desk.storage, clock)
    for each in (desk, other):
        await each.check_in()
        await each.start()
    clock.advance(40)
    await other.storage.heartbeat(other.daemon_id, DaemonStats())

    assert (await desk.storage.sweep(30)).reclaimed == 1
    assert names(await other.claim(5)) == ["a"]


async def test_requests_are_read_by_id_in_order_and_unknown_ids_fail_in_place(desk: Desk) -> None:
    batch = await desk.batch("a", "b")
    wanted = [
        RequestId(batch.id, 1),
        RequestId(new_batch_id(), 0),
        RequestId(batch.id, 0),
        RequestId(batch.id, 9),
    ]

    answers = await desk.storage.get_requests(wanted)

    kinds = [getattr(answer, "data", None) and answer.data.custom_id for answer in answers]  # type: ignore[union-attr]
    assert kinds == ["b", None, "a", None]


async def test_single_requests_can_be_withdrawn(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c", "d", "e")
    done, held = await desk.start(2)
    await desk.complete(done)
    ids = [RequestId(batch.id, line) for line in (0, 1, 4)]

    answers = await desk.storage.cancel_requests([*ids, RequestId(new_batch_id(), 0)])

    assert isinstance(answers[0], StateConflict)
    assert answers[1:3] == [None, None]
    assert isinstance(answers[3], LookupError)
    assert await desk.counts(batch) == (2, 0, 1, 0, 2)
    assert await desk.storage.find_stopped({held.id: held.lease}) == [held.id]


async def test_failed_requests_are_retried_from_the_first_attempt(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c")
    first, second, third = await desk.start(3)
    await desk.fail(first)
    await desk.complete(second)

    answers = await desk.storage.retry_failed_requests(
        [first.id, second.id, third.id, RequestId(new_batch_id(), 1)]
    )

    assert answers[0] is None
    assert [type(answer) for answer in answers[1:3]] == [StateConflict, StateConflict]
    assert isinstance(answers[3], LookupError)
    (again,) = await desk.start()
    assert (again.data.custom_id, again.state.retry_attempt) == ("a", 0)
    await desk.complete(again)
    assert await desk.outputs(batch) == ["b", "a"]
    assert await desk.errors(batch) == []


async def test_a_retry_opens_a_finished_batch_again(desk: Desk) -> None:
    batch = await desk.batch("a", "b")
    for request in await desk.start(2):
        await desk.fail(request)
    assert (await desk.storage.get_batch(batch.id)).completed_at is not None

    assert await desk.storage.retry_failed_requests_for_batch(batch.id) == 2

    opened = await desk.storage.get_batch(batch.id)
    assert (opened.completed_at, opened.finalizing_at, opened.is_finished) == (None, None, False)
    assert await desk.counts(batch) == (2, 0, 0, 0, 0)


async def test_a_retry_in_a_cancelled_batch_revives_that_request_alone(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c")
    (request,) = await desk.start()
    await desk.fail(request)
    await desk.storage.cancel_batch(batch.id)

    assert await desk.storage.retry_failed_requests([request.id]) == [None]

    assert await desk.counts(batch) == (1, 0, 0, 0, 2)
    (again,) = await desk.start(5)
    await desk.complete(again)
    assert (await desk.storage.get_batch(batch.id)).completed_at is not None


async def test_a_retry_in_an_expired_batch_has_a_window_of_its_own(desk: Desk, clock: Clock) -> None:
    batch = await desk.batch("a", window="1h")
    clock.advance(4000)
    await desk.storage.sweep(1e9)

    assert await desk.storage.retry_failed_requests_for_batch(batch.id) == 1

    await desk.storage.sweep(1e9)
    (again,) = await desk.start()
    await desk.complete(again)
    assert (await desk.storage.get_batch(batch.id)).completed_at is not None


async def test_a_retry_waits_until_a_cancelled_batch_has_come_to_rest(desk: Desk) -> None:
    batch = await desk.batch("a", "b")
    first, _second = await desk.start(2)
    await desk.fail(first)
    await desk.storage.cancel_batch(batch.id)

    (answer,) = await desk.storage.retry_failed_requests([first.id])

    assert isinstance(answer, StateConflict)
    assert answer.current is RequestState.FAILED


@pytest.mark.parametrize("step", ["complete", "fail", "give_back", "withdraw"])
async def test_a_report_that_is_repeated_changes_nothing(desk: Desk, step: str) -> None:
    batch = await desk.batch("a")
    (request,) = await desk.start()
    report = getattr(desk, step)
    await report(request)
    before = await desk.storage.get_batch(batch.id)

    await report(request)

    assert await desk.storage.get_batch(batch.id) == before
