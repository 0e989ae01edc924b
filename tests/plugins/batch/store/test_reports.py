"""Reports that a database cannot take: refused one by one, and nothing else suffers."""

import json

import anyio
import pytest

from hostel.plugins.batch import Request, StorageRefused
from hostel.plugins.batch._model.states import Completed, Processing
from hostel.plugins.batch.testing import ManualWorker

NO_TEXT = '"\ud800"'
TOO_MUCH = 2**63


def answered(
    worker: ManualWorker, request: Request[Processing], status: int = 200, body: str = "{}"
) -> Completed:
    return Completed(status, body, request.state.claimed_at, request.state.started_at, worker.clock())


@pytest.mark.parametrize("state", [{"body": NO_TEXT}, {"status": TOO_MUCH}], ids=["text", "number"])
async def test_a_report_that_cannot_be_stored_is_refused_and_those_beside_it_are_kept(
    worker: ManualWorker, state: dict[str, object]
) -> None:
    batch = await worker.batch("a", "b", "c", "d")
    requests = await worker.start(4)
    assert len(requests) == 4
    refused: list[StorageRefused] = []

    async def report(request: Request[Processing], broken: bool) -> None:
        try:
            await worker.report(request, answered(worker, request, **(state if broken else {})))  # type: ignore[arg-type]
        except StorageRefused as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        for place, request in enumerate(requests):
            group.start_soon(report, request, place == 2)

    assert len(refused) == 1
    assert await worker.counts(batch) == (0, 1, 3, 0, 0)
    assert sorted(await worker.outputs(batch)) == ["a", "b", "d"]  # type: ignore[type-var]
    await worker.fail(requests[2])
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None


async def test_token_counts_that_no_answer_can_have_are_not_added_up(worker: ManualWorker) -> None:
    batch = await worker.batch(*(f"r{n}" for n in range(4)))
    counts = [2**53 - 1, 2**63 - 1, -1, 7]

    for request, count in zip(await worker.start(4), counts, strict=True):
        usage = {"prompt_tokens": count, "completion_tokens": True}
        await worker.complete(request, json.dumps({"usage": usage}))

    done = await worker.storage.get_batch(batch.id)
    assert (done.completed_requests, done.usage.input_tokens, done.usage.output_tokens) == (4, 7, 0)


async def test_a_call_that_the_database_refuses_raises_one_error_and_changes_nothing(
    worker: ManualWorker,
) -> None:
    with pytest.raises(StorageRefused):
        await worker.file("a", model="\ud800")

    assert await worker.storage.list_files() == []
