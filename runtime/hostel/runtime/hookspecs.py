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

The first word of a hook tells how its answer is used, and where it runs.

- `register_*` returns descriptions; those of all plugins are used. It is called while things start, in the
  thread of whoever starts them: return at once. It must not be async. A name or path that two plugins
  want is kept by the one given, else by the one built in; whoever comes later loses just that.
- `choose_*` may answer or return None; plugins given are asked first, then those installed, and the first
  answer that is right wins. It must not be async, and runs in a thread of the plugin.
- `on_*` is told something; its answer is ignored. All plugins are told at the same time. An async one runs in
  a task of its own, any other in the thread of the plugin, one after the other, where it can block nobody;
  what belongs on the loop is for an async one.

A `choose_*` or `on_*` hook that takes longer than 5 seconds (`on_startup`: a minute) is given up; while a
thread is still busy with one, no other of that plugin is called. Whatever a hook raises, SystemExit
included, whatever it answers that was not asked for, is noted against its plugin (`hostel plugins` shows
it), and the others are called all the same. From a plugin that is built in or given, a wrong description
and a failing `on_startup` end the start.

A plugin may have three attributes: `name`, what it is called (otherwise the name of its entry point, module
or class); `requires`, the names of plugins that must have started before it; and `hookspecs`, a module with
hooks of its own, which other plugins implement like those below. A hook is a function marked by `@hookspec`;
`@hookspec(each=check)` and `@hookspec(answer=check)` name a function that returns what a plugin has answered
if it is right and raises if it is not, and `expect` helps there. The plugin that brings a hook calls it with
`runtime.plugins.collect(hook, ...)`, `first(hook, ...)` or `notify(hook, ...)`. An implementation of a hook
whose plugin may be left out is marked by `@hookimpl(optionalhook=True)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._plugins.hooks import expect, hookspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    import typer

    from hostel.sessions import TaskEvent

    from . import Runtime
    from ._kinds import TaskKind
    from ._served.panels import Panel
    from ._served.routes import Endpoint, Mount


def _task_kind(described: object) -> TaskKind:
    from ._kinds import TaskKind

    return expect(described, TaskKind)


def _route(described: object) -> Endpoint | Mount:
    from ._served.routes import Endpoint, Mount

    return expect(described, Endpoint, Mount)


def _panel(described: object) -> Panel:
    from ._served.panels import Panel

    return expect(described, Panel)


@hookspec(each=_task_kind)
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


@hookspec(each=_route)
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


@hookspec(each=_panel)
def register_panels() -> Iterable[Panel]:  # type: ignore[empty-body]
    """Add views to the inspector's page: tables of what the plugin's endpoints answer, and verbs on them.

    Called after `register_routes`, and where that is called. Descriptions only: the page shows all panels
    in its own way, and runs nothing of a plugin. A panel that names an endpoint which the plugin does not
    answer, or describes what cannot be shown, is noted against the plugin and left out.

        @hookimpl
        def register_panels(self):
            columns = [Column("Room", "number"), Column("Beds", "beds", Format.NUMBER)]
            return [Panel("rooms", "Rooms", "rooms", columns, key="number")]

    :return: the panels, in the order they are shown. Since 0.1.
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
