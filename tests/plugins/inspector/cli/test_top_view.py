"""What keys do to the view of `hostel top`, and what it draws: no terminal needed."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hostel.plugins.inspector._cli.rows import Row
from hostel.plugins.inspector._top.keys import Key, keys_of
from hostel.plugins.inspector._top.view import TopView, Wish
from hostel.sessions import Question, TaskState

from ....sessions.strategies import record_in

NOW = 100.0


def row(task_id: str, at: float = 0.0, **fields: object) -> Row:
    return Row(
        record_in(TaskState.RUNNING, id=task_id, created_at=at, updated_at=at, **fields), "http://h:1 7"
    )


def view(*task_ids: str) -> TopView:
    shown = TopView()
    shown.show(row(task_id, at) for at, task_id in enumerate(task_ids))
    return shown


def selected(shown: TopView) -> str:
    assert shown.selected is not None
    return shown.selected.record.id


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("jk", [Key.DOWN, Key.UP]),
        ("\x1b[A\x1b[B\x1bOA", [Key.UP, Key.DOWN, Key.UP]),
        ("\x1b[5~\x1b[6~", [Key.PAGE_UP, Key.PAGE_DOWN]),
        ("\x1b[1;5Cq", [Key.OTHER, Key.QUIT]),
        ("\x1b[99c", [Key.OTHER]),
        ("\x1b", [Key.OTHER]),
        ("xé\n", [Key.OTHER, Key.OTHER, Key.OUTPUT]),
    ],
)
def test_what_is_typed_is_read_as_keys(typed: str, keys: list[Key]) -> None:
    assert list(keys_of(typed)) == keys


def test_who_asks_comes_first_then_what_looks_wrong_then_the_oldest() -> None:
    shown = TopView()
    asks = row("asks", 3, question=Question("?"))
    shown.show([row("old", 1), asks, row("young", 4), attrs.evolve(row("wrong", 2), warning="w")])

    assert [one.record.id for one in shown.rows] == ["asks", "wrong", "old", "young"]


def test_keys_move_the_selection_and_stop_at_the_ends() -> None:
    shown = view("a", "b", "c")
    assert [(shown.press(key), selected(shown)) for key in (Key.UP, Key.DOWN, Key.END, Key.DOWN)] == [
        (None, "a"),
        (None, "b"),
        (None, "c"),
        (None, "c"),
    ]


def test_the_selection_stays_with_its_task() -> None:
    shown = view("a", "b", "c")
    shown.press(Key.DOWN)
    shown.show([row("new", -1), row("b", 1), row("c", 2)])

    assert selected(shown) == "b"


def test_only_y_confirms_a_cancel() -> None:
    shown = view("a")
    assert [shown.press(key) for key in (Key.CANCEL, Key.OTHER, Key.YES)] == [None, None, None]
    assert [shown.press(key) for key in (Key.CANCEL, Key.YES)] == [None, Wish.CANCEL]


def test_a_cancel_is_not_confirmed_for_another_task_than_was_asked_about() -> None:
    shown = view("a", "b")
    shown.press(Key.CANCEL)
    shown.show([row("b")])

    assert selected(shown) == "b"
    assert shown.press(Key.YES) is None


def test_only_a_task_that_asks_is_answered() -> None:
    shown = view("a")
    assert shown.press(Key.ANSWER) is None
    assert "asks nothing" in shown.note
    shown.show([row("a", question=Question("?"))])

    assert shown.press(Key.ANSWER) is Wish.ANSWER


def test_an_empty_board_can_be_left() -> None:
    assert [TopView().press(key) for key in (Key.CANCEL, Key.OUTPUT, Key.DOWN)] == [None, None, None]
    assert TopView().press(Key.QUIT) is Wish.QUIT


@given(
    st.lists(st.text(min_size=1, max_size=80), max_size=60, unique=True),
    st.lists(st.sampled_from(Key), max_size=30),
    st.integers(40, 200),
    st.integers(5, 60),
)
def test_it_fits_its_screen_and_shows_what_is_selected(
    task_ids: list[str], keys: list[Key], width: int, height: int
) -> None:
    shown = view(*task_ids)
    shown.lines(NOW, width, height)
    for key in keys:
        shown.press(key)

    lines = shown.lines(NOW, width, height)

    assert len(lines) == height
    assert all(cell_len(line.plain) <= width for line in lines)
    marked = [line for line in lines if any(span.style == "reverse" for span in line.spans)]
    assert len(marked) == (1 if task_ids else 0)
