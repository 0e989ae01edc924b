"""Values made as drafts are the values their classes make."""

import attrs
import pytest

from hostel.sessions import EventType, TaskEvent, TaskState
from hostel.sessions._frozen import maker

from .strategies import record_in


def test_what_a_maker_makes_is_what_the_class_makes() -> None:
    record = record_in(TaskState.RUNNING)
    values = (7, 1.5, EventType.REGISTERED, "s", "t", record)

    made = maker(TaskEvent)(*values)

    assert made == TaskEvent(*values)
    assert type(made) is TaskEvent
    assert hash(made) == hash(TaskEvent(*values))
    assert attrs.evolve(made, seq=8).seq == 8


def test_what_a_maker_makes_is_frozen() -> None:
    made = maker(TaskEvent)(7, 1.5, EventType.MISSED, "", "", None)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.seq = 8  # type: ignore[misc]
