"""The table of states."""

import ast
import itertools
from pathlib import Path

import pytest

import hostel.sessions
from hostel.sessions import TaskState
from hostel.sessions.states import LIVE, MOVES, TERMINAL, predecessors

P, R, W, Q = TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING, TaskState.CANCEL_REQUESTED
ENDS = {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.ABANDONED}
ALLOWED = (
    {(P, to) for to in (R, W, Q, *ENDS)}
    | {(R, to) for to in (P, W, Q, *ENDS)}
    | {(W, to) for to in (P, R, Q, *ENDS)}
    | {(Q, to) for to in ENDS}
)


@pytest.mark.parametrize(("was", "wanted"), list(itertools.product(TaskState, TaskState)))
def test_a_move_is_allowed_exactly_if_the_contract_says_so(was: TaskState, wanted: TaskState) -> None:
    assert (wanted in MOVES[was]) == ((was, wanted) in ALLOWED)
    assert (was in predecessors(wanted)) == ((was, wanted) in ALLOWED)


@pytest.mark.parametrize("state", list(TaskState))
def test_a_state_is_live_or_terminal_and_a_terminal_one_is_final(state: TaskState) -> None:
    assert state.is_terminal == (state in ENDS) == (state in TERMINAL) == (not MOVES[state])
    assert state.is_live == (state in LIVE) == (not state.is_terminal)


def test_every_end_can_be_reached_from_every_live_state() -> None:
    assert all(set(MOVES[state]) >= ENDS for state in LIVE)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        MOVES[TaskState.COMPLETED] = frozenset(TaskState)  # type: ignore[index]


def test_only_the_transitions_give_a_record_another_state() -> None:
    folder = Path(hostel.sessions.__file__).parent
    setters = {
        path.name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and any(keyword.arg == "state" for keyword in node.keywords)
        and ast.unparse(node.func) in {"_after", "attrs.evolve", "TaskRecord"}
    }

    # of a damaged journal, what the index of its tasks says is put into their last events
    assert setters == {"_transitions.py", "_folding.py"}
