"""Which tasks are asked for, as statements: by session, kind, state, parent, id or key, and by their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .schema import IS_ENDED, IS_LIVE, storable

if TYPE_CHECKING:
    from .protocol import TaskQuery

_SELECT = "SELECT tasks.born, tasks.session, tasks.task, tasks.params, events.json"
_TASKS = f"{_SELECT} FROM tasks LEFT JOIN events ON events.seq = tasks.seq"
SCANNED = 20_000
"""How many events one look for the latest ends goes back: some hundredths of a second."""
_LAST_EVENTS = "SELECT seq, born FROM events WHERE seq < :before ORDER BY seq DESC LIMIT :scanned"
_ENDS_OF_SESSION = f"""SELECT seq, born FROM tasks
    WHERE session = :session AND {IS_ENDED} AND seq < :before ORDER BY seq DESC LIMIT :scanned"""
_IN_OR_OUT_OF_SESSION = """(tasks.session = :session
    OR tasks.born = (SELECT born FROM moves WHERE session = :session AND task = :task))"""


def select_tasks(query: TaskQuery, *, ended: bool = False) -> tuple[str, dict[str, str | int]]:
    """Return the statement that reads the tasks `query` asks for, in the order they came, of finished ones
    only those that have `ended`, and its values.
    """
    conditions, values = _conditions(query)
    if ended:
        conditions.append(f"tasks.{IS_ENDED}")
    elif not query.filter.shows_ended:
        conditions.append(f"tasks.{IS_LIVE}")
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
    WHERE {" AND ".join([*conditions, f"tasks.{IS_ENDED}"])} ORDER BY seen.seq DESC LIMIT :limit"""
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
