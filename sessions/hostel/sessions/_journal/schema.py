"""All SQL of the journal: what is in the file, and what each change does to it.

`events` is the log; `tasks` has one row per task that is still known, pointing at its latest event; both
know a task by `born`, the number of its registration, which no transfer and no second task of the same id
can take from it. `moves` leads from the sessions a task has left to the task, `results` has what is too
large for an event, `ended` counts the finished tasks of each session, so that nobody has to. `forgotten`
tells how far events are gone because their tasks are. `notices`, `consumers` and `acks` are what inboxes
live on (see `unread`).

A batch of changes is inserted, in order, into the view `change`, whose triggers carry each one out. So a
batch needs a handful of calls into SQLite whatever its length, and a busy event loop gets in between that
often and not per row (with a statement per row it is ten times slower then). The triggers are temporary:
they belong to the code, which computes their state guards from `MOVES`, and not to the file. A change that
does not find its task as expected fails the whole batch; only what is to be forgotten may be gone already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..states import LIVE, TERMINAL, TaskState, predecessors

if TYPE_CHECKING:
    from .protocol import TaskQuery

APPLICATION_ID = 0x686F7374
"""`host`, in the header of the file."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        born INTEGER NOT NULL,
        session TEXT NOT NULL,
        task TEXT NOT NULL,
        type TEXT NOT NULL,
        at REAL NOT NULL,
        json TEXT NOT NULL
    );
    CREATE INDEX events_of_task ON events (born);
    CREATE TABLE tasks (
        born INTEGER PRIMARY KEY,
        session TEXT NOT NULL,
        task TEXT NOT NULL,
        seq INTEGER NOT NULL,
        state TEXT NOT NULL,
        params TEXT,
        UNIQUE (session, task)
    );
    CREATE TABLE forgotten (
        through INTEGER NOT NULL,
        times INTEGER NOT NULL
    );
    INSERT INTO forgotten VALUES (0, 0);
    """,
    """
    ALTER TABLE tasks ADD COLUMN kind TEXT NOT NULL DEFAULT '';
    ALTER TABLE tasks ADD COLUMN parent TEXT;
    ALTER TABLE tasks ADD COLUMN key TEXT;
    UPDATE tasks SET (kind, parent, key) = (
        SELECT coalesce(json_extract(json, '$.record.kind'), ''),
            json_extract(json, '$.record.parent_task_id'),
            json_extract(json, '$.record.attempt.idempotency_key')
        FROM events WHERE events.seq = tasks.seq
    ) WHERE EXISTS (SELECT 1 FROM events WHERE events.seq = tasks.seq AND json_valid(json));
    CREATE INDEX live_tasks ON tasks (born)
        WHERE state IN ('cancel_requested', 'pending', 'running', 'waiting');
    CREATE INDEX ended_tasks ON tasks (session, seq)
        WHERE state IN ('abandoned', 'cancelled', 'completed', 'failed');
    CREATE INDEX ended_by_id ON tasks (task)
        WHERE state IN ('abandoned', 'cancelled', 'completed', 'failed');
    CREATE INDEX tasks_by_key ON tasks (session, key) WHERE key IS NOT NULL;
    CREATE INDEX tasks_by_parent ON tasks (parent) WHERE parent IS NOT NULL;
    CREATE TABLE ended (
        session TEXT NOT NULL,
        state TEXT NOT NULL,
        count INTEGER NOT NULL,
        first REAL NOT NULL,
        last REAL NOT NULL,
        PRIMARY KEY (session, state)
    ) WITHOUT ROWID;
    INSERT INTO ended
    SELECT session, state, count(*),
        min(coalesce((SELECT at FROM events WHERE seq = born), 0)),
        max(coalesce((SELECT at FROM events WHERE events.seq = tasks.seq), 0))
    FROM tasks WHERE state IN ('abandoned', 'cancelled', 'completed', 'failed')
    GROUP BY session, state;
    CREATE TABLE results (
        seq INTEGER PRIMARY KEY,
        value TEXT NOT NULL
    );
    CREATE TABLE moves (
        session TEXT NOT NULL,
        task TEXT NOT NULL,
        born INTEGER NOT NULL,
        PRIMARY KEY (session, task)
    );
    CREATE INDEX moves_of_task ON moves (born);
    INSERT OR REPLACE INTO moves
    SELECT json_extract(json, '$.from_session_id'), task, born FROM events
    WHERE type = 'transferred' AND json_valid(json) ORDER BY seq;
    DELETE FROM moves WHERE EXISTS (
        SELECT 1 FROM tasks WHERE tasks.session = moves.session AND tasks.task = moves.task
    );
    """,
    """
    CREATE TABLE notices (
        seq INTEGER PRIMARY KEY,
        born INTEGER NOT NULL,
        session TEXT NOT NULL,
        json TEXT NOT NULL
    );
    CREATE INDEX notices_of_session ON notices (session, seq);
    CREATE INDEX notices_of_task ON notices (born);
    CREATE TABLE consumers (
        session TEXT NOT NULL,
        consumer TEXT NOT NULL,
        through INTEGER NOT NULL DEFAULT 0,
        missed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (session, consumer)
    ) WITHOUT ROWID;
    CREATE TABLE acks (
        session TEXT NOT NULL,
        consumer TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (session, consumer, seq)
    ) WITHOUT ROWID;
    """,
)
"""Each brings a file from the schema numbered by its place to the next; a released one never changes."""

SCHEMA = len(MIGRATIONS)

CHANGE = (
    "type, seq, session, task, at, came_from, follows, state, params, json, kind, parent, key, value, retain,"
    " notify"
)
FORGET = "forget"


def migration(number: int, script: str) -> str:
    """Return `script` as one transaction that also records that the schema is now `number`."""
    return f"""
    BEGIN IMMEDIATE;
    {script.rstrip().rstrip(";")};
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {number};
    COMMIT;
    """


def insert_changes(count: int) -> str:
    """Return the statement that carries out `count` changes; it takes their values in one flat list."""
    row = f"({','.join('?' * len(CHANGE.split(',')))})"
    return f"INSERT INTO change VALUES {','.join([row] * count)}"


def _texts(states: frozenset[TaskState]) -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(states))


def _may_become(state: TaskState) -> str:
    before = predecessors(state) | ({state} if state in LIVE - {TaskState.CANCEL_REQUESTED} else set())
    return f"WHEN '{state.value}' THEN state IN ({_texts(before)})"


_ROW = "NEW.seq, born, NEW.session, NEW.task, NEW.type, NEW.at, NEW.json"
_FAIL_IF_UNCHANGED = "SELECT RAISE(ABORT, 'not as expected') WHERE changes() <> 1"
_LEGAL = f"CASE NEW.state {' '.join(_may_become(state) for state in TaskState)} END"

_LIVE = f"state IN ({_texts(LIVE)})"
_ENDED = f"state IN ({_texts(TERMINAL)})"
MOST_NOTICES = 1_000
"""How many notices that tasks gave themselves are kept of one session."""
_UNREAD = """session = OLD.session AND through < OLD.seq AND NOT EXISTS (
        SELECT 1 FROM acks WHERE acks.session = OLD.session AND acks.consumer = consumers.consumer
            AND acks.seq = OLD.seq
    )"""
_FORGET_ACKS = """DELETE FROM acks WHERE session = OLD.session AND seq = OLD.seq
        AND consumer IN (SELECT consumer FROM consumers WHERE session = OLD.session)"""
_MAKE_ROOM = f"""DELETE FROM tasks WHERE session = NEW.session AND task = NEW.task AND {_ENDED};
    DELETE FROM moves WHERE session = NEW.session AND task = NEW.task"""

CHANGES = f"""
CREATE TEMP VIEW change ({CHANGE}) AS
SELECT {", ".join("NULL" for _ in CHANGE.split(","))} WHERE FALSE;

