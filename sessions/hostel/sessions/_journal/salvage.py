"""Making a whole journal of what is left of a damaged one.

The damaged file stays as it is: a copy is read. Where its first page is gone, the copy gets that of a new
journal, since all journals of one schema keep the same tables in the same places."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import attrs

from .._errors import JournalCorrupt, JournalError
from .._json import event_to_text, to_text
from .file import HostLock, connect_for_writing, create, translating
from .rescue import last_number, open_for_reading, rows_left, tasks_left
from .schema import (
    COUNT_ENDED,
    KEEP_EVENT,
    KEEP_FORGOTTEN,
    KEEP_MOVE,
    KEEP_NOTICE,
    KEEP_RESULT,
    KEEP_TASK,
    MOVE_ROWS,
    NOTICE_ROWS,
    RESULT_ROWS,
    SIZE,
    storable,
)

if TYPE_CHECKING:
    from .._events import TaskEvent
    from .rescue import Note, Rescued

PAGE_BYTES = 4096
VALID_FOR = slice(92, 96)
"""Where a first page says for which version of the file its count of pages holds."""


@attrs.frozen
class Salvaged:
    """What was saved of a damaged journal: how many tasks and events, and in words what was not."""

    tasks: int
    events: int
    damage: tuple[str, ...]


def salvage_journal(path: str | Path, into: str | Path) -> Salvaged:
    """Write what is left of the damaged journal at `path` to a new one at `into`. Blocks while it works.

    The journal at `path` is not changed.

    :raises JournalInUse: if a host has it.
    :raises JournalError: if nothing of it can be read, if it is not there, or something is at `into`.
    """
    path, into = Path(path), Path(into)
    if into.exists():
        raise JournalError(str(into), "it is there already")
    if not into.parent.is_dir():
        raise JournalError(str(into), "its folder is not there")
    damage: dict[str, None] = {}
    with translating(path):
        if not path.exists():
            raise JournalError(str(path), "it is not there")
        lock = HostLock(path)
        try:
            with TemporaryDirectory(dir=into.parent, prefix=".salvage-") as folder:
                tasks, events = _salvage(path, Path(folder) / "new", Path(folder) / "copy", damage.setdefault)
                if damage and not tasks:
                    raise JournalError(str(path), f"nothing of it can be read ({next(iter(damage))})")
                (Path(folder) / "new").rename(into)
        finally:
            lock.release()
    return Salvaged(tasks, events, tuple(damage))


def _salvage(path: Path, new: Path, copy: Path, note: Note) -> tuple[int, int]:
    create(new)
    with closing(connect_for_writing(new)) as target:
        with closing(_open_copy(path, copy, new, note)) as source:
            target.execute("BEGIN")
            for task in tasks_left(source, note, partial(_keep_event, target)):
                _keep_task(target, task)
            for _, row in rows_left(source, "results", RESULT_ROWS, 0, note):
                if row is not None:
                    target.execute(KEEP_RESULT, row)
            for _, row in rows_left(source, "moves", MOVE_ROWS, 0, note):
                if row is not None:
                    target.execute(KEEP_MOVE, row[1:])
            for _, row in rows_left(source, "notices", NOTICE_ROWS, 0, note):
                if row is not None:
                    target.execute(KEEP_NOTICE, row)
            target.execute(COUNT_ENDED)
            target.execute(KEEP_FORGOTTEN, (last_number(source) or 0,))
            target.execute("COMMIT")
        tasks, events = target.execute(SIZE).fetchone()
        return tasks, events


def _open_copy(path: Path, copy: Path, new: Path, note: Note) -> sqlite3.Connection:
    log = path.with_name(path.name + "-wal")
    shutil.copyfile(path, copy)
    if log.exists():
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    try:
        return open_for_reading(copy)
    except (JournalCorrupt, sqlite3.DatabaseError) as error:
        note(f"its first page cannot be read ({error})")
    first = bytearray(new.read_bytes()[:PAGE_BYTES])
    first[VALID_FOR] = bytes(4)
    with copy.open("r+b") as file:
        file.write(first)
    return open_for_reading(copy)


def _keep_event(target: sqlite3.Connection, born: int, event: TaskEvent) -> None:
    target.execute(
        KEEP_EVENT,
        (event.seq, born, event.session_id, event.task_id, event.type.value, event.at, event_to_text(event)),
    )


def _keep_task(target: sqlite3.Connection, task: Rescued) -> None:
    record = task.event.record
    if record is None:
        return
    params = to_text(task.params) if task.params is not None else None
    _keep_event(target, task.born, task.event)
    parent, key = record.parent_task_id, record.attempt.idempotency_key
    target.execute(
        KEEP_TASK,
        (
            task.born,
            record.session_id,
            record.id,
            record.seq,
            record.state.value,
            params,
            storable(record.kind),
            storable(parent) if parent is not None else None,
            storable(key) if key is not None else None,
        ),
    )
