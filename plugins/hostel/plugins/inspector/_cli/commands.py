"""The commands of the inspector; what they do is imported when they are used."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from hostel.runtime import hookimpl

from .._shell import verbs
from .options import AsJson, OfSession, Task, TaskIds  # noqa: TC001 - typer reads the annotations

Session = Annotated[str | None, typer.Option(help="Only this session.", metavar="SESSION")]


@hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `serve`, `ps`, `show`, `watch`, `top`, `cancel`, `transfer`, `history` and those that start tasks
    and talk with them.
    """
    for command in (serve, ps, show, watch, top, cancel, transfer, history):
        app.command()(command)
    verbs.add_to(app)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on, 0 for a free one.", min=0, max=65535)] = 0,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which a proxy is asked for it; may be given again.", metavar="NAME"),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where tasks survive the process.", metavar="FOLDER")
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(
            envvar="HOSTEL_UPSTREAM",
            help="Base URL of the models that plugins may ask; HOSTEL_UPSTREAM_KEY may hold its key.",
            metavar="URL",
        ),
    ] = None,
    model_concurrency: Annotated[int, typer.Option(help="Requests in flight there, per model.", min=1)] = 10,
) -> None:
    """Run a runtime and serve it over HTTP until it is interrupted; HOSTEL_TOKEN may hold the token."""
    from .serve import serve_until_stopped

    serve_until_stopped(host, port, allowed_host or [], data_dir, upstream, model_concurrency)


def ps(
    session: Session = None,
    kind: Annotated[str | None, typer.Option(help="Only tasks of this kind.")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Show tasks below those that started them.")] = False,
    warn: Annotated[
        bool, typer.Option("--warn", "-w", help="Only tasks that something looks wrong with.")
    ] = False,
    silent_after: Annotated[
        str | None,
        typer.Option(help="When one that has reported before is called silent: 90s, 10m.", metavar="TIME"),
    ] = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Show finished tasks too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the tasks of every runtime of yours on this machine."""
    from .ps import print_tasks

    print_tasks(
        session=session,
        kind=kind,
        tree=tree,
        warn=warn,
        silent_after=silent_after,
        all=all,
        as_json=as_json,
    )


def show(
    task: Task,
    session: OfSession = None,
    as_json: AsJson = False,
) -> None:
    """Show one task: where it is, what happened to it, who cancelled it, what it started."""
    from .show import print_task

    print_task(task, session=session, as_json=as_json)


def watch(
    task: Annotated[str | None, typer.Argument(help="Follow this one until it ends.", metavar="TASK")] = None,
    session: Session = None,
    kind: Annotated[str | None, typer.Option(help="Only tasks of this kind.")] = None,
    as_json: AsJson = False,
) -> None:
    """Follow what happens in every runtime of yours; runtimes may come, go and start again meanwhile."""
    from .watch import watch_all

    watch_all(task, session=session, kind=kind, as_json=as_json)


def top(
    session: Session = None,
    kind: Annotated[str | None, typer.Option(help="Only tasks of this kind.")] = None,
) -> None:
    """Show live tasks on the whole screen: read, answer and cancel them by keys."""
    from .._top.top import show_top

    show_top(session=session, kind=kind)


def cancel(
    tasks: TaskIds,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the task.", metavar="TEXT")] = None,
    session: OfSession = None,
    cascade: Annotated[bool, typer.Option(help="Cancel what they started, too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Ask tasks to stop."""
    from .control import cancel_tasks

    cancel_tasks(tasks, reason=reason, session=session, cascade=cascade, as_json=as_json)


def transfer(
    tasks: TaskIds,
    to: Annotated[str, typer.Option(help="The session that takes them over.", metavar="SESSION")],
    session: OfSession = None,
    as_json: AsJson = False,
) -> None:
    """Hand tasks to another session, all or none of each session's; they go on running."""
    from .control import transfer_tasks

    transfer_tasks(tasks, to=to, session=session, as_json=as_json)


def history(
    task: Annotated[
        str | None, typer.Argument(help="Show this one with what happened to it.", metavar="TASK")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="The data folder of the runtime, alive or dead.", metavar="FOLDER")
    ] = None,
    session: Session = None,
    kind: Annotated[str | None, typer.Option(help="Only tasks of this kind.")] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Write what is left of a damaged journal to a new one.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="With --salvage: the new journal's file.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks a journal has kept, also those of a runtime that is gone."""
    from .history import print_history, salvage_to

    if salvage:
        if to is None or (task, session, kind) != (None, None, None):
            raise typer.BadParameter("it takes --to FILE, and saves all tasks", param_hint="--salvage")
        salvage_to(to, data_dir=data_dir, as_json=as_json)
        return
    if to is not None:
        raise typer.BadParameter("it is for --salvage", param_hint="--to")
    print_history(task, data_dir=data_dir, session=session, kind=kind, as_json=as_json)
