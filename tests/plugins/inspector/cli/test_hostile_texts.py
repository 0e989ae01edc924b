"""Whatever the texts of a task are, on a terminal they are text: every command that prints a record is asked
for tasks with each text of the table in every field."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..hostile_texts import TEXTS, named
from ..program import Program, running
from ..pseudo_terminal import Terminal
from .test_commands import has_controls, hostel

OURS = re.compile(
    r"\x1b\[[0-9;]*m"  # colours
    r"|\x1b\[(?:H|K|J|2K|1A|\d+A|\?25[lh]|\?1049[lh])"  # what draws the live table
    r"|\r(?=\x1b|\n|$)|\r"
)
STATES = ("run", "ask", "choose", "stop", "done", "fail")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    env = {"SCENARIO_DATA": str(folder / "data")}
    with running("asyncio", folder, env=env) as program:
        program.tell("nasty")
        yield program


Show = Callable[..., str]


@pytest.fixture
def show(program: Program, folder: Path) -> Iterator[Show]:
    """Returns what a command writes to a terminal."""
    opened: list[Terminal] = []

    def show(*arguments: str, width: int = 200, data: bool = False) -> str:
        more = ["--data-dir", str(folder / "data")] if data else []
        opened.append(Terminal(folder, *arguments, *more, width=width))
        opened[-1].end()
        return opened[-1].told.decode()

    yield show
    for one in opened:
        one.close()


def check_text(told: str) -> str:
    """Return what is text of what was told, having made sure that nothing else is but our own drawing."""
    text = OURS.sub("", told)
    assert not has_controls(text), [line for line in text.splitlines() if has_controls(line)][:3]
    assert "Traceback" not in text
    return text


def test_there_are_forty_texts_and_more() -> None:
    assert len(set(TEXTS)) >= 40


@pytest.mark.parametrize("width", [40, 200])
def test_ps_draws_them_as_text_one_line_each(show: Show, width: int) -> None:
    lines = check_text(show("ps", "--all", "--tree", width=width)).splitlines()

    assert len([line for line in lines if re.match(r" *(run|ask|choose|stop|done|fail)", line)]) == 6 * (
        len(TEXTS) + 1
    )


def test_a_pipe_gets_one_line_of_the_same_columns_each(program: Program, folder: Path) -> None:
    told = hostel(folder, "ps", "--all").stdout

    assert not has_controls(told)
    assert {line.count("\t") for line in told.splitlines()} == {10}
    assert "[bold red]markup[/bold red]" in told


@pytest.mark.parametrize("state", STATES)
def test_show_and_history_tell_of_one_as_text(show: Show, state: str) -> None:
    shown = check_text(show("show", named(state)))
    kept = check_text(show("history", named(state), data=True))

    assert "red" in shown
    assert "red" in kept


@pytest.mark.parametrize(
    "command",
    [
        ["history", "DATA"],
        ["cancel", named("stop"), "--reason", "\x1b[31mx"],
        ["wait", named("done")],
        ["wait", named("fail")],
        ["inbox", named("nasty")],
        ["transfer", named("done"), "--to", "\x1b[31mx"],
        ["show", "\x1b[31mno such"],
        ["answer", named("run"), "x"],
        ["answer", named("ask"), "not json"],
        ["answer", named("choose"), "\x1b[31mx"],
        ["send", named("run"), "x"],
        ["start", "\x1b[31mkind"],
        ["plugins"],
        ["ps", "--silent-after", "\x1b[31mx"],
    ],
)
def test_other_commands_and_their_errors_do_too(show: Show, command: list[str]) -> None:
    arguments = [one for one in command if one != "DATA"]

    assert check_text(show(*arguments, data="DATA" in command)).strip()


@pytest.mark.parametrize("state", ["ask", "choose"])
def test_a_form_asks_in_text(program: Program, folder: Path, state: str) -> None:
    terminal = Terminal(folder, "answer", named(state), width=200)
    try:
        terminal.wait("  2  b")
        terminal.process.send_signal(signal.SIGINT)
        terminal.end()
        check_text(terminal.told.decode())
    finally:
        terminal.close()


@pytest.mark.parametrize("command", ["watch", "top"])
@pytest.mark.parametrize("width", [40, 200])
def test_live_views_draw_them_as_text(program: Program, folder: Path, command: str, width: int) -> None:
    terminal = Terminal(folder, command, width=width)
    try:
        terminal.wait("live tasks")
        program.tell("work beside")
        terminal.wait("beside")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() in (0, 130)
        check_text(terminal.told.decode())
    finally:
        terminal.close()
        program.tell("finish beside")


def test_logs_lets_colours_through_and_nothing_else(show: Show) -> None:
    assert "red" in check_text(show("logs", named("run")))
