"""What runs here: the context variable in which the code of a task finds itself again.

It holds a managed task (see `context`), a hidden one (see `hidden`), or nothing: the code of an application,
of a service of the host, or of a cancel hook."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context

_current: ContextVar[object] = ContextVar("hostel_current_task", default=None)


def enter(task: object) -> None:
    """Make `task` what runs here; None leaves whatever does: what follows belongs to none."""
    _current.set(task)


def current() -> object:
    """Return what runs here, or None."""
    return _current.get()


def outside_tasks() -> Context:
    """Return a copy of the context variables in which no task runs."""
    context = copy_context()
    context.run(enter, None)
    return context
