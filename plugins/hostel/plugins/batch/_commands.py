"""`hostel batch`: submit a file and watch it, look at batches, fetch results."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hostel.runtime import console

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._records import Batch
    from .sql import SqlStorage

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="HOSTEL_BATCH_STORE",
        help="File or postgresql: URL of the store; the data folder's by default.",
    ),
]
Name = Annotated[str, typer.Argument(help="The batch's id.")]


def add_commands(app: typer.Typer) -> None:
    """Add `batch` and what it can do."""
    group = typer.Typer(help="Batches of model requests.", no_args_is_help=True)
    for command in (submit, show, results, errors, cancel, retry):
        group.command()(command)
    group.command("ls")(list_batches)
    group.command("list", hidden=True)(list_batches)
    app.add_typer(group, name="batch")


def submit(
    file: Annotated[
        Path, typer.Argument(help="Lines of requests in OpenAI's form.", exists=True, dir_okay=False)
    ],
    upstream: Annotated[
        str | None, typer.Option(envvar="HOSTEL_UPSTREAM", help="Base URL of the endpoint that answers.")
    ] = None,
    window: Annotated[str, typer.Option(help="Time to finish in, such as 30m or 24h.")] = "24h",
    model_concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight per model.")] = 10,
    endpoint: Annotated[
        str | None, typer.Option(help="Path of the requests; that of the first line by default.")
    ] = None,
    session: Annotated[str, typer.Option(help="Session the batch belongs to.")] = "batches",
    detach: Annotated[bool, typer.Option("--detach", help="Leave the work to `hostel serve`.")] = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Submit a file, work on it and wait; exit code 1 if a line failed, 2 if the file is not valid."""
    if upstream is None and not detach:
        console.fail(
            "say where requests go: --upstream URL, or --detach to leave them to `hostel serve`",
            console.USAGE,
        )
    there = None if upstream is None or detach else console.upstream(upstream, model_concurrency)

    async def run() -> Batch:
        from ._submit import Order, submit_and_wait

        order = Order(file, endpoint, window, session)
        return await submit_and_wait(_place(store), order, there)

    batch = _run(run)
    _print(batch, as_json=as_json)
    if batch.failed_at is not None:
        for problem in batch.errors:
            sys.stderr.write(f"{file}: {problem}\n")
        raise typer.Exit(console.USAGE)
    if not detach and (batch.completed_at is None or batch.failed_requests):
        raise typer.Exit(console.FAILED)


def list_batches(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, store: Store = None, as_json: Json = False
) -> None:
    """List batches, the newest first."""
    found = _with_store(store, lambda storage: storage.list_batches(limit=limit))
    if as_json:
        console.print_json([_object(batch) for batch in found])
        return
    console.print_table(("batch", "status", "done", "session", "endpoint"), map(_row, found), "no batches")


def show(batch: Name, store: Store = None, as_json: Json = False) -> None:
    """Show one batch."""
    _print(_with_store(store, lambda storage: storage.get_batch(_id(batch))), as_json=as_json)


def results(batch: Name, store: Store = None) -> None:
    """Print the output file: a line for each request that was answered."""
    _print_file(batch, store, "output_file_id")


def errors(batch: Name, store: Store = None) -> None:
    """Print the error file: a line for each request that failed."""
    _print_file(batch, store, "error_file_id")


def cancel(batch: Name, store: Store = None, as_json: Json = False) -> None:
    """Cancel a batch; what is answered already stays."""

    async def run(storage: SqlStorage) -> Batch:
        await storage.cancel_batch(_id(batch))
        return await storage.get_batch(_id(batch))

    _print(_with_store(store, run), as_json=as_json)


def retry(batch: Name, store: Store = None, as_json: Json = False) -> None:
    """Send the failed requests of a batch again."""

    async def run(storage: SqlStorage) -> tuple[int, Batch]:
        retried = await storage.retry_failed_requests_for_batch(_id(batch))
        return retried, await storage.get_batch(_id(batch))

    retried, found = _with_store(store, run)
    if not as_json:
        sys.stderr.write(f"{retried} requests wait to be sent again\n")
    _print(found, as_json=as_json)


def _id(text: str) -> Any:
    return text


def _place(store: str | None) -> str | Path:
    from hostel.runtime._paths import data_dir

    return data_dir() / "batch.db" if store is None else store


def _run(call: Callable[[], Awaitable[T]]) -> T:
    from ._errors import BatchError

    async def guarded() -> T:
        try:
            return await call()
        except BatchError as error:
            console.fail(error)

    return console.run(guarded)


def _with_store(store: str | None, call: Callable[[SqlStorage], Awaitable[T]]) -> T:
    async def run() -> T:
        from .sql import SqlStorage

        async with SqlStorage(_place(store)) as storage:
            return await call(storage)

    return _run(run)


def _print_file(batch: str, store: str | None, which: str) -> None:
    async def run(storage: SqlStorage) -> None:
        from ._lines import content_line
        from ._streams import closing

        file_id = getattr(await storage.get_batch(_id(batch)), which)
        if file_id is None:
            return
        async with closing(storage.get_file_content_stream(file_id)) as items:
            async for item in items:
                sys.stdout.write(content_line(item) + "\n")

    _with_store(store, run)


def _object(batch: Batch) -> dict[str, Any]:
    from ._wire import batch_object

    return batch_object(batch)


def _row(batch: Batch) -> tuple[str, ...]:
    from ._wire import batch_status

    done = batch.completed_requests + batch.failed_requests
    return batch.id, batch_status(batch), f"{done}/{batch.total_requests}", batch.session_id, batch.endpoint


def _print(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        console.print_json(_object(batch))
        return
    from ._house import summary
    from ._wire import batch_status

    said = [("batch", batch.id), ("status", batch_status(batch)), ("requests", summary(batch))]
    said += [("session", batch.session_id), ("endpoint", batch.endpoint), ("file", batch.file_id)]
    console.print_table(("", ""), said, "")
