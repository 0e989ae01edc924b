"""The verbs that wait. A wait is bounded if its caller wants, and its end touches no task."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import anyio

from .._ids import checked_id
from .._records import TaskRecord, Waited, checked_timeout
from .context import current_entry
from .opened import OpenedHost

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Collection, Iterable

    from .._tasks.entry import Entry
    from .open_host import OpenHost


class WaitingVerbs(OpenedHost):
    """What one can wait for."""

    async def wait(
        self, task_id: str, *, session_id: str | None = None, consumer: str | None = None
    ) -> TaskRecord:
        """Wait until the task has ended and return its last record with the whole of its result.

        The inbox of `consumer` does not tell it that end any more.
        """
        host = self._host
        _check(None, consumer)
        entry = await host.table.get(task_id, session_id)
        await entry.done()
        await _acknowledge(host, [entry], consumer)
        return await host.table.whole(entry)

    async def wait_any(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        session_id: str | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> Waited:
        """Wait until one of the tasks has ended, or asks something if that is to count, at most `timeout`
        seconds; return which have ended and which have not. None waits for ever.

        The inbox of `consumer` does not tell it the ends returned here any more.

        :raises ValueError: if `timeout` is no number, or `consumer` no id.
        """
        host = self._host
        _check(timeout, consumer)
        entries = await _entries(host, task_ids, session_id)
        with anyio.move_on_after(timeout):
            await _until(any, entries, or_asking)
        return await _waited(host, entries, consumer)

    @overload  # a text is an iterable of texts as well, and here it is never meant as that
    async def wait_all(self, task_ids: str) -> builtins.list[TaskRecord]: ...  # type: ignore[overload-overlap]

    @overload
    async def wait_all(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        session_id: str | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> Waited: ...

    async def wait_all(
        self,
        task_ids: str | Iterable[str],
        *,
        timeout: float | None = None,
        session_id: str | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> builtins.list[TaskRecord] | Waited:
        """Wait until all the tasks have ended, or one asks something if that is to count, as `wait_any` does.

        A text is a session: wait until none of its tasks is live, also those started meanwhile, and return
        the records of those that ended in it meanwhile. A task that waits for its own session does not wait
        for itself.
        """
        if isinstance(task_ids, str):
            return await self._wait_for_session(task_ids)
        host = self._host
        _check(timeout, consumer)
        entries = await _entries(host, task_ids, session_id)
        with anyio.move_on_after(timeout):
            await _until(all, entries, or_asking)
        return await _waited(host, entries, consumer)

    async def _wait_for_session(self, session_id: str) -> builtins.list[TaskRecord]:
        own, waited = current_entry(), []
        while waiting := [entry for entry in self._host.table.not_done(session_id) if entry is not own]:
            waited += [entry.record for entry in waiting if await entry.wait_left(session_id)]
        return waited


def _check(timeout: float | None, consumer: str | None) -> None:
    """Refuse what could not be waited or noted, before anything is."""
    checked_timeout(timeout)
    if consumer is not None:
        checked_id(consumer)


async def _entries(host: OpenHost, task_ids: Iterable[str], session_id: str | None) -> list[Entry]:
    return [await host.table.get(task_id, session_id) for task_id in dict.fromkeys(task_ids)]


async def _until(
    enough: Callable[[Iterable[bool]], bool], entries: Collection[Entry], or_asking: bool
) -> None:
    """Wait until `enough` of the tasks have ended, or one asks if that is to count."""
    async with anyio.create_task_group() as watches:

        async def watch(entry: Entry) -> None:
            while not entry.is_done and not (or_asking and entry.record.question is not None):
                await entry.changed()
            # one that asks may be waiting for whoever waits here
            if not entry.is_done or enough(entry.is_done for entry in entries):
                watches.cancel_scope.cancel()

        for entry in entries:
            watches.start_soon(watch, entry)


async def _waited(host: OpenHost, entries: list[Entry], consumer: str | None) -> Waited:
    over = [entry for entry in entries if entry.is_done and not entry.live]
    await _acknowledge(host, over, consumer)
    ended = [await host.table.whole(entry) for entry in over]
    return Waited(ended, [entry.record for entry in entries if entry not in over])


async def _acknowledge(host: OpenHost, ended: Iterable[Entry], consumer: str | None) -> None:
    """Let the inbox of `consumer` tell these ends no more."""
    if consumer is None:
        return
    seqs: dict[str, list[int]] = {}
    for entry in ended:
        seqs.setdefault(entry.record.session_id, []).append(entry.record.seq)
    for session_id, theirs in seqs.items():
        await host.acknowledge(session_id, consumer, theirs)
