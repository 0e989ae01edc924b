"""Cancellation that arrives: a request goes to the task and its descendants, and whoever waits sees them end.

To ask is synchronous and decides everything: the record says who asked first and why. What follows depends on
the policy: the body is told, its scope is cancelled, or the hook of its registrant is called. `cancel` and
`stop` insist, whatever the policy."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from .. import _transitions as changes
from .._errors import HostClosed
from .._records import CancelPolicy
from .._tasks.cancel_hooks import HOOK_SECONDS, HookCall
from .._tasks.entry import End, External
from ..states import TaskState
from .body import CANCELLED
from .context import current_task_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._loop.spawner import Spawner
    from .._records import TaskRecord
    from .._tasks.entry import Entry
    from .open_host import OpenHost


def ask(
    host: OpenHost, entries: Iterable[Entry], reason: str | None, actor: str | None, *, cascade: bool = True
) -> list[Entry]:
    """Ask tasks and, with `cascade`, their descendants to stop; return those whose hook is to be
    called.
    """
    asked = dict.fromkeys(entries)
    hooks = [entry for entry in asked if _ask_one(host, entry, reason, actor)]
    # children that have ended are not among them any more: they have handed their own up
    waiting = [child for entry in asked for child in entry.children or ()] if cascade else []
    while waiting:
        child = waiting.pop()
        if child in asked:
            continue
        asked[child] = None
        if _ask_one(host, child, reason, "parent"):
            hooks.append(child)
        waiting.extend(child.children or ())
    return hooks


async def request_cancel(
    host: OpenHost, entry: Entry, reason: str | None, actor: str | None, *, cascade: bool = True
) -> TaskRecord:
    """Ask a task and, with `cascade`, its descendants to stop, and call the hooks that are to be
    called.
    """
    await call_hooks(host, ask(host, [entry], reason, actor or current_task_id(), cascade=cascade))
    return entry.record


async def call_hooks(host: OpenHost, asked: Sequence[Entry]) -> None:
    """Call the cancel hooks of tasks that were asked to stop, all at once."""
    if not asked:
        return
    async with anyio.create_task_group() as calls:
        for entry in asked:
            calls.start_soon(call_hook, host.services, entry, HOOK_SECONDS)


async def cancel(
    host: OpenHost, entries: Sequence[Entry], reason: str | None, actor: str | None, grace: float
) -> None:
    """Ask tasks and their descendants to stop; stop the tasks themselves whatever their policy and wait
    `grace` seconds for them to have ended.
    """
    hooks = ask(host, entries, reason, actor)
    async with anyio.create_task_group() as stops:
        for entry in entries:
            stops.start_soon(stop, host, entry, grace)
        for descendant in set(hooks).difference(entries):
            stops.start_soon(call_hook, host.services, descendant, grace)


async def stop(host: OpenHost, entry: Entry, grace: float) -> None:
    """Stop a task that was asked to, whatever its policy; wait `grace` seconds for it to have ended."""
    if entry.run is not None and entry.run.running:
        entry.run.abort()
        with anyio.move_on_after(grace), suppress(HostClosed):
            await entry.done()
    else:
        cancelled = End(TaskState.CANCELLED, None, None)
        await call_hook(host.services, entry, grace, partial(host.end, entry, cancelled))


async def call_hook(
    spawner: Spawner, entry: Entry, seconds: float, then: Callable[[], object] | None = None
) -> bool:
    """Call the hook of `entry` and tell whether it returned within `seconds`; if it does, even later, call
    `then`.

    It runs in `spawner`, in the context of whoever registered it and outside any task, so that a caller who
    is cancelled or impatient does not cut it short; when its own time is over it is cancelled. A hook that
    has returned is not called again, one that runs is waited for, one that failed is tried again. A task
    without a hook is as one whose hook has returned.
    """
    external = entry.external or External()
    call, hook = external.hook_call, external.hook
    if hook is not None and (call is None or call.failed):
        call = external.hook_call = HookCall(entry.record.id, hook)
        spawner.start_service(call.run, max(seconds, HOOK_SECONDS), context=hook.context.copy())
    if call is None or call.returned:
        if then is not None:
            then()
        return True
    # a hook that is late but returns has stopped the task all the same
    call.then = then or call.then
    with anyio.move_on_after(seconds):
        await call.over.wait()
    return call.returned


def _ask_one(host: OpenHost, entry: Entry, reason: str | None, actor: str | None) -> bool:
    if not entry.live or entry.cancel_requested:
        return False
    host.apply(entry, changes.cancel_requested, reason, actor)
    entry.notify()
    if entry.run is None:
        has_hook = entry.external is not None and entry.external.hook is not None
        return has_hook and entry.record.cancel_policy is not CancelPolicy.COOPERATIVE
    if entry.waits_for_body:
        host.end(entry, CANCELLED)
    elif entry.record.cancel_policy is CancelPolicy.ABORT_LOCAL:
        entry.run.abort()
    return False
