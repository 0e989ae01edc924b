"""The file under a journal: how it is opened, locked, brought up to date and read.

What SQLite and the operating system complain of leaves here as a JournalError that says the path and the
problem in words (`translating`). Nothing is written to a file before it is known to be a journal that this
version can read, so a damaged one stays as it was found."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from .._errors import JournalConflict, JournalCorrupt, JournalError, JournalInUse, JournalTooNew
from .._event_log.gaps import Forgotten, Page
from .._events import TaskEvent, missed
from .._json import event_from_json
from .schema import (
    APPLICATION_ID,
    COUNT,
    FORGOTTEN,
    MIGRATIONS,
    PAGE,
    SCHEMA,
    migration,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .._json import Json

BUSY_SECONDS = 5.0
"""How long to wait for another program that has locked the file, a backup say."""

GLANCE_MILLISECONDS = 200
"""How long a host that starts lets others look whether there is one."""

_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_LOCKED: "another program has locked it",
    sqlite3.SQLITE_READONLY: "it cannot be written to",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
}


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and the operating system as a JournalError about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error
    except OSError as error:
        raise JournalError(str(path), error.strerror or str(error)) from error


def _translated(path: Path, error: sqlite3.Error) -> JournalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalCorrupt(str(path), f"part of it cannot be read ({error})")
    if code == sqlite3.SQLITE_CONSTRAINT:
        return JournalConflict(str(path))
    words = _WORDS.get(code)
    return JournalError(str(path), f"{words} ({error})" if words else str(error))


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the file: `mode` is `ro`, `rw` or `rwc` as in SQLite's URIs."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


class HostLock:
    """The right to write to the journal at `path`, which dies with the process.

    It is SQLite's own exclusive lock, on an empty file beside the journal, so that it works wherever SQLite
    does and does not keep readers out.

    :raises JournalInUse: if another host has it.
    """

    def __init__(self, path: Path) -> None:
        file = _lock_of(path)
        file.touch(mode=0o600)
        self._held = connect(file, "rw")
        try:
            self._held.execute(f"PRAGMA busy_timeout = {GLANCE_MILLISECONDS}")
            # a journal file beside the lock file would need room on a disk that may be full
            self._held.execute("PRAGMA journal_mode = MEMORY")
            self._held.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._held.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise JournalInUse(str(path)) from None
            raise

    def release(self) -> None:
        """Let another host have the journal."""
        self._held.close()


def is_held(path: Path) -> bool:
    """Tell whether a host has the right to write to the journal at `path`."""
    file = _lock_of(path)
    if not file.exists():
        return False
    with closing(connect(file, "ro")) as glance:
        # a reader only looks whether the lock is taken, it never waits for it
        glance.execute("PRAGMA busy_timeout = 0")
        try:
            glance.execute("SELECT count(*) FROM sqlite_schema")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return True
            raise
    return False


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def schema_of(path: Path) -> int:
    """Return the schema of the journal at `path`, 0 if there is none yet; write nothing.

    :raises JournalTooNew: if it is one that this version does not know.
    :raises JournalCorrupt: if the file is damaged.
    :raises JournalError: if it is something else.
    """
    check_log(path)
    if not path.exists() or not path.stat().st_size:
        return 0
    connection = connect(path, "ro")
    try:
        return checked_schema(path, connection)
    finally:
        connection.close()


def check_log(path: Path) -> None:
    """Make sure that SQLite does not take the log beside a file that was emptied for a stale one.

    :raises JournalCorrupt: if it would.
    """
    log = path.with_name(path.name + "-wal")
    emptied = not path.exists() or not path.stat().st_size
    if emptied and log.exists() and log.stat().st_size:
        raise JournalCorrupt(str(path), f"it is empty, but {log.name} beside it is not")


def checked_schema(path: Path, connection: sqlite3.Connection) -> int:
    """Return the schema as `schema_of` does."""
    found = cast("int", connection.execute("PRAGMA user_version").fetchone()[0])
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    if not ours and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise JournalError(str(path), "it is a database, but no journal of hostel")
    if found > SCHEMA:
        raise JournalTooNew(str(path), found, SCHEMA)
    return found


def connect_for_writing(path: Path) -> sqlite3.Connection:
    """Open the file so that every commit is on the disk.

    :raises JournalError: if its file system is not up to that.
    """
    connection = connect(path, "rw")
    try:
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise JournalError(str(path), "its file system cannot hold a write-ahead log")
        connection.execute("PRAGMA synchronous = FULL")
        # where there can be no shared memory, SQLite opens the file all the same and only reads it
        connection.executescript("BEGIN IMMEDIATE; ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path) -> None:
    """Make a new journal, which is there whole or not at all."""
    # made beside and renamed: a process that dies here leaves no half journal
    new = path.with_name(path.name + ".new")
    for left in ("", "-journal", "-wal", "-shm"):
        path.with_name(new.name + left).unlink(missing_ok=True)
    new.touch(mode=0o600)
    with closing(connect_for_writing(new)) as connection:
        migrate(connection, 0)
    new.replace(path)


def migrate(connection: sqlite3.Connection, found: int, scripts: Sequence[str] = MIGRATIONS) -> None:
    """Bring a file from the schema `found` up to date, each step in a transaction of its own."""
    for number, script in enumerate(scripts[found:], found + 1):
        try:
            connection.executescript(migration(number, script))
        except sqlite3.Error:
            connection.rollback()
            raise


def read_page(connection: sqlite3.Connection, after: int, through: int, limit: int, known: Forgotten) -> Page:
    """Return a page as `Journal.read` does. An event that is no event any more becomes `missed`."""
    connection.execute("BEGIN")
    try:
        forgotten = Forgotten(*connection.execute(FORGOTTEN).fetchone())
        rows = connection.execute(PAGE, (after, through, limit)).fetchall()
        # SQLite reads a torn page without complaint; numbers out of order give it away
        if any(row[0] <= before[0] for before, row in pairwise([(after,), *rows])):
            raise Torn("the numbers of events are out of order")
        end, gone = min(through, forgotten.through), 0
        if forgotten != known and after < end:
            gone = end - after - connection.execute(COUNT, (after, end)).fetchone()[0]
    finally:
        connection.rollback()
    return Page([readable(*row) for row in rows], forgotten, gone)


class Torn(sqlite3.DatabaseError):
    """What SQLite takes for whole says what cannot be."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


UNREADABLE = (KeyError, TypeError, ValueError, RecursionError)
"""What reading the text of a damaged row raises."""


def event_from_text(text: str) -> TaskEvent:
    """Return the event a row keeps.

    :raises KeyError, TypeError, ValueError: if it is damaged.
    """
    return event_from_json(cast("Json", json.loads(text)))


def readable(seq: int, at: float, text: str) -> TaskEvent:
    """Return the event number `seq`, or that it is lost."""
    try:
        event = event_from_text(text)
        if event.seq == seq:
            return event
    except UNREADABLE:
        pass
    return missed(seq - 1, seq + 1, at, 1)