CREATE TEMP TRIGGER registered INSTEAD OF INSERT ON change WHEN NEW.type = 'registered' BEGIN
    {_MAKE_ROOM};
    INSERT INTO tasks VALUES (
        NEW.seq, NEW.session, NEW.task, NEW.seq, NEW.state, NEW.params, NEW.kind, NEW.parent, NEW.key
    );
    INSERT INTO events SELECT {_ROW} FROM (SELECT NEW.seq AS born);
END;

CREATE TEMP TRIGGER moved INSTEAD OF INSERT ON change
WHEN NEW.type NOT IN ('registered', 'progress', 'transferred', '{FORGET}') AND NEW.{_LIVE} BEGIN
    UPDATE tasks SET seq = NEW.seq, state = NEW.state
    WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows AND {_LEGAL};
    {_FAIL_IF_UNCHANGED};
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
END;

CREATE TEMP TRIGGER ended INSTEAD OF INSERT ON change WHEN NEW.type <> 'registered' AND NEW.{_ENDED} BEGIN
    UPDATE tasks SET seq = NEW.seq, state = NEW.state, params = NULL
    WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows AND {_LEGAL};
    {_FAIL_IF_UNCHANGED};
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
    INSERT INTO results SELECT NEW.seq, NEW.value WHERE NEW.value IS NOT NULL;
    INSERT INTO ended
    SELECT session, state, 1, coalesce((SELECT at FROM events WHERE seq = born), NEW.at), NEW.at
    FROM tasks WHERE session = NEW.session AND task = NEW.task
    ON CONFLICT (session, state) DO UPDATE
    SET count = count + 1, first = min(first, excluded.first), last = excluded.last;
    DELETE FROM tasks WHERE born IN (
        SELECT born FROM tasks WHERE session = NEW.session AND {_ENDED}
        AND (SELECT sum(count) FROM ended WHERE session = NEW.session) > NEW.retain
        ORDER BY seq DESC LIMIT -1 OFFSET coalesce(NEW.retain, 0)
    );
