"""Tasks as text, for terminals."""

import attrs
import pytest

from hostel.plugins.inspector._cli.format import (
    as_tree,
    note_text,
    progress_text,
)
from hostel.sessions import (
    CancelPolicy,
    ClosePolicy,
    FailureKind,
    Priority,
    Progress,
    TaskAttempt,
    TaskFailure,
    TaskOutcome,
    TaskRecord,
    TaskState,
)

RECORD = TaskRecord(
    id="a",
    session_id="s",
    kind="other",
    producer="",
    label="",
    parent_task_id=None,
    child_session_id=None,
    state=TaskState.RUNNING,
    cancel_policy=CancelPolicy.COOPERATIVE,
    close_policy=ClosePolicy.KEEP,
    attempt=TaskAttempt(),
    progress=None,
    result=None,
    failure=None,
    question=None,
    output_bytes=0,
    priority=Priority.NORMAL,
    not_before=None,
    cancel_reason=None,
    cancel_actor=None,
    created_at=0.0,
    started_at=None,
    updated_at=0.0,
    completed_at=None,
    host_id="h",
    seq=1,
)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (None, ""),
        (Progress("words"), ""),
        (Progress(None, 3, None, "files"), "3 files"),
        (Progress(None, 5, 10), "█████░░░░░  50%"),
        (Progress(None, 10, 10), "██████████ 100%"),
        (Progress(None, 0, 0), "0"),
        (Progress(None, 1_500_000, None, "bytes"), "1.5 MB"),
        (Progress(None, 5e15, None, "bytes"), "5e+03 TB"),
    ],
)
def test_progress_is_a_bar_where_the_end_is_known(progress: Progress | None, said: str) -> None:
    assert progress_text(progress) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"progress": Progress("reading")}, "reading"),
        ({"state": TaskState.CANCELLED, "cancel_actor": "ana", "cancel_reason": "slow"}, "by ana: slow"),
        ({"state": TaskState.CANCEL_REQUESTED, "cancel_reason": "slow"}, "slow"),
        ({"state": TaskState.CANCELLED}, ""),
        ({"state": TaskState.COMPLETED, "result": TaskOutcome("fine", 1)}, "fine"),
        (
            {
                "state": TaskState.COMPLETED,
                "progress": Progress("step 3"),
                "result": TaskOutcome(value="all done"),
            },
            "all done",
        ),
        ({"state": TaskState.COMPLETED, "progress": Progress("step 3")}, ""),
        ({"state": TaskState.FAILED, "failure": TaskFailure(FailureKind.ERROR, "it broke")}, "it broke"),
    ],
)
def test_a_note_says_what_matters_most(changes: dict[str, object], said: str) -> None:
    assert note_text(attrs.evolve(RECORD, **changes)) == said  # type: ignore[arg-type]


def task(task_id: str, parent: str | None = None, session: str = "s") -> TaskRecord:
    return attrs.evolve(RECORD, id=task_id, parent_task_id=parent, session_id=session)


def test_a_tree_has_children_below_their_parents() -> None:
    records = [task("a"), task("b"), task("a1", "a"), task("a2", "a"), task("a11", "a1"), task("x", "gone")]

    shape = [(depth, record.id) for depth, record in as_tree(records)]

    assert shape == [(0, "a"), (1, "a1"), (2, "a11"), (1, "a2"), (0, "b"), (0, "x")]


def test_a_tree_of_tasks_that_are_each_others_parents_loses_none() -> None:
    records = [task("a", "b"), task("b", "a"), task("c", "c"), task("d", "a", session="other")]

    assert sorted(record.id for _, record in as_tree(records)) == ["a", "b", "c", "d"]
