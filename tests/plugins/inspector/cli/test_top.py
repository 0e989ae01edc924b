"""`hostel top` in a terminal of its own: what it shows, what its keys do, and how it leaves the terminal."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..program import Program, running
from ..pseudo_terminal import Terminal
from .test_commands import hostel
from .test_shell import record

LEAVE = b"\x1b[?1049l"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def program(request: pytest.FixtureRequest, folder: Path) -> Iterator[Program]:
    with running(request.param, folder) as program:
        yield program


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(program: Program, folder: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def open(*arguments: str, width: int = 100) -> Terminal:
        opened.append(Terminal(folder, "top", *arguments, width=width))
        return opened[-1]

    yield open
    for one in opened:
        one.close()


def test_it_shows_live_tasks_and_leaves_the_terminal_as_it_was(terminal: Open) -> None:
    top = terminal("--session", "build")
    top.wait("2 live tasks", "parent", "child", "q quit")
    assert not top.is_as_before

    top.press("q")

    assert top.end() == 0
    assert LEAVE in top.told
    assert top.is_as_before


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    terminal: Open, how: signal.Signals, code: int
) -> None:
    top = terminal()
    top.wait("live tasks", "q quit")
    top.process.send_signal(how)

    assert top.end() == code
    assert top.told.rstrip().endswith(LEAVE)
    assert top.is_as_before


def test_a_task_is_cancelled_once_that_is_confirmed(terminal: Open, program: Program, folder: Path) -> None:
    program.tell("work doomed")
    top = terminal("--kind", "other", "--session", "chat")
    top.wait("doomed")
    top.press("G")
    top.press("c")
    top.wait("cancel", "any other key does not")
    top.press("n")
    top.wait("q quit")
    assert record(folder, "doomed")["state"] == "running"
    top.press("c")
    top.wait("any other key does not")
    top.press("y")
    top.wait("asked to stop")
    hostel(folder, "wait", "doomed", code=1)

    assert record(folder, "doomed")["state"] == "cancelled"


def test_a_question_is_answered_on_the_usual_screen(terminal: Open, folder: Path) -> None:
    hostel(folder, "start", "choose", 'choices=["red","blue"]', "--id", "hue", "--session", "hues")
    top = terminal("--session", "hues")
    top.wait("hue", "1 asking")
    top.press("a")
    top.wait("Which one?", "red", "your choice")
    assert top.is_as_before
    top.press("2\n")
    top.wait("0 live tasks")
    hostel(folder, "wait", "hue")
    top.press("q")

    assert top.end() == 0
    result = record(folder, "hue")["result"]
    assert isinstance(result, dict)
    assert result["value"] == "blue"


def test_a_task_that_asks_nothing_is_not_answered(terminal: Open) -> None:
    top = terminal("--session", "chat", "--kind", "other")
    top.wait("hostile")
    top.press("a")

    top.wait("asks nothing")


def test_output_is_followed_until_one_goes_back(terminal: Open, folder: Path) -> None:
    hostel(folder, "start", "talk", "--id", "parrot", "--session", "birds")
    hostel(folder, "send", "parrot", "hello \x1b]0;owned\x07")
    top = terminal("--session", "birds")
    top.wait("parrot")
    top.press("\r")
    top.wait("hello")
    hostel(folder, "send", "parrot", "again")
    assert "owned" not in top.wait("again")
    hostel(folder, "send", "parrot", "stop")
    top.wait("parrot is completed; q goes back")
    top.press("q")
    top.wait("0 live tasks")


@pytest.mark.parametrize("width", [40, 200])
def test_it_fits_narrow_and_wide_screens(terminal: Open, width: int) -> None:
    top = terminal("--session", "build", width=width)

    top.wait("parent", "child", "waiting")


def test_without_a_terminal_it_says_what_else_there_is(folder: Path) -> None:
    done = hostel(folder, "top", code=2)

    assert done.stderr.startswith("hostel: top needs a terminal: ")
    assert done.stdout == ""
