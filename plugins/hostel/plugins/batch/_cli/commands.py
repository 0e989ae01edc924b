"""`hostel batch`: submit a file and watch it, look at batches, fetch results."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hostel.runtime import cards, console

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hostel.runtime import Upstream as Endpoint

    from .._model.records import Batch
    from .._store.store import SqlStorage
    from .submit import Retry, Submit

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
Upstream = Annotated[
    str | None,
    typer.Option(
        envvar="HOSTEL_UPSTREAM",
        help="Base URL of the endpoint that answers; HOSTEL_UPSTREAM_KEY may hold its key.",
        metavar="URL",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests in flight per model.", metavar="N")]
Name = Annotated[str, typer.Argument(help="The batch's id.")]


def add_commands(app: typer.Typer, plugin: Callable[[str | Path], object]) -> None:
    """Add `batch` and what it can do.

    :param plugin: makes the plugin that works on a store, for commands that run a runtime of their own
    """
    # the commands are functions that typer calls: what they need from here comes to them in their context
    group = typer.Typer(
        help="Batches of model requests.", no_args_is_help=True, context_settings={"obj": plugin}
    )
    for command in (submit, show, results, errors, cancel, retry):
        group.command()(command)
    group.command("ls")(list_batches)
    group.command("list", hidden=True)(list_batches)
    app.add_typer(group, name="batch")


def submit(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="Lines of requests in OpenAI's form.", exists=True, dir_okay=False)
    ],
    upstream: Upstream = None,
    window: Annotated[str, typer.Option(help="Time to finish in, such as 30m or 24h.")] = "24h",
    model_concurrency: Concurrency = 10,
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
    from .submit import Submit

    there = None if upstream is None or detach else console.upstream(upstream, model_concurrency)
    batch = _work(context, store, Submit(file, endpoint, window, session), there)
    _print(batch, as_json=as_json)
    if batch.failed_at is not None:
        for problem in batch.errors:
            sys.stderr.write(f"{file}: {problem}\n")
        raise typer.Exit(console.USAGE)
    if there is not None:
        _exit_as(batch)
    elif not cards.running():
        console.warn(
            f"no runtime serves: batch {batch.id} waits until one does, `hostel serve --upstream URL`"
        )


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
    found = _with_store(store, lambda storage: storage.get_batch(_id(batch)))
    _print(found, as_json=as_json)
    if not as_json:
        console.print_table(("", ""), [("problem", str(problem)) for problem in found.errors], "")


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


def retry(
    context: typer.Context,
    batch: Name,
    upstream: Upstream = None,
    model_concurrency: Concurrency = 10,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Send the failed requests of a batch again; given an upstream here, otherwise by `hostel serve`."""
    from .submit import Retry

    there = None if upstream is None else console.upstream(upstream, model_concurrency)
    found = _work(context, store, Retry(_id(batch)), there)
    _print(found, as_json=as_json)
    if there is not None:
        _exit_as(found)


def _work(context: typer.Context, store: str | None, job: Submit | Retry, upstream: Endpoint | None) -> Batch:
    from .submit import Work

    work = Work(context.obj(_place(store)), job, upstream)
    try:
        return _run(work.run)
    except (KeyboardInterrupt, console.Terminated):
        if work.batch_id is not None:
            console.warn(
                f"{work.batch_id} is not finished: `hostel batch retry {work.batch_id} --upstream URL` or"
                f" `hostel serve --upstream URL` goes on, `hostel batch cancel {work.batch_id}` ends it"
            )
        raise


def _exit_as(batch: Batch) -> None:
    if batch.completed_at is None or batch.failed_requests:
        raise typer.Exit(console.FAILED)


def _id(text: str) -> Any:
    return text


def _place(store: str | None) -> str | Path:
    from hostel.runtime.paths import data_dir

    return data_dir() / "batch.db" if store is None else store


def _run(call: Callable[[], Awaitable[T]]) -> T:
    from hostel.runtime import PluginFailed

    from .._model.errors import BatchError, InvalidInput, InvalidStore

    async def guarded() -> T:
        try:
            return await call()
        except (BatchError, PluginFailed) as error:
            # a runtime of the command's own says that this plugin failed; what counts is why
            is_ours = isinstance(error, PluginFailed) and isinstance(error.__cause__, BatchError)
            fault = error.__cause__ if is_ours else error
            is_usage = isinstance(fault, InvalidInput | InvalidStore)
            console.fail(fault, console.USAGE if is_usage else console.FAILED)

    return console.run(guarded)


def _with_store(store: str | None, call: Callable[[SqlStorage], Awaitable[T]]) -> T:
    async def run() -> T:
        from .._store.store import SqlStorage

        async with SqlStorage(_place(store)) as storage:
            return await call(storage)

    return _run(run)


def _print_file(batch: str, store: str | None, which: str) -> None:
    async def run(storage: SqlStorage) -> None:
        from .._model.jsonl import content_line
        from .._model.streams import closing

        file_id = getattr(await storage.get_batch(_id(batch)), which)
        if file_id is None:
            return
        async with closing(storage.get_file_content_stream(file_id)) as items:
            async for item in items:
                sys.stdout.write(content_line(item) + "\n")

    _with_store(store, run)


def _object(batch: Batch) -> dict[str, Any]:
    from .._model.objects import batch_object

    return batch_object(batch)


def _row(batch: Batch) -> tuple[str, ...]:
    from .._model.objects import batch_status

    done = batch.completed_requests + batch.failed_requests
    return batch.id, batch_status(batch), f"{done}/{batch.total_requests}", batch.session_id, batch.endpoint


def _local(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")


def _print(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        console.print_json(_object(batch))
        return
    from .._model.objects import batch_status
    from .._task_sync import summary

    facts = [("batch", batch.id), ("status", batch_status(batch)), ("requests", summary(batch))]
    facts += [("session", batch.session_id), ("endpoint", batch.endpoint), ("file", batch.file_id)]
    facts += [("window", f"{batch.completion_window}, until {_local(batch.expires_at)}")]
    console.print_table(("", ""), facts, "")
