"""The commands that start tasks and talk with them; what they do is imported when they are used."""

from __future__ import annotations

from typing import Annotated

import typer

from .._cli.options import AsJson, OfSession, Task, TaskIds  # noqa: TC001 - typer reads the annotations

InSession = Annotated[str, typer.Option(help="The session it is to belong to.", metavar="SESSION")]

SESSION = "terminal"
"""Where tasks belong that are started here."""


def add_to(app: typer.Typer) -> None:
    """Add `start`, `run`, `logs`, `answer`, `send`, `wait`, `inbox` and `kinds`."""
    # what follows the first word of a command is the command's own
    app.command(context_settings={"allow_interspersed_args": False})(run)
    for command in (start, logs, answer, send, wait, inbox, kinds):
        app.command()(command)


def start(
    kind: Annotated[str, typer.Argument(help="A kind as `hostel kinds` lists it.", metavar="KIND")],
    params: Annotated[
        list[str] | None, typer.Argument(help="What it takes.", metavar="[KEY=VALUE...]")
    ] = None,
    session: InSession = SESSION,
    id: Annotated[str | None, typer.Option(help="Its id; made up if not given.")] = None,
    label: Annotated[str | None, typer.Option(help="What people call it.", metavar="TEXT")] = None,
    priority: Annotated[
        str | None, typer.Option(help="interactive, normal, batch or idle.", metavar="PRIORITY")
    ] = None,
    not_before: Annotated[
        str | None, typer.Option(help="When it may start: 90s, 10m, or a date and time.", metavar="TIME")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its output until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a task of a kind in the runtime that has it, and print its id."""
    from .start import start_task

    spec = {"session_id": session, "id": id, "label": label, "priority": priority}
    start_task(kind, params or [], spec, not_before=not_before, follow=follow, as_json=as_json)


def run(
    command: Annotated[list[str], typer.Argument(help="A program and its arguments.", metavar="CMD...")],
    session: InSession = SESSION,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print its id and leave it.")] = False,
    pty: Annotated[bool, typer.Option("--pty", help="Give it a terminal of its own.")] = False,
    cwd: Annotated[str | None, typer.Option(help="Where it runs; here if not given.", metavar="DIR")] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="A variable to set; may be given again.", metavar="NAME=VALUE")
    ] = None,
) -> None:
    """Run a command as a task and show its output; Ctrl-C cancels it, a second Ctrl-C leaves it."""
    from .run import run_command

    pairs = [one.partition("=") for one in env or []]
    if not all(name and equals for name, equals, _ in pairs):
        raise typer.BadParameter("it takes NAME=VALUE", param_hint="--env")
    variables = {name: value for name, _, value in pairs}
    run_command(command, session=session, detach=detach, pty=pty, cwd=cwd, env=variables)


def logs(
    task: Task,
    session: OfSession = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task ends.")] = False,
    tail: Annotated[
        int | None, typer.Option(help="Only the last lines that are there.", min=0, metavar="LINES")
    ] = None,
    after: Annotated[
        int | None, typer.Option(help="Only from this byte on; below 0 from the end.", metavar="OFFSET")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a task has written."""
    from .logs import print_output

    if tail is not None and after is not None:
        raise typer.BadParameter("it does not go with --after", param_hint="--tail")
    print_output(task, session=session, follow=follow, tail=tail, after=after or 0, as_json=as_json)


def answer(
    task: Task,
    value: Annotated[
        str | None, typer.Argument(help="The answer; asked for on a terminal if not given.", metavar="VALUE")
    ] = None,
    session: OfSession = None,
    question: Annotated[
        str | None, typer.Option(help="Only if it still asks this one.", metavar="ID")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer what a task asks: a JSON object for a form, else a text."""
    from .answer import answer_task

    answer_task(task, value, session=session, question_id=question, as_json=as_json)


def send(
    task: Task,
    message: Annotated[str, typer.Argument(help="What to send.", metavar="MESSAGE")],
    session: OfSession = None,
    is_json: Annotated[bool, typer.Option("--json-message", help="The message is JSON.")] = False,
) -> None:
    """Send a task a message, which it reads when it wants to."""
    from .tell import send_message

    send_message(task, message, session=session, is_json=is_json)


def wait(
    tasks: TaskIds,
    session: OfSession = None,
    any: Annotated[bool, typer.Option("--any", help="One of them is enough.")] = False,
    timeout: Annotated[
        str | None, typer.Option(help="How long at most: 90s, 10m, 2h.", metavar="TIME")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until tasks have ended: exit code 0 if they completed, 1 if not, 124 if time ran out."""
    from hostel.runtime.text import parse_duration

    from .tell import wait_for

    try:
        seconds = None if timeout is None else parse_duration(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from None
    wait_for(tasks, session=session, any=any, seconds=seconds, as_json=as_json)


def inbox(
    session: Annotated[str, typer.Argument(help="A session.", metavar="SESSION")],
    consumer: Annotated[str, typer.Option(help="Who reads.", metavar="NAME")] = "agent",
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge what is shown.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what a session is told and has not acknowledged: what ended, what asks."""
    from .tell import print_inbox

    print_inbox(session, consumer=consumer, ack=ack, as_json=as_json)


def kinds(as_json: AsJson = False) -> None:
    """List the kinds of tasks that may be started in every runtime of yours."""
    from .start import print_kinds

    print_kinds(as_json=as_json)
