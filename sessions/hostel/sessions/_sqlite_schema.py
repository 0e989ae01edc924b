"""All SQL of the journal: what is in the file, and what each change does to it.

`events` is the log; `tasks` has one row per task that is still known, pointing at its latest event; both
know a task by `born`, the number of its registration, which no transfer and no second task of the same id
can take from it. `forgotten` tells how far events are gone because their tasks are.

A batch of changes is inserted, in order, into the view `change`, whose triggers carry each one out. So a
batch needs a handful of calls into SQLite whatever its length, and a busy event loop gets in between that
often and not per row (with a statement per row it is ten times slower then). The triggers are temporary:
they belong to the code, which computes their state guards from `MOVES`, and not to the file. A change that
does not find its task as expected fails the whole batch."""

from __future__ import annotations

from ._states import LIVE, TERMINAL, TaskState, predecessors

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
)
"""Each brings a file from the schema numbered by its place to the next; a released one never changes."""

SCHEMA = len(MIGRATIONS)

CHANGE = "type, seq, session, task, at, came_from, follows, state, params, json"
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

CHANGES = f"""
CREATE TEMP VIEW change ({CHANGE}) AS
SELECT {", ".join("NULL" for _ in CHANGE.split(","))} WHERE FALSE;

CREATE TEMP TRIGGER registered INSTEAD OF INSERT ON change WHEN NEW.type = 'registered' BEGIN
    INSERT INTO tasks VALUES (NEW.seq, NEW.session, NEW.task, NEW.seq, NEW.state, NEW.params);
    INSERT INTO events SELECT {_ROW} FROM (SELECT NEW.seq AS born);
END;

CREATE TEMP TRIGGER moved INSTEAD OF INSERT ON change
WHEN NEW.type NOT IN ('registered', 'progress', 'transferred', '{FORGET}') BEGIN
    UPDATE tasks
    SET seq = NEW.seq, state = NEW.state,
        params = CASE WHEN NEW.state IN ({_texts(TERMINAL)}) THEN NULL ELSE params END
    WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows AND {_LEGAL};
    {_FAIL_IF_UNCHANGED};
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
END;

CREATE TEMP TRIGGER progressed INSTEAD OF INSERT ON change WHEN NEW.type = 'progress' BEGIN
    UPDATE tasks SET seq = NEW.seq
    WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows
        AND state = NEW.state AND state IN ({_texts(LIVE)});
    {_FAIL_IF_UNCHANGED};
    DELETE FROM events WHERE seq = NEW.follows AND type = 'progress';
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
END;

CREATE TEMP TRIGGER transferred INSTEAD OF INSERT ON change WHEN NEW.type = 'transferred' BEGIN
    UPDATE tasks SET session = NEW.session, seq = NEW.seq
    WHERE session = NEW.came_from AND task = NEW.task AND seq = NEW.follows
        AND state = NEW.state AND state IN ({_texts(LIVE)});
    {_FAIL_IF_UNCHANGED};
    INSERT INTO events SELECT {_ROW} FROM tasks WHERE session = NEW.session AND task = NEW.task;
END;

CREATE TEMP TRIGGER forgotten_task INSTEAD OF INSERT ON change WHEN NEW.type = '{FORGET}' BEGIN
    DELETE FROM events WHERE born = (
        SELECT born FROM tasks WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows
    );
    DELETE FROM tasks WHERE session = NEW.session AND task = NEW.task AND seq = NEW.follows;
    {_FAIL_IF_UNCHANGED};
    UPDATE forgotten SET through = max(through, NEW.follows), times = times + 1;
END;
"""

TASKS = """
SELECT tasks.session, tasks.task, tasks.params, events.json
FROM tasks LEFT JOIN events ON events.seq = tasks.seq
"""

LAST_SEQ = """
SELECT max(coalesce((SELECT max(seq) FROM events), 0), (SELECT through FROM forgotten))
"""

PROBES = (
    "SELECT max(born) FROM events",
    "SELECT session, task FROM tasks ORDER BY session DESC, task DESC LIMIT 1",
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

KEEP_TASK = "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?)"

KEEP_FORGOTTEN = "UPDATE forgotten SET through = ?, times = times + 1"

SIZE = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM events)"
