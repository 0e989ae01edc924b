"""What happened to one task, from the events its host still has.

A task is known by session and id, and it may have moved: its history is followed from its latest event
backwards, each transfer leading to the session it came from, to the registration that began it. An earlier
task of the same id is another task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hostel.sessions import EventType, TaskFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.sessions import BackgroundTaskHost, TaskEvent, TaskRecord

WINDOW = 10_000
"""How many sequence numbers before a task's latest event are looked at."""
WAIT_SECONDS = 2.0
"""How long to wait for an event that a journal is still writing."""


async def history(host: BackgroundTaskHost, record: TaskRecord) -> list[TaskEvent]:
    """Return the events of the task of `record` up to its latest, oldest first, as far back as they are
    kept.
    """
    events: list[TaskEvent] = []
    seen = max(0, record.seq - WINDOW)
    subscription = host.subscribe(TaskFilter(kind=record.kind), after=seen)
    with anyio.move_on_after(WAIT_SECONDS):
        while seen < record.seq and (batch := await subscription.read(500)):
            events += [event for event in batch if event.task_id == record.id]
            seen = batch[-1].seq
    return own_events(events, record)


def own_events(events: Iterable[TaskEvent], record: TaskRecord) -> list[TaskEvent]:
    """Return those of `events` that happened to the task of `record` and not to another of its id."""
    found: list[TaskEvent] = []
    session_id = record.session_id
    # backwards: a transfer says where the task came from, not where it will go
    for event in sorted(events, key=lambda event: event.seq, reverse=True):
        if event.task_id != record.id or event.session_id != session_id or event.seq > record.seq:
            continue
        found.append(event)
        if event.type is EventType.REGISTERED:
            break
        session_id = event.from_session_id or session_id
    return found[::-1]
