"""Files of requests: atomic, in order, read back as they came."""

from collections.abc import AsyncIterator

import attrs
import pytest

from hostel.plugins.batch import (
    Batch,
    BatchInput,
    FileFilter,
    FileMetadata,
    InvalidInput,
    NotFound,
    Purpose,
    RequestTemplateInput,
    SqlStorage,
)
from hostel.plugins.batch._model.ids import new_file_id
from hostel.plugins.batch._model.jsonl import content_line
from hostel.plugins.batch._model.records import (
    FileStatus,
    FileStreamItem,
    OutputFileType,
    RequestTemplate,
    StreamError,
)
from hostel.plugins.batch.testing import ENDPOINT, Clock, ManualWorker, template


async def stream(*items: FileStreamItem) -> AsyncIterator[FileStreamItem]:
    for item in items:
        yield item


async def test_a_file_reads_back_in_the_order_of_its_lines_whatever_their_number(
    worker: ManualWorker,
) -> None:
    names = [f"line-{n}" for n in range(6001)]

    file_id = await worker.file(*names)

    content = await worker.storage.get_file_content(file_id)
    assert [item.custom_id for item in content if isinstance(item, RequestTemplate)] == names
    assert (await worker.storage.get_file(file_id)).lines == 6001


@pytest.mark.parametrize("where", [0, 1, 2])
async def test_metadata_may_come_before_between_or_after_the_lines(storage: SqlStorage, where: int) -> None:
    items: list[FileStreamItem] = [template("a"), template("b")]
    items.insert(where, FileMetadata(filename="here.jsonl", purpose=Purpose.BATCH))

    file = await storage.get_file(await storage.create_file_stream(stream(*items)))

    assert (file.name, file.purpose, file.lines) == ("here.jsonl", Purpose.BATCH, 2)


async def test_of_several_pieces_of_metadata_the_last_value_of_each_field_wins(storage: SqlStorage) -> None:
    first = FileMetadata(filename="one", description="kept", uploaded_by="ada")
    last = FileMetadata(filename="two", uploaded_by="bob", expires_after_seconds=60)

    file = await storage.get_file(await storage.create_file_stream(stream(first, template("a"), last)))

    assert (file.name, file.description, file.uploaded_by) == ("two", "kept", "bob")
    assert file.expires_at is not None
    assert file.expires_at - file.created_at == pytest.approx(60, abs=2)


async def test_an_error_in_the_stream_leaves_nothing_behind(storage: SqlStorage) -> None:
    lines = [template(f"line-{n}") for n in range(5001)]

    with pytest.raises(InvalidInput, match="gone"):
        await storage.create_file_stream(stream(*lines, StreamError("the sender is gone")))

    assert await storage.list_files() == []


async def test_a_stream_that_raises_leaves_nothing_behind(storage: SqlStorage) -> None:
    async def broken() -> AsyncIterator[FileStreamItem]:
        yield template("a")
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await storage.create_file_stream(broken())

    assert await storage.list_files() == []


async def test_a_file_without_lines_is_a_file(worker: ManualWorker) -> None:
    file = await worker.storage.get_file(await worker.file())

    assert (file.lines, file.size_bytes) == (0, 0)
    assert await worker.storage.get_file_content(file.id) == []


async def test_sizes_are_counted_in_bytes_of_utf8(storage: SqlStorage) -> None:
    request = RequestTemplateInput("ü", "POST", ENDPOINT, '{"model": "m", "q": "grüße"}', "m")

    file_id = await storage.create_file("f", None, [request])

    (stats,) = await storage.get_file_template_stats(file_id)
    (line,) = await storage.get_file_content(file_id)
    assert stats.total_body_bytes == len(request.body.encode()) == len(request.body) + 2
    assert (await storage.get_file(file_id)).size_bytes == len(content_line(line).encode()) + 1


async def test_statistics_group_by_model_and_are_empty_for_an_empty_file(worker: ManualWorker) -> None:
    templates = [template("a", "x"), template("b", "y"), template("c", "x")]

    file_id = await worker.storage.create_file("f", None, templates)

    stats = await worker.storage.get_file_template_stats(file_id)
    assert [(each.model, each.request_count) for each in stats] == [("x", 2), ("y", 1)]
    assert await worker.storage.get_file_template_stats(await worker.file()) == []


async def test_a_deleted_file_is_gone_and_cannot_be_deleted_twice(worker: ManualWorker) -> None:
    file_id = await worker.file("a")

    await worker.storage.delete_file(file_id)

    with pytest.raises(NotFound):
        await worker.storage.get_file(file_id)
    with pytest.raises(NotFound):
        await worker.storage.delete_file(file_id)
    assert await worker.storage.list_files() == []


