"""The commands in a real terminal: tmux draws what they write, and types."""

import itertools
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from ..program import HOSTEL, SECONDS, Program, environment, running

TMUX = shutil.which("tmux")
NUMBERS = itertools.count()

pytestmark = pytest.mark.needs("tmux")


class Terminal:
    """A terminal of tmux with a command in it."""

    def __init__(self, folder: Path, command: str, *, width: int) -> None:
        self._socket = str(folder / f"tmux{next(NUMBERS)}")  # one that ends takes its socket along
        more = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "HOSTEL_DATA_DIR": str(folder / "data")}
        self._environment = environment(folder, more)
        told = f"trap : INT; unset COLUMNS LINES; {command}; echo exit=$?; exec cat"
        size = ["-x", str(width), "-y", "24"]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, f"sh -c {shlex.quote(told)}")

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)
        self.press("Enter")

    def read(self, *, coloured: bool = False) -> list[str]:
        """Return the lines on the screen."""
        return self._tmux("capture-pane", "-p", *(["-e"] if coloured else [])).rstrip().splitlines()

    def wait(self, shows: Callable[[str], bool]) -> list[str]:
        """Return the lines on the screen once it shows what is waited for."""
        end = monotonic() + SECONDS
        while not shows("\n".join(lines := self.read())):
            assert monotonic() < end, "\n".join(lines)
        return lines

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            [str(TMUX), "-S", self._socket, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
            env=self._environment,
        ).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    with running("asyncio", folder) as program:
        yield program


Open = Callable[[str, int], Terminal]


@pytest.fixture
def terminal(program: Program, folder: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def open(arguments: str, width: int) -> Terminal:
        opened.append(Terminal(folder, f"{shlex.quote(HOSTEL)} {arguments}", width=width))
        return opened[-1]

    yield open
    for one in opened:
        one.close()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_ps_is_a_table_whose_ids_and_states_are_whole(terminal: Open, width: int) -> None:
    lines = terminal("ps --tree --session build", width).wait(lambda screen: "exit=" in screen)
    header, *found = lines
    state = header.index("state")

    assert lines[-1] == "exit=0"
    assert header.split()[:2] == ["task", "session"]
    assert ("kind" in header) is (width >= 80)
    assert [line.split()[0] for line in found[:2]] == ["parent", "child"]
    assert found[1].startswith("  child")
    assert {line[state:].split()[0] for line in found[:2]} == {"waiting"}
    assert max(map(len, lines)) <= width
    assert len(lines) == 4


def test_no_text_of_a_task_colours_the_terminal(terminal: Open) -> None:
    screen = terminal("ps --session chat", 120)
    screen.wait(lambda text: "exit=0" in text)
    [hostile] = [line for line in screen.read(coloured=True) if "hostile" in line]

    assert "red" in hostile
    assert "\x1b[31m" not in hostile


def test_watch_shows_tasks_come_move_and_go(terminal: Open, program: Program) -> None:
    screen = terminal("watch", 100)
    screen.wait(lambda text: "3 live tasks" in text)
    program.tell("work seen")
    screen.wait(lambda text: "4 live tasks" in text and "░  96%" in text and "Work seen" in text)
    program.tell("finish seen")
    lines = screen.wait(lambda text: "3 live tasks" in text)

    assert "chat/seen  completed  all done" in lines[-1]
    screen.press("C-c")
    assert screen.wait(lambda text: "exit=" in text)[-1].endswith("exit=130")


def test_watching_one_task_ends_with_it(terminal: Open, program: Program) -> None:
    program.tell("work alone")
    screen = terminal("watch alone", 100)
    screen.wait(lambda text: "Work alone" in text)
    program.tell("finish alone")

    assert screen.wait(lambda text: "exit=" in text)[-1] == "exit=0"


def test_serve_shows_how_to_open_the_page(terminal: Open) -> None:
    screen = terminal("serve", 120)
    lines = screen.wait(lambda text: "Ctrl-C stops it" in text)

    assert lines[0].startswith("serving at http://127.0.0.1:")
    assert "/#token=" in lines[1]
    screen.press("C-c")
    assert screen.wait(lambda text: "exit=" in text)[-1].endswith("exit=130")


def wait_until_asked(terminal: Open, task: str) -> None:
    while "asks:" not in "".join(terminal(f"show {task}", 100).wait(lambda text: "exit=0" in text)):
        pass


def test_a_form_is_answered_field_by_field(terminal: Open, program: Program, folder: Path) -> None:
    terminal("start form --id branch", 100).wait(lambda text: "exit=0" in text)
    wait_until_asked(terminal, "branch")
    screen = terminal("answer branch", 100)
    for shown, typed in (
        ("Which branch?\nName of the branch", "main"),
        ("depth", "deep"),
        ("depth must be a whole number", "2"),
        ("force", "y"),
        ("remote", "2"),
    ):
        screen.wait(lambda text, shown=shown: shown in text)  # type: ignore[misc]
        screen.type(typed)
    screen.wait(lambda text: "exit=0" in text)
    told = terminal("show branch --json", 500).wait(lambda text: "exit=0" in text)

    assert '"value": {"name": "main", "depth": 2, "force": true, "remote": "fork"}' in "".join(told)


def test_a_choice_is_made_by_its_number(terminal: Open, program: Program) -> None:
    terminal('start choose \'choices=["red","blue"]\' --id colour', 100).wait(lambda text: "exit=0" in text)
    wait_until_asked(terminal, "colour")
    screen = terminal("answer colour", 100)
    screen.wait(lambda text: "your choice" in text)
    screen.type("3")
    screen.wait(lambda text: "give one of them, or its number" in text)
    screen.type("2")
    screen.wait(lambda text: "exit=0" in text)
    lines = terminal("show colour", 100).wait(lambda text: "exit=0" in text)

    assert any("blue" in line for line in lines)


def test_output_keeps_its_colours_on_a_terminal_and_nothing_else(terminal: Open, program: Program) -> None:
    screen = terminal("run printf '\\033[31mred\\033[0m\\033[2J\\033]0;owned\\007 text\\r\\n'", 100)
    screen.wait(lambda text: "exit=0" in text)
    [line] = [line for line in screen.read(coloured=True) if "red" in line]

    assert "\x1b[31mred" in line
    assert line.endswith(" text")
