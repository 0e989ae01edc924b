"""`hostel pull` and `hostel downloads` for the command line; their work is imported when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostel.runtime.text import parse_size


def amount(text: str) -> int:
    """Read an amount of bytes as typer's parsers do."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


References = Annotated[
    list[str],
    typer.Argument(help="org/repo[:QUANT][@revision], a URL or ./folder; several at once.", metavar="MODEL"),
]
Quant = Annotated[
    str | None, typer.Option("--quant", "-q", help="Quantization, such as Q4_K_M.", metavar="LABEL")
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit.", metavar="NAME")]
Include = Annotated[
    list[str], typer.Option(help="Pull exactly the files that match; may be repeated.", metavar="PATTERN")
]
Exclude = Annotated[
    list[str], typer.Option(help="Leave out files that match; may be repeated.", metavar="PATTERN")
]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Another cache than that of huggingface_hub.", file_okay=True, metavar="FOLDER"),
]
LimitRate = Annotated[
    int | None,
    typer.Option(
        help="Bytes per second of all downloads (with --detach, of each): 500k, 10M.",
        parser=amount,
        metavar="RATE",
    ),
]
Budget = Annotated[
    int | None,
    typer.Option(
        help="Pull the best quantization that takes at most so much: 8Gi.", parser=amount, metavar="SIZE"
    ),
]
Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the weights: safetensors, gguf, pytorch, original, onnx, ...",
        metavar="NAME",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be pulled, why, where and for how long.")
]
Force = Annotated[bool, typer.Option("--force", help="Hold what is here against its checksums.")]
Detach = Annotated[
    bool,
    typer.Option("--detach", "-d", help="Let a runtime that serves pull it, with its token and cache."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Name = Annotated[str, typer.Argument(help="A download as `hostel downloads` lists it.", metavar="DOWNLOAD")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this plugin."""
    app.command()(pull)
    downloads = typer.Typer(
        help="List the queue of downloads and those that failed, and change it.", invoke_without_command=True
    )
    downloads.callback()(list_by_default)
    downloads.command("list")(list_downloads)
    downloads.command()(reorder)
    downloads.command()(retry)
    downloads.command()(cancel)
    downloads.command()(clear)
    app.add_typer(downloads, name="downloads")


def pull(
    models: References,
    quant: Quant = None,
    revision: Revision = None,
    include: Include = [],  # noqa: B006 - typer's way to say none
    exclude: Exclude = [],  # noqa: B006
    limit_rate: LimitRate = None,
    cache_dir: CacheDir = None,
    budget: Budget = None,
    format: Form = None,
    force: Force = False,
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Pull models into the cache that huggingface_hub reads; interrupted, the next run goes on."""
    from .._queue.download_request import DownloadRequest
    from .._select.formats import parse_format
    from .detach import detach_all
    from .dry_run import plan_all
    from .pull_command import check_all, pull_all

    if dry_run and detach:
        raise typer.BadParameter("--dry-run plans here and --detach pulls elsewhere: choose one.")
    try:
        chosen = None if format is None else parse_format(format)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--format") from error
    requests = [
        DownloadRequest(
            model,
            quant,
            revision,
            force=force,
            include=tuple(include),
            exclude=tuple(exclude),
            format=chosen,
            cache_dir=cache_dir,
            budget=budget,
            limit=limit_rate if detach else None,
        )
        for model in models
    ]
    check_all(requests)
    if dry_run:
        plan_all(requests, as_json=as_json)
    elif detach:
        detach_all(requests, as_json=as_json)
    else:
        pull_all(requests, rate_limit=limit_rate, as_json=as_json)


def list_by_default(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        list_downloads(as_json=as_json)


def list_downloads(as_json: AsJson = False) -> None:
    """List what runs, waits and failed."""
    from . import queue_commands as _queue_commands

    _queue_commands.show(as_json=as_json)


def reorder(name: Name, position: Annotated[int, typer.Argument(help="Its new place, from 1.")]) -> None:
    """Move a waiting download and print the place it got."""
    from . import queue_commands as _queue_commands

    _queue_commands.reorder(name, position)


def retry(name: Name, limit_rate: LimitRate = None, as_json: AsJson = False) -> None:
    """Pull a download that failed or was interrupted again; what is here is not fetched again."""
    from . import queue_commands as _queue_commands

    _queue_commands.retry(name, rate_limit=limit_rate, as_json=as_json)


def cancel(
    name: Name,
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="Drop what was fetched.")] = False,
) -> None:
    """Take a download out of the queue or the failures."""
    from . import queue_commands as _queue_commands

    _queue_commands.cancel(name, clear_cache=clear_cache)


def clear() -> None:
    """Forget all failures."""
    from . import queue_commands as _queue_commands

    _queue_commands.clear()