async def test_an_unknown_file_is_not_found(storage: SqlStorage) -> None:
    with pytest.raises(NotFound):
        await storage.get_file(new_file_id())
    with pytest.raises(NotFound):
        await storage.get_file_content(new_file_id())


async def test_a_file_expires_by_its_age_alone(worker: ManualWorker, clock: Clock) -> None:
    file_id = await worker.file("a")

    clock.advance(31 * 86400)

    assert (await worker.storage.get_file(file_id)).status is FileStatus.EXPIRED
    assert await worker.storage.list_files(FileFilter(status=FileStatus.PROCESSED)) == []
    assert len(await worker.storage.list_files(FileFilter(status=FileStatus.EXPIRED))) == 1


@pytest.mark.parametrize("ascending", [True, False])
async def test_pages_of_a_listing_are_disjoint_and_complete(worker: ManualWorker, ascending: bool) -> None:
    created = [await worker.file(f"f{n}") for n in range(5)]

    seen, page = [], FileFilter(limit=2, ascending=ascending)
    while found := await worker.storage.list_files(page):
        seen += [file.id for file in found]
        page = attrs.evolve(page, after=found[-1].id)

    assert seen == (created if ascending else created[::-1])


async def test_an_unknown_cursor_is_an_error_and_not_the_first_page(worker: ManualWorker) -> None:
    await worker.file("a")

    with pytest.raises(NotFound):
        await worker.storage.list_files(FileFilter(after=new_file_id()))


async def test_files_are_found_by_owner_purpose_and_part_of_the_name(storage: SqlStorage) -> None:
    await storage.create_file_stream(
        stream(FileMetadata(filename="Alpha", uploaded_by="ada", purpose=Purpose.BATCH))
    )
    await storage.create_file_stream(stream(FileMetadata(filename="Beta", uploaded_by="bob")))

    async def names(**wanted: object) -> list[str]:
        return [file.name for file in await storage.list_files(FileFilter(**wanted))]  # type: ignore[arg-type]

    assert await names(uploaded_by="ada") == ["Alpha"]
    assert await names(purpose=Purpose.BATCH) == ["Alpha"]
    assert await names(search="BET") == ["Beta"]


async def test_content_is_searched_by_custom_id_whatever_the_case_and_from_an_offset(
    worker: ManualWorker,
) -> None:
    file_id = await worker.file("Alpha-1", "beta", "ALPHA-2", "alpha-3")

    found = [item async for item in worker.storage.get_file_content_stream(file_id, search="alpha")]
    rest = [item async for item in worker.storage.get_file_content_stream(file_id, offset=1, search="alpha")]

    assert [getattr(item, "custom_id", None) for item in found] == ["Alpha-1", "ALPHA-2", "alpha-3"]
    assert rest == found[1:]


async def test_output_and_error_files_grow_only_at_their_end_and_know_their_exact_size(
    worker: ManualWorker,
) -> None:
    batch = await worker.batch("a", "b", "c", "d")
    first, second, third, fourth = await worker.start(4)

    async def size_is_exact(batch: Batch) -> None:
        for file_id in (batch.output_file_id, batch.error_file_id):
            assert file_id is not None
            lines = [content_line(item) for item in await worker.storage.get_file_content(file_id)]
            file = await worker.storage.get_file(file_id)
            assert file.size_bytes == sum(len(line.encode()) + 1 for line in lines)
            assert file.lines == len(lines)

    await size_is_exact(batch)
    await worker.complete(fourth)
    assert await worker.outputs(batch) == ["d"]
    await worker.complete(second)
    await worker.fail(first)
    assert await worker.outputs(batch) == ["d", "b"]
    await size_is_exact(batch)
    assert batch.output_file_id is not None
    assert not (await worker.storage.get_file(batch.output_file_id)).size_finalized
    await worker.fail(third)

    assert await worker.errors(batch) == ["a", "c"]
    await size_is_exact(batch)
    assert (await worker.storage.get_file(batch.output_file_id)).size_finalized


async def test_a_batch_is_found_by_its_output_and_by_its_error_file(worker: ManualWorker) -> None:
    batch = await worker.batch("a")
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None

    find = worker.storage.get_batch_by_output_file_id

    by_output = await find(batch.output_file_id, OutputFileType.OUTPUT)
    by_error = await find(batch.error_file_id, OutputFileType.ERROR)
    assert by_output == by_error == await worker.storage.get_batch(batch.id)
    assert await find(batch.output_file_id, OutputFileType.ERROR) is None


async def test_a_batch_of_results_is_refused(worker: ManualWorker) -> None:
    batch = await worker.batch("a")
    assert batch.output_file_id is not None

    failed = await worker.storage.create_batch(BatchInput(batch.output_file_id, ENDPOINT))

    assert [problem.code for problem in failed.errors] == ["invalid_file_purpose"]
