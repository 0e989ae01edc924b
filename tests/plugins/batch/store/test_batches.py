"""Batches: made whole, counted exactly, stopped at once, finished by their last line."""

from collections.abc import AsyncIterator

import pytest

from hostel.plugins.batch import (
    BatchInput,
    FileMetadata,
    InvalidInput,
    NotFound,
    OnDeadline,
    Purpose,
    RequestState,
)
from hostel.plugins.batch._model.ids import new_batch_id, new_file_id
from hostel.plugins.batch._model.jsonl import EXPIRED_MESSAGE, read_lines
from hostel.plugins.batch._model.records import BatchErrorItem, FileStreamItem
from hostel.plugins.batch._model.states import Canceled, FailureKind
from hostel.plugins.batch.testing import ENDPOINT, Clock, Desk, template


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def upload(desk: Desk, text: bytes) -> str:
    async def items() -> AsyncIterator[FileStreamItem]:
        yield FileMetadata(filename="up.jsonl", purpose=Purpose.BATCH)
        async for line in read_lines(chunks(text)):
            yield line

    return await desk.storage.create_file_stream(items())


async def test_a_new_batch_counts_every_line_as_pending(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c")

    assert (batch.total_requests, batch.pending_requests) == (3, 3)
    assert batch.expires_at - batch.created_at == pytest.approx(86400)
    assert await desk.counts(batch) == (3, 0, 0, 0, 0)


async def test_several_batches_may_be_made_of_one_file(desk: Desk) -> None:
    file_id = await desk.file("a")

    made = [await desk.storage.create_batch(BatchInput(file_id, ENDPOINT)) for _ in range(2)]

    assert [status.batch_id for status in await desk.storage.list_file_batches(file_id)] == [
        made[1].id,
        made[0].id,
    ]


@pytest.mark.parametrize("window", ["", "soon", "0h", "-1h", "24 h", "1h 30m", "h"])
async def test_a_window_that_is_none_is_refused(desk: Desk, window: str) -> None:
    file_id = await desk.file("a")

    with pytest.raises(InvalidInput, match="window"):
        await desk.storage.create_batch(BatchInput(file_id, ENDPOINT, window))

    assert await desk.storage.list_batches() == []


async def test_a_batch_of_a_file_without_lines_fails_and_says_so(desk: Desk) -> None:
    batch = await desk.storage.create_batch(BatchInput(await desk.file(), ENDPOINT))

    assert [problem.code for problem in batch.errors] == ["empty_file"]
    assert batch.failed_at is not None
    assert batch.total_requests == 0
    assert await desk.claim() == []


async def test_a_batch_of_an_unknown_file_fails_and_says_so(desk: Desk) -> None:
    batch = await desk.storage.create_batch(BatchInput(new_file_id(), ENDPOINT))

    assert [problem.code for problem in batch.errors] == ["file_not_found"]
    assert (await desk.storage.get_batch(batch.id)).failed_at is not None


async def test_a_batch_of_an_expired_file_fails_and_says_so(desk: Desk, clock: Clock) -> None:
    file_id = await desk.file("a")
    clock.advance(31 * 86400)

    batch = await desk.storage.create_batch(BatchInput(file_id, ENDPOINT))

    assert [problem.code for problem in batch.errors] == ["file_expired"]


async def test_a_faulty_line_fails_the_batch_with_code_line_and_message(desk: Desk) -> None:
    good = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}'
    file_id = await upload(desk, good + b"\nnot json\n" + good + b"\n")

    batch = await desk.storage.create_batch(BatchInput(file_id, ENDPOINT))  # type: ignore[arg-type]

    assert [(problem.line, problem.code) for problem in batch.errors] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
    ]
    assert (batch.total_requests, batch.output_file_id) == (0, None)


async def test_a_url_other_than_the_endpoint_of_the_batch_fails_it(desk: Desk) -> None:
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m"}}'
    file_id = await upload(desk, line)

    batch = await desk.storage.create_batch(BatchInput(file_id, ENDPOINT))  # type: ignore[arg-type]

    assert [(problem.line, problem.code) for problem in batch.errors] == [(1, "url_mismatch")]


