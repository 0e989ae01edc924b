"""Tasks on a screen of any width: what one needs to act is always there."""

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hostel.plugins.inspector._cli.fitting import shortened
from hostel.plugins.inspector._cli.rows import Row
from hostel.plugins.inspector._cli.table import lines
from hostel.runtime import console
from hostel.runtime.text import duration_text
from hostel.sessions import Progress, TaskRecord, TaskState

from ....sessions.strategies import record_in, records

NOW = 2e9
WIDTHS = st.integers(40, 200)
PORTS = ["http://127.0.0.1:1", "http://127.0.0.1:65535", "http://[::1]:8750"]
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Return what a screen may have to show."""
    found = draw(st.lists(st.tuples(records, IDS), min_size=1, max_size=5))
    return [
        Row(
            attrs.evolve(record, id=task_id),
            draw(st.sampled_from(PORTS)),
            draw(st.integers(0, 40)),
            draw(st.sampled_from(["", "no sign of it for 12m 04s"])),
        )
        for record, task_id in found
    ]


def is_named(line: str, task_id: str) -> bool:
    """Tell whether a line begins with a task's id, or with its beginning and its end."""
    name = console.plain(task_id)
    shown = line.lstrip()
    if shown.startswith(name.lstrip()[:1]) and shown.startswith(name.strip()):
        return True
    before, ellipsis, rest = shown.partition("…")
    end = rest.split(" ")[0] if name.split(" ")[0] == name else rest
    return (
        bool(ellipsis)
        and name.lstrip().startswith(before)
        and any(name.endswith(end[:size]) for size in range(len(end) + 1))
    )


@given(tables(), WIDTHS, st.booleans())
@example([Row(record_in(TaskState.RUNNING, id="界" * 60, label="界" * 90), PORTS[1], 9, "w" * 300)], 40, True)
def test_no_line_is_wider_than_the_screen_and_each_names_its_task(
    rows: list[Row], width: int, runtimes: bool
) -> None:
    _, *shown = [line.plain for line in lines(rows, NOW, width, runtimes=runtimes)]

    assert all(cell_len(line) <= width for line in shown)
    for row, line in zip(rows, shown, strict=True):
        assert is_named(line, row.record.id)
        if not row.record.is_terminal:
            assert duration_text(NOW - row.record.updated_at) in line
        if runtimes:
            assert f":{row.where.rpartition(':')[2]}" in line


@given(tables(), WIDTHS)
def test_a_terminal_shows_each_on_one_line(rows: list[Row], width: int) -> None:
    screen = Console(width=width, color_system=None, legacy_windows=False)
    with screen.capture() as captured:
        for line in lines(rows, NOW, width, runtimes=True):
            screen.print(line, soft_wrap=True)

    assert len(captured.get().splitlines()) == len(rows) + 1


@given(st.text(), st.integers(0, 50), st.booleans())
def test_a_shortened_text_has_room_and_says_that_it_is_shortened(
    text: str, cells: int, keep_end: bool
) -> None:
    short = shortened(text, cells, keep_end=keep_end)

    assert cell_len(short) <= cells
    assert short == text or "…" in short or cells == 0


def task(**fields: object) -> TaskRecord:
    return record_in(
        TaskState.RUNNING,
        **{
            "id": "0NkK4ZbXr9QaVtY2mWc7LpEd",
            "session_id": "research",
            "kind": "subagent",
            "label": "Read the papers",
            "progress": Progress(None, 3, 4),
            "created_at": NOW - 4_000,
            "updated_at": NOW - 75,
            **fields,
        },
    )


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "0NkK4ZbXr…2mWc7LpEd running 1m 15s :8750"),
        (60, "0NkK4ZbXr9QaVtY2mWc7LpEd  research  running  1m 15s  :8750"),
    ],
)
def test_on_a_narrow_screen_the_least_important_goes_first(width: int, shown: str) -> None:
    rows = [Row(task(), "http://127.0.0.1:8750")]

    assert lines(rows, NOW, width, runtimes=True)[1].plain == shown


def test_on_a_wide_screen_everything_is_there() -> None:
    rows = [Row(task(), "http://127.0.0.1:8750", warning="no sign of it for 12m")]

    head, line = (line.plain for line in lines(rows, NOW, 160, runtimes=True))

    assert head.split() == ["task", "session", "kind", "state", "progress", "age", "sign", "doing", "runtime"]
    assert line.split()[:3] == ["0NkK4ZbXr9QaVtY2mWc7LpEd", "research", "subagent"]
    assert "no sign of it for 12m · Read the papers" in line
    assert line.endswith("127.0.0.1:8750")
    assert "!1m 15s" in line


def test_what_looks_wrong_is_marked_even_where_there_are_no_words_for_it() -> None:
    rows = [Row(task(), "", warning="no sign of it for 12m")]

    assert "!1m 15s" in lines(rows, NOW, 40)[1].plain