END;

CREATE TEMP TRIGGER progressed INSTEAD OF INSERT ON change WHEN NEW.type = 'progress' BEGIN
    UPDATE tasks SET seq = NEW.seq
    WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows
        AND state = NEW.state AND {_LIVE};
    {_FAIL_IF_UNCHANGED};
    DELETE FROM events WHERE seq = NEW.follows AND type = 'progress';
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
    INSERT INTO notices SELECT NEW.seq, born, NEW.session, NEW.json
    FROM tasks WHERE NEW.notify AND session = NEW.session AND task = NEW.task;
    DELETE FROM notices WHERE NEW.notify AND seq IN (
        SELECT seq FROM notices WHERE session = NEW.session ORDER BY seq DESC LIMIT -1 OFFSET {MOST_NOTICES}
    );
END;

CREATE TEMP TRIGGER transferred INSTEAD OF INSERT ON change WHEN NEW.type = 'transferred' BEGIN
    {_MAKE_ROOM};
    UPDATE tasks SET session = NEW.session, seq = NEW.seq
    WHERE session = NEW.came_from AND task = NEW.task AND seq = NEW.follows
        AND state = NEW.state AND {_LIVE};
    {_FAIL_IF_UNCHANGED};
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
    INSERT OR REPLACE INTO moves
    SELECT NEW.came_from, NEW.task, born FROM tasks WHERE session = NEW.session AND task = NEW.task;
    UPDATE ended SET last = NEW.at WHERE session = NEW.came_from;
END;

CREATE TEMP TRIGGER forgotten_task INSTEAD OF INSERT ON change WHEN NEW.type = '{FORGET}' BEGIN
    DELETE FROM tasks WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows;
END;

