"""The hooks of hostel: the manual of a plugin author.

A plugin is any object with functions marked by `@hookimpl`: a module, or an instance of a class. Give it to
`Runtime(plugins=[...])`, or let others install it by naming it in the entry-point group `hostel.plugins`. An
implementation takes as many of a hook's arguments as it needs, by name.

    from hostel.runtime import TaskKind, hookimpl

    async def count(to: int) -> int: ...

    class Counting:
        @hookimpl
        def register_task_kinds(self):
            return [TaskKind("count", count)]

The first word of a hook tells how its answer is used. `register_*` returns descriptions; all plugins'
answers are used. `on_*` is told something; its answer is ignored and it may be async. `choose_*` may answer
or return None; the first answer wins. A hook that raises is noted against its plugin (`hostel plugins`
shows it) and the others are called all the same. An `on_*` hook that takes longer than 5 seconds is
cancelled and noted.

A plugin may have two attributes: `name`, what it is called (the entry point's name or the class's
otherwise), and `requires`, the names of plugins that must have started before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    import typer

    from hostel.sessions import TaskEvent

    from ._kinds import TaskKind
    from ._routes import Endpoint, Mount
    from ._runtime import Runtime

hookspec = pluggy.HookspecMarker("hostel")


@hookspec
def register_task_kinds() -> Iterable[TaskKind]:  # type: ignore[empty-body]
    """Add kinds of tasks that can be started by name.

    Called once, before anything starts. Two plugins must not add the same name.

    :return: the kinds. Since 0.1.
    """


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to the command line.

    Called for every run of `hostel`, `--help` included: import what is heavy inside the commands.

    :param app: the `hostel` command; use `app.command()` or `app.add_typer()`. Since 0.1.
    """


@hookspec
def register_routes(runtime: Runtime) -> Iterable[Endpoint | Mount]:  # type: ignore[empty-body]
    """Add what the plugin answers over HTTP.

    Called when an inspector starts to serve, which is after most plugins have started; not called in a
    runtime without one, so what only HTTP needs may be imported here. A path that is taken already is noted
    against the plugin and not served.

        @hookimpl
        def register_routes(self, runtime):
            async def rooms(query, body):
                return [{"number": room.number} for room in self.rooms]

            return [Endpoint("rooms", rooms, summary="All rooms")]

    :param runtime: the one that is served.
    :return: endpoints below `/api/`, or whole ASGI applications. Since 0.1.
    """


@hookspec
def register_model_sources() -> Iterable[object]:  # type: ignore[empty-body]
    """Add places that models come from, next to the hub, plain URLs and folders.

    Called once, when the runtime starts. Where two claim one scheme, the plugin registered last wins.

    :return: `hostel.plugins.model_pull.ModelSource`s: objects with `schemes` and `async
        resolve(reference)`. Since 0.1.
    """


@hookspec
def choose_quantization(repo_id: str, options: Sequence[object]) -> str | None:
    """Choose which quantization of a model is pulled where nobody named one.

    :param options: `hostel.plugins.model_pull.QuantOption`s, what there is; one with a `problem` cannot be
        pulled
    :return: the `name` of one of them, or None to leave it to others and at last to the order of
        preference. Since 0.1.
    """


@hookspec
def on_download_event(event: object) -> Awaitable[None] | None:
    """Be told what happens to downloads; may be async.

    A slow implementation delays the next call and never a download; progress it is too slow for is left
    out.

    :param event: a `hostel.plugins.model_pull.DownloadEvent`, one of its classes. Since 0.1.
    """


@hookspec
def on_startup(runtime: Runtime) -> Awaitable[None] | None:
    """Be told that a runtime has started; may be async.

    Offer what other plugins and the application may use with `runtime.offer(...)`. Plugins start in the
    order their `requires` asks for; one that raises is set aside, and so is whoever requires it.

    :param runtime: `runtime.tasks` is the host, `runtime.get(...)` what others offer. Since 0.1.
    """


@hookspec
def on_shutdown(runtime: Runtime) -> Awaitable[None] | None:
    """Be told that a runtime stops; may be async.

    Called in the reverse order of `on_startup`, for every plugin that had started, while tasks still run.

    :param runtime: the one that stops. Since 0.1.
    """


@hookspec
def on_session_opened(session_id: str) -> Awaitable[None] | None:
    """Be told that `runtime.session(...)` has opened a session; may be async.

    :param session_id: which one. Since 0.1.
    """


@hookspec
def on_session_closed(session_id: str) -> Awaitable[None] | None:
    """Be told that a session opened by `runtime.session(...)` has closed, its tasks dealt with; may be async.

    :param session_id: which one. Since 0.1.
    """


@hookspec
def on_task_event(event: TaskEvent) -> Awaitable[None] | None:
    """Be told of every event of every task, in order; may be async.

    A slow implementation delays the next call, never a task; when it falls too far behind it is told by one
    event of type `missed`.

    :param event: what happened, with the task's record after it. Since 0.1.
    """


@hookspec
def choose_batch_sender(upstream: str | None) -> Callable[..., Awaitable[object]] | None:
    """Send the requests of batches in another way than over HTTP; return None to leave it to others.

    Called when the work on batches starts. What it returns is called with a `RequestData` for every attempt,
    up to the model's limit at a time, is cancelled when the request is, and answers with a `Reply` or a
    `Failure` (all three from `hostel.plugins.batch`); what it raises ends that attempt only.

    :param upstream: base URL that was asked for, None if there is none. Since 0.1.
    """
