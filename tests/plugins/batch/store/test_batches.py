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
from hostel.plugins.batch.testing import ENDPOINT, Clock, ManualWorker, template


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def upload(worker: ManualWorker, text: bytes) -> str:
    async def items() -> AsyncIterator[FileStreamItem]:
        yield FileMetadata(filename="up.jsonl", purpose=Purpose.BATCH)
        async for line in read_lines(chunks(text)):
            yield line

    return await worker.storage.create_file_stream(items())


async def test_a_new_batch_counts_every_line_as_pending(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c")

    assert (batch.total_requests, batch.pending_requests) == (3, 3)
    assert batch.expires_at - batch.created_at == pytest.approx(86400)
    assert await worker.counts(batch) == (3, 0, 0, 0, 0)


async def test_several_batches_may_be_made_of_one_file(worker: ManualWorker) -> None:
    file_id = await worker.file("a")

    made = [await worker.storage.create_batch(BatchInput(file_id, ENDPOINT)) for _ in range(2)]

    assert [status.batch_id for status in await worker.storage.list_file_batches(file_id)] == [
        made[1].id,
        made[0].id,
    ]


@pytest.mark.parametrize("window", ["", "soon", "0h", "-1h", "24 h", "1h 30m", "h"])
async def test_a_window_that_is_none_is_refused(worker: ManualWorker, window: str) -> None:
    file_id = await worker.file("a")

    with pytest.raises(InvalidInput, match="window"):
        await worker.storage.create_batch(BatchInput(file_id, ENDPOINT, window))

    assert await worker.storage.list_batches() == []


async def test_a_batch_of_a_file_without_lines_fails_and_says_so(worker: ManualWorker) -> None:
    batch = await worker.storage.create_batch(BatchInput(await worker.file(), ENDPOINT))

    assert [problem.code for problem in batch.errors] == ["empty_file"]
    assert batch.failed_at is not None
    assert batch.total_requests == 0
    assert await worker.claim() == []


async def test_a_batch_of_an_unknown_file_fails_and_says_so(worker: ManualWorker) -> None:
    batch = await worker.storage.create_batch(BatchInput(new_file_id(), ENDPOINT))

    assert [problem.code for problem in batch.errors] == ["file_not_found"]
    assert (await worker.storage.get_batch(batch.id)).failed_at is not None


async def test_a_batch_of_an_expired_file_fails_and_says_so(worker: ManualWorker, clock: Clock) -> None:
    file_id = await worker.file("a")
    clock.advance(31 * 86400)

    batch = await worker.storage.create_batch(BatchInput(file_id, ENDPOINT))

    assert [problem.code for problem in batch.errors] == ["file_expired"]


async def test_a_faulty_line_fails_the_batch_with_code_line_and_message(worker: ManualWorker) -> None:
    good = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}'
    file_id = await upload(worker, good + b"\nnot json\n" + good + b"\n")

    batch = await worker.storage.create_batch(BatchInput(file_id, ENDPOINT))  # type: ignore[arg-type]

    assert [(problem.line, problem.code) for problem in batch.errors] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
    ]
    assert (batch.total_requests, batch.output_file_id) == (0, None)


async def test_a_url_other_than_the_endpoint_of_the_batch_fails_it(worker: ManualWorker) -> None:
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m"}}'
    file_id = await upload(worker, line)

    batch = await worker.storage.create_batch(BatchInput(file_id, ENDPOINT))  # type: ignore[arg-type]

    assert [(problem.line, problem.code) for problem in batch.errors] == [(1, "url_mismatch")]


async def test_an_unknown_batch_is_not_found(worker: ManualWorker) -> None:
    for call in (worker.storage.get_batch, worker.storage.get_batch_status, worker.storage.cancel_batch):
        with pytest.raises(NotFound):
            await call(new_batch_id())