CREATE TEMP TRIGGER gone AFTER DELETE ON main.tasks BEGIN
    DELETE FROM events WHERE born = OLD.born;
    DELETE FROM results WHERE seq = OLD.seq;
    DELETE FROM moves WHERE born = OLD.born;
    DELETE FROM notices WHERE born = OLD.born;
    UPDATE consumers SET missed = missed + 1 WHERE OLD.{_ENDED} AND {_UNREAD};
    {_FORGET_ACKS};
    UPDATE ended SET count = count - 1 WHERE session = OLD.session AND state = OLD.state;
    DELETE FROM ended WHERE session = OLD.session AND state = OLD.state AND count = 0;
    UPDATE forgotten SET through = max(through, OLD.seq), times = times + 1;
END;

CREATE TEMP TRIGGER unread AFTER DELETE ON main.notices BEGIN
    UPDATE consumers SET missed = missed + 1 WHERE {_UNREAD};
    {_FORGET_ACKS};
END;
"""


def select_tasks(query: TaskQuery, *, ended: bool = False) -> tuple[str, dict[str, str | int]]:
    """Return the statement that reads the tasks `query` asks for, in the order they came, of finished ones
    only those that have `ended`, and its values.
    """
    conditions, values = _conditions(query)
    if ended:
        conditions.append(f"tasks.{_ENDED}")
    elif not query.filter.shows_ended:
        conditions.append(f"tasks.{_LIVE}")
    if query.after:
        conditions.append("tasks.born > :after")
    limit = "" if query.limit is None else "LIMIT :limit"
    wanted = f"{_TASKS} WHERE {' AND '.join(conditions) or 'TRUE'} ORDER BY tasks.born {limit}"
    return wanted, {**values, "after": query.after, "limit": query.limit or 0}


def select_latest(query: TaskQuery) -> tuple[str, str, dict[str, str | int]]:
    """Return the statement that reads finished tasks by their end, the latest first, the one that tells how
    many ends it looks at and how far that is, and the values of both.
    """
    conditions, values = _conditions(query)
    seen = _ENDS_OF_SESSION if query.filter.session_id is not None else _LAST_EVENTS
    wanted = f"""{_SELECT} FROM ({seen}) AS seen
    CROSS JOIN tasks ON tasks.born = seen.born AND tasks.seq = seen.seq
    LEFT JOIN events ON events.seq = tasks.seq
    WHERE {" AND ".join([*conditions, f"tasks.{_ENDED}"])} ORDER BY seen.seq DESC LIMIT :limit"""
    limit = SCANNED if query.limit is None else query.limit
    given = {**values, "before": query.before or 0, "limit": limit, "scanned": SCANNED}
    return wanted, f"SELECT count(*), min(seq) FROM ({seen})", given


def _conditions(query: TaskQuery) -> tuple[list[str], dict[str, str | int]]:
    given = {
        "session": query.filter.session_id,
        "kind": query.filter.kind,
        "parent": query.filter.parent_task_id,
        "state": query.filter.state,
        "task": query.task_id,
        "key": query.key,
    }
    values: dict[str, str | int] = {
        name: storable(value) for name, value in given.items() if value is not None
    }
    conditions = [f"tasks.{name} = :{name}" for name in values]
    if "session" in values and "task" in values:
        conditions = [_IN_OR_OUT_OF_SESSION, *conditions[1:]]
    return conditions, values


def storable(text: str) -> str:
    """Return `text` without what SQLite cannot keep: halves of characters."""
    return text.encode(errors="backslashreplace").decode()


_SELECT = "SELECT tasks.born, tasks.session, tasks.task, tasks.params, events.json"
_TASKS = f"{_SELECT} FROM tasks LEFT JOIN events ON events.seq = tasks.seq"
SCANNED = 20_000
"""How many events one look for the latest ends goes back: some hundredths of a second."""
_LAST_EVENTS = "SELECT seq, born FROM events WHERE seq < :before ORDER BY seq DESC LIMIT :scanned"
_ENDS_OF_SESSION = f"""SELECT seq, born FROM tasks
    WHERE session = :session AND {_ENDED} AND seq < :before ORDER BY seq DESC LIMIT :scanned"""
_IN_OR_OUT_OF_SESSION = """(tasks.session = :session
    OR tasks.born = (SELECT born FROM moves WHERE session = :session AND task = :task))"""

LEFT_BEHIND = f"""
SELECT born, moves.session FROM moves JOIN tasks USING (born) WHERE tasks.{_LIVE}
"""

SURPLUS = f"""
SELECT tasks.born, tasks.seq FROM (
    SELECT born, seq, row_number() OVER (PARTITION BY session ORDER BY seq DESC) AS place
    FROM tasks WHERE {_ENDED} AND (:session IS NULL OR session = :session)
) AS tasks LEFT JOIN events ON events.seq = tasks.seq
WHERE place > :keep AND (:before IS NULL OR coalesce(events.at, 0) < :before)
"""
"""Finished tasks beyond the latest of each session that ended before a time."""

PRUNE = "DELETE FROM tasks WHERE born = ? AND seq = ?"

SUMMARIES = "SELECT session, state, count, first, last FROM ended"

VALUE = "SELECT value FROM results WHERE seq = ?"

IS_KNOWN = "SELECT 1 FROM tasks WHERE born = ?"

LAST_SEQ = """
SELECT max(coalesce((SELECT max(seq) FROM events), 0), (SELECT through FROM forgotten))
"""

PROBES = (
    "SELECT max(born) FROM events",
    "SELECT session, task FROM tasks ORDER BY session DESC, task DESC LIMIT 1",
    f"SELECT seq FROM tasks INDEXED BY ended_tasks WHERE {_ENDED} ORDER BY session DESC, seq DESC LIMIT 1",
)
"""Touch the indexes, so that one that is gone is found before anything is written."""

FORGOTTEN = "SELECT through, times FROM forgotten"

PAGE = "SELECT seq, at, json FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"

COUNT = "SELECT count(*) FROM events INDEXED BY events_of_task WHERE seq > ? AND seq <= ?"

EVENT = "SELECT json FROM events WHERE seq = ?"

EVENTS_OF_TASK = "SELECT seq FROM events WHERE born = ? ORDER BY seq DESC"

LAST_EVENT = "SELECT max(seq) FROM events"

LAST_TASK = "SELECT max(seq) FROM tasks"

EVENT_ROWS = "SELECT seq, at, json, born FROM events WHERE seq > ? ORDER BY seq"

TASK_ROWS = "SELECT born, session, task, seq, state, params FROM tasks WHERE born > ? ORDER BY born"

KEEP_EVENT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"

KEEP_TASK = "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

MOVE_ROWS = "SELECT rowid, session, task, born FROM moves WHERE rowid > ? ORDER BY rowid"

KEEP_MOVE = "INSERT OR IGNORE INTO moves VALUES (?, ?, ?)"

NOTICE_ROWS = "SELECT seq, born, session, json FROM notices WHERE seq > ? ORDER BY seq"

KEEP_NOTICE = "INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)"

RESULT_ROWS = "SELECT seq, value FROM results WHERE seq > ? ORDER BY seq"

KEEP_RESULT = "INSERT OR IGNORE INTO results VALUES (?, ?)"

COUNT_ENDED = f"""
INSERT INTO ended SELECT session, state, count(*),
    min(coalesce((SELECT at FROM events WHERE seq = born), 0)),
    max(coalesce((SELECT at FROM events WHERE events.seq = tasks.seq), 0))
FROM tasks WHERE {_ENDED} GROUP BY session, state
"""

KEEP_FORGOTTEN = "UPDATE forgotten SET through = ?, times = times + 1"

SIZE = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM events)"
