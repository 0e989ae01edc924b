"""Which state of a task may follow which: the only place that knows.

A task is *live* until it reaches a terminal state, and a terminal state is final. Asking to cancel is a
state of its own, so that everybody can see the request while the code is still stopping; completion may win
the race against it. `running` and `waiting` alternate freely. `abandoned` means that the host which ran the
task is gone: it is found out at the next start of that host, or by a heartbeat somebody promised and
missed; it is never guessed from elapsed time. Only the stop of a host, or the start after its death, takes
a task that runs back to `pending`: it is run again, and no verb can ask for that.

Pure: no clock, no loop, no storage. Storage repeats `MOVES` in its WHERE clauses, the docs draw their
diagram from it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class TaskState(StrEnum):
    """Where a task is in its life."""

    PENDING = "pending"
    """Registered and not started, or interrupted by the stop of its host and to be run again."""
    RUNNING = "running"
    """The code runs. Its body, or the owner of an external task, moves it on."""
    WAITING = "waiting"
    """Alive and waiting for something: an input, another task, its next attempt."""
    CANCEL_REQUESTED = "cancel_requested"
    """Somebody asked it to stop and it has not stopped yet."""
    COMPLETED = "completed"
    """Ended by itself, with its outcome. Final."""
    FAILED = "failed"
    """Ended with a failure. Final."""
    CANCELLED = "cancelled"
    """Stopped because somebody asked, after its code really ended. Final."""
    ABANDONED = "abandoned"
    """The host or owner that ran it is gone. Final."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in TERMINAL

    @property
    def is_live(self) -> bool:
        """Whether something can follow."""
        return self not in TERMINAL


_ENDS = {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.ABANDONED}

MOVES: Mapping[TaskState, frozenset[TaskState]] = MappingProxyType(
    {
        TaskState.PENDING: frozenset(
            {TaskState.RUNNING, TaskState.WAITING, TaskState.CANCEL_REQUESTED, *_ENDS}
        ),
        TaskState.RUNNING: frozenset(
            {TaskState.WAITING, TaskState.PENDING, TaskState.CANCEL_REQUESTED, *_ENDS}
        ),
        TaskState.WAITING: frozenset(
            {TaskState.RUNNING, TaskState.PENDING, TaskState.CANCEL_REQUESTED, *_ENDS}
        ),
        TaskState.CANCEL_REQUESTED: frozenset(_ENDS),
        TaskState.COMPLETED: frozenset(),
        TaskState.FAILED: frozenset(),
        TaskState.CANCELLED: frozenset(),
        TaskState.ABANDONED: frozenset(),
    }
)

TERMINAL: frozenset[TaskState] = frozenset(state for state, after in MOVES.items() if not after)
LIVE: frozenset[TaskState] = frozenset(MOVES) - TERMINAL


def predecessors(state: TaskState) -> frozenset[TaskState]:
    """Return the states from which `state` may be entered."""
    return frozenset(before for before, after in MOVES.items() if state in after)