async def test_the_last_completed_line_completes_the_batch(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b")
    first, second = await worker.start(2)

    await worker.complete(first)
    assert not (await worker.storage.get_batch(batch.id)).is_finished
    await worker.complete(second)

    done = await worker.storage.get_batch(batch.id)
    assert done.completed_at is not None
    assert (await worker.storage.get_batch_status(batch.id)).is_finished


async def test_a_batch_whose_every_request_failed_is_completed_with_failures(worker: ManualWorker) -> None:
    batch = await worker.batch("a")

    await worker.fail((await worker.start())[0])

    done = await worker.storage.get_batch(batch.id)
    assert (done.completed_at is not None, done.failed_at, done.failed_requests) == (True, None, 1)


async def test_cancelling_withdraws_what_waits_at_once(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c")

    await worker.storage.cancel_batch(batch.id)

    assert await worker.counts(batch) == (0, 0, 0, 0, 3)
    assert (await worker.storage.get_batch(batch.id)).cancelled_at is not None
    states = [request.state for request in await worker.storage.get_batch_requests(batch.id)]
    assert all(isinstance(state, Canceled) for state in states)
    assert await worker.claim(3) == []


async def test_cancelling_twice_is_cancelling_once(worker: ManualWorker) -> None:
    batch = await worker.batch("a")
    await worker.storage.cancel_batch(batch.id)
    first = await worker.storage.get_batch(batch.id)

    await worker.storage.cancel_batch(batch.id)

    assert await worker.storage.get_batch(batch.id) == first


async def test_a_sweep_writes_down_what_a_cancelled_batch_leaves_and_changes_no_count(
    worker: ManualWorker,
) -> None:
    batch = await worker.batch("a", "b", "c")
    await worker.complete((await worker.start())[0])
    await worker.storage.cancel_batch(batch.id)
    before = await worker.storage.get_batch(batch.id)

    swept = await worker.storage.sweep(60)

    assert swept.settled == 2
    assert await worker.storage.get_batch(batch.id) == before
    assert await worker.counts(batch) == (0, 0, 1, 0, 2)


async def test_a_window_that_passes_ends_unfinished_lines_with_an_error_line(
    worker: ManualWorker, clock: Clock
) -> None:
    batch = await worker.batch("a", "b", window="1h")
    await worker.complete((await worker.start())[0])
    clock.advance(3601)

    swept = await worker.storage.sweep(1e9)

    done = await worker.storage.get_batch(batch.id)
    assert (swept.expired, swept.settled) == (1, 1)
    assert done.expired_at is not None
    assert await worker.counts(batch) == (0, 0, 1, 1, 0)
    assert batch.error_file_id is not None
    (line,) = await worker.storage.get_file_content(batch.error_file_id)
    assert isinstance(line, BatchErrorItem)
    assert (line.custom_id, line.failure.kind) == ("b", FailureKind.BATCH_EXPIRED)
    results = [item async for item in worker.storage.get_batch_results_stream(batch.id)]
    assert results[1].error == EXPIRED_MESSAGE


async def test_a_batch_may_go_on_after_its_window(worker: ManualWorker, clock: Clock) -> None:
    order = BatchInput(await worker.file("a"), ENDPOINT, "1h", on_deadline=OnDeadline.CONTINUE)
    batch = await worker.storage.create_batch(order)
    clock.advance(7200)

    await worker.storage.sweep(1e9)

    await worker.complete((await worker.start())[0])
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None


async def test_a_batch_expires_only_when_nothing_is_in_flight(worker: ManualWorker, clock: Clock) -> None:
    batch = await worker.batch("a", "b", window="1h")
    await worker.check_in()
    (request,) = await worker.start()
    clock.advance(3601)
    await worker.check_in()

    await worker.storage.sweep(60)
    assert not (await worker.storage.get_batch(batch.id)).is_finished
    assert await worker.storage.find_stopped({request.id: request.lease}) == [request.id]
    await worker.fail(request)
    await worker.storage.sweep(60)

    assert (await worker.storage.get_batch(batch.id)).expired_at is not None
    assert await worker.counts(batch) == (0, 0, 0, 2, 0)


async def test_a_deleted_batch_is_gone_its_file_stays_and_deleting_twice_is_an_error(
    worker: ManualWorker,
) -> None:
    batch = await worker.batch("a")

    await worker.storage.delete_batch(batch.id)

    with pytest.raises(NotFound):
        await worker.storage.get_batch(batch.id)
    with pytest.raises(NotFound):
        await worker.storage.delete_batch(batch.id)
    assert (await worker.storage.get_file(batch.file_id)).lines == 1
    assert await worker.claim() == []


async def test_deleting_a_file_withdraws_its_unfinished_batches(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b")

    await worker.storage.delete_file(batch.file_id)

    assert await worker.counts(batch) == (0, 0, 0, 0, 2)
    assert (await worker.storage.get_batch(batch.id)).cancelled_at is not None


async def test_batches_are_listed_newest_first_by_owner_text_and_page(worker: ManualWorker) -> None:
    file_id = await worker.file("a")
    made = [
        await worker.storage.create_batch(
            BatchInput(file_id, ENDPOINT, created_by=owner, metadata={"team": team}),
        )
        for owner, team in (("ada", "Blue"), ("bob", "Red"), ("ada", "Green"))
    ]
    names = [batch.id for batch in made]

    async def found(**wanted: object) -> list[str]:
        return [batch.id for batch in await worker.storage.list_batches(**wanted)]  # type: ignore[arg-type]

    assert await found() == names[::-1]
    assert await found(created_by="ada") == [names[2], names[0]]
    assert await found(search="bLUE") == [names[0]]
    assert await found(search="input.json") == names[::-1]
    assert await found(search=names[1]) == [names[1]]
    assert await found(after=names[2], limit=1) == [names[1]]
    with pytest.raises(NotFound):
        await found(after=new_batch_id())


async def test_results_pair_each_input_line_with_what_became_of_it(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c", "d", "E")
    first, second, _third = await worker.start(3)
    await worker.complete(first, '{"answer": 1}')
    await worker.fail(second)

    results = [item async for item in worker.storage.get_batch_results_stream(batch.id)]

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


async def test_results_are_paged_searched_and_filtered_by_status(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b", "c", "d", "E")
    first, _second = await worker.start(2)
    await worker.complete(first)

    async def names(**wanted: object) -> list[str | None]:
        stream = worker.storage.get_batch_results_stream(batch.id, **wanted)  # type: ignore[arg-type]
        return [item.custom_id async for item in stream]

    assert await names(offset=2) == ["c", "d", "E"]
    assert await names(search="e") == ["E"]
    assert await names(status="completed") == ["a"]
    assert await names(status="in_progress") == ["b"]
    assert await names(status="pending") == ["c", "d", "E"]
    await worker.storage.cancel_batch(batch.id)
    assert await names(status="canceled") == ["c", "d", "E"]


async def test_requests_of_a_batch_keep_their_custom_ids_and_order(worker: ManualWorker) -> None:
    batch = await worker.batch("b", "a", "b")

    found = await worker.storage.get_batch_requests(batch.id)

    assert [request.data.custom_id for request in found] == ["b", "a", "b"]
    assert [request.data.id.line for request in found] == [0, 1, 2]


async def test_an_unfinished_batch_can_be_given_to_another_session(worker: ManualWorker) -> None:
    batch = await worker.batch("a")

    await worker.storage.assign_session(batch.id, "elsewhere")

    assert [(each.id, each.session_id) for each in await worker.storage.list_unfinished()] == [
        (batch.id, "elsewhere")
    ]
