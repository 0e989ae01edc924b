"""What the package shows: everything public, nothing else, and errors that say what they know."""

import inspect
import pickle
import typing
from pathlib import Path

import attrs
import pytest

import hostel.sessions as package
from hostel.sessions import (
    AmbiguousTaskId,
    BackgroundTaskHost,
    HiddenTasksFailed,
    LocalBackgroundTaskHost,
    SessionsError,
    TaskAlreadyExists,
    TaskState,
    UnknownTask,
    journal,
)
from hostel.sessions.journal import JournalTooNew

FOLDER = Path(package.__file__).parent


def test_what_is_shown_exists_once() -> None:
    assert len(package.__all__) == len(set(package.__all__))
    assert all(hasattr(package, name) for name in package.__all__)


def test_few_modules_beside_the_window_are_public() -> None:
    public = {path.name for path in FOLDER.glob("*.py") if not path.name.startswith("_")}

    assert public == {"journal.py", "json.py", "spool.py", "states.py"}


def test_every_error_is_shown_and_of_one_family() -> None:
    errors = {
        name
        for name, value in vars(package._errors).items()
        if inspect.isclass(value) and issubclass(value, Exception) and not name.startswith("_")
    }

    shown = vars(journal) | vars(package)
    assert errors <= {*package.__all__, *journal.__all__}
    for name in errors - {"HiddenTasksFailed"}:
        assert issubclass(shown[name], SessionsError)


def test_the_local_host_has_every_verb_of_the_protocol_with_its_arguments() -> None:
    verbs = [name for name in vars(BackgroundTaskHost) if not name.startswith("_")]
    assert len(verbs) > 25
    for name in ("__aenter__", "__aexit__", *verbs):
        if typing.get_overloads(getattr(LocalBackgroundTaskHost, name)):
            continue
        wanted = inspect.signature(getattr(BackgroundTaskHost, name)).parameters
        offered = inspect.signature(getattr(LocalBackgroundTaskHost, name)).parameters
        assert list(wanted) == list(offered), name
        assert [p.default for p in wanted.values()] == [p.default for p in offered.values()], name


def test_every_verb_says_what_it_means() -> None:
    verbs = [value for name, value in vars(LocalBackgroundTaskHost).items() if not name.startswith("_")]

    assert [verb for verb in verbs if not inspect.getdoc(verb)] == []


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (UnknownTask("t1", "s1"), {"task_id": "t1", "session_id": "s1"}),
        (AmbiguousTaskId("t1", ["s1", "s2"]), {"task_id": "t1", "session_ids": ("s1", "s2")}),
        (TaskAlreadyExists("t1", "s1"), {"task_id": "t1", "session_id": "s1"}),
        (JournalTooNew("/j.db", 9, 2), {"path": "/j.db", "found": 9, "known": 2}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_carry_their_facts_in_fields_and_in_words(error: Exception, fields: dict[str, object]) -> None:
    assert {name: getattr(error, name) for name in fields} == fields
    for value in fields.values():
        for part in value if isinstance(value, tuple) else (value,):
            assert str(part) in str(error)


def test_a_group_of_hidden_failures_can_be_taken_apart() -> None:
    group = HiddenTasksFailed.of("s1", [("one", ValueError("a")), ("two", KeyError("b"))])

    values, rest = group.split(ValueError)

    assert values is not None
    assert rest is not None
    assert (len(values.exceptions), len(rest.exceptions)) == (1, 1)


def test_records_can_be_sent_to_another_process() -> None:
    from .strategies import record_in

    record = record_in(TaskState.RUNNING)

    assert pickle.loads(pickle.dumps(record)) == record
    assert attrs.asdict(record)["state"] is TaskState.RUNNING