async def test_an_unknown_batch_is_not_found(desk: Desk) -> None:
    for call in (desk.storage.get_batch, desk.storage.get_batch_status, desk.storage.cancel_batch):
        with pytest.raises(NotFound):
            await call(new_batch_id())


async def test_the_last_completed_line_completes_the_batch(desk: Desk) -> None:
    batch = await desk.batch("a", "b")
    first, second = await desk.start(2)

    await desk.complete(first)
    assert not (await desk.storage.get_batch(batch.id)).is_finished
    await desk.complete(second)

    done = await desk.storage.get_batch(batch.id)
    assert done.completed_at is not None
    assert (await desk.storage.get_batch_status(batch.id)).is_finished


async def test_a_batch_whose_every_request_failed_is_completed_with_failures(desk: Desk) -> None:
    batch = await desk.batch("a")

    await desk.fail((await desk.start())[0])

    done = await desk.storage.get_batch(batch.id)
    assert (done.completed_at is not None, done.failed_at, done.failed_requests) == (True, None, 1)


async def test_cancelling_withdraws_what_waits_at_once(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c")

    await desk.storage.cancel_batch(batch.id)

    assert await desk.counts(batch) == (0, 0, 0, 0, 3)
    assert (await desk.storage.get_batch(batch.id)).cancelled_at is not None
    states = [request.state for request in await desk.storage.get_batch_requests(batch.id)]
    assert all(isinstance(state, Canceled) for state in states)
    assert await desk.claim(3) == []


async def test_cancelling_twice_is_cancelling_once(desk: Desk) -> None:
    batch = await desk.batch("a")
    await desk.storage.cancel_batch(batch.id)
    first = await desk.storage.get_batch(batch.id)

    await desk.storage.cancel_batch(batch.id)

    assert await desk.storage.get_batch(batch.id) == first


async def test_a_sweep_writes_down_what_a_cancelled_batch_leaves_and_changes_no_count(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c")
    await desk.complete((await desk.start())[0])
    await desk.storage.cancel_batch(batch.id)
    before = await desk.storage.get_batch(batch.id)

    swept = await desk.storage.sweep(60)

    assert swept.settled == 2
    assert await desk.storage.get_batch(batch.id) == before
    assert await desk.counts(batch) == (0, 0, 1, 0, 2)


async def test_a_window_that_passes_ends_unfinished_lines_with_an_error_line(
    desk: Desk, clock: Clock
) -> None:
    batch = await desk.batch("a", "b", window="1h")
    await desk.complete((await desk.start())[0])
    clock.advance(3601)

    swept = await desk.storage.sweep(1e9)

    done = await desk.storage.get_batch(batch.id)
    assert (swept.expired, swept.settled) == (1, 1)
    assert done.expired_at is not None
    assert await desk.counts(batch) == (0, 0, 1, 1, 0)
    assert batch.error_file_id is not None
    (line,) = await desk.storage.get_file_content(batch.error_file_id)
    assert isinstance(line, BatchErrorItem)
    assert (line.custom_id, line.failure.kind) == ("b", FailureKind.BATCH_EXPIRED)
    results = [item async for item in desk.storage.get_batch_results_stream(batch.id)]
    assert results[1].error == EXPIRED_MESSAGE


async def test_a_batch_may_go_on_after_its_window(desk: Desk, clock: Clock) -> None:
    order = BatchInput(await desk.file("a"), ENDPOINT, "1h", on_deadline=OnDeadline.CONTINUE)
    batch = await desk.storage.create_batch(order)
    clock.advance(7200)

    await desk.storage.sweep(1e9)

    await desk.complete((await desk.start())[0])
    assert (await desk.storage.get_batch(batch.id)).completed_at is not None


async def test_a_batch_expires_only_when_nothing_is_in_flight(desk: Desk, clock: Clock) -> None:
    batch = await desk.batch("a", "b", window="1h")
    await desk.check_in()
    (request,) = await desk.start()
    clock.advance(3601)
    await desk.check_in()

    await desk.storage.sweep(60)
    assert not (await desk.storage.get_batch(batch.id)).is_finished
    assert await desk.storage.find_stopped({request.id: request.lease}) == [request.id]
    await desk.fail(request)
    await desk.storage.sweep(60)

    assert (await desk.storage.get_batch(batch.id)).expired_at is not None
    assert await desk.counts(batch) == (0, 0, 0, 2, 0)


async def test_a_deleted_batch_is_gone_its_file_stays_and_deleting_twice_is_an_error(desk: Desk) -> None:
    batch = await desk.batch("a")

    await desk.storage.delete_batch(batch.id)

    with pytest.raises(NotFound):
        await desk.storage.get_batch(batch.id)
    with pytest.raises(NotFound):
        await desk.storage.delete_batch(batch.id)
    assert (await desk.storage.get_file(batch.file_id)).lines == 1
    assert await desk.claim() == []


async def test_deleting_a_file_withdraws_its_unfinished_batches(desk: Desk) -> None:
    batch = await desk.batch("a", "b")

    await desk.storage.delete_file(batch.file_id)

    assert await desk.counts(batch) == (0, 0, 0, 0, 2)
    assert (await desk.storage.get_batch(batch.id)).cancelled_at is not None


async def test_batches_are_listed_newest_first_by_owner_text_and_page(desk: Desk) -> None:
    file_id = await desk.file("a")
    made = [
        await desk.storage.create_batch(
            BatchInput(file_id, ENDPOINT, created_by=owner, metadata={"team": team}),
        )
        for owner, team in (("ada", "Blue"), ("bob", "Red"), ("ada", "Green"))
    ]
    names = [batch.id for batch in made]

    async def found(**wanted: object) -> list[str]:
        return [batch.id for batch in await desk.storage.list_batches(**wanted)]  # type: ignore[arg-type]

    assert await found() == names[::-1]
    assert await found(created_by="ada") == [names[2], names[0]]
    assert await found(search="bLUE") == [names[0]]
    assert await found(search="input.json") == names[::-1]
    assert await found(search=names[1]) == [names[1]]
    assert await found(after=names[2], limit=1) == [names[1]]
    with pytest.raises(NotFound):
        await found(after=new_batch_id())


async def test_results_pair_each_input_line_with_what_became_of_it(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c", "d", "E")
    first, second, _third = await desk.start(3)
    await desk.complete(first, '{"answer": 1}')
    await desk.fail(second)

    results = [item async for item in desk.storage.get_batch_results_stream(batch.id)]

    assert [item.custom_id for item in results] == ["a", "b", "c", "d", "E"]
    assert [item.status for item in results] == [
        RequestState.COMPLETED,
        RequestState.FAILED,
        RequestState.PROCESSING,
        RequestState.PENDING,
        RequestState.PENDING,
    ]
    assert results[0].response_body == '{"answer": 1}'
    assert (results[1].error or "").startswith("HTTP 400")
    assert results[0].input_body == template("a").body


async def test_results_are_paged_searched_and_filtered_by_status(desk: Desk) -> None:
    batch = await desk.batch("a", "b", "c", "d", "E")
    first, _second = await desk.start(2)
    await desk.complete(first)

    async def names(**wanted: object) -> list[str | None]:
        stream = desk.storage.get_batch_results_stream(batch.id, **wanted)  # type: ignore[arg-type]
        return [item.custom_id async for item in stream]

    assert await names(offset=2) == ["c", "d", "E"]
    assert await names(search="e") == ["E"]
    assert await names(status="completed") == ["a"]
    assert await names(status="in_progress") == ["b"]
    assert await names(status="pending") == ["c", "d", "E"]
    await desk.storage.cancel_batch(batch.id)
    assert await names(status="canceled") == ["c", "d", "E"]


async def test_requests_of_a_batch_keep_their_custom_ids_and_order(desk: Desk) -> None:
    batch = await desk.batch("b", "a", "b")

    found = await desk.storage.get_batch_requests(batch.id)

    assert [request.data.custom_id for request in found] == ["b", "a", "b"]
    assert [request.data.id.line for request in found] == [0, 1, 2]


async def test_an_unfinished_batch_can_be_given_to_another_session(desk: Desk) -> None:
    batch = await desk.batch("a")

    await desk.storage.assign_session(batch.id, "elsewhere")

    assert [(each.id, each.session_id) for each in await desk.storage.list_unfinished()] == [
        (batch.id, "elsewhere")
    ]
