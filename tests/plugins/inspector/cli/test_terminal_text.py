"""What a terminal may be sent of a task's output: lines and colours."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.inspector._shell.terminal_text import TerminalText

RED, RESET = "\x1b[31m", "\x1b[0m"


def shown(*parts: str) -> str:
    text = TerminalText()
    return "".join([*map(text.part, parts), text.end()])


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("one\n\ttwo\n", "one\n\ttwo\n"),
        (f"{RED}red{RESET}\n", f"{RED}red{RESET}\n"),
        ("\x1b[38;2;1;2;3mx\x1b[m", "\x1b[38;2;1;2;3mx\x1b[m"),
        (f"{RED}red", f"{RED}red{RESET}"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[2J\x1b[Hhome\x1b[?25l", "home"),
        ("\x1b]0;owned\x07title\x1b]8;;http://x\x1b\\link", "titlelink"),
        ("\x1bcreset\x1b(Bset", "resetset"),
        ("\x07\x08\x9b2J\u202e", "��" + "�2J�"),
        ("\x1b", ""),
        ("\x1b[31", "31"),
    ],
)
def test_lines_and_colours_pass_and_nothing_else_does(written: str, told: str) -> None:
    assert shown(written) == told


@given(st.text(alphabet="\x1b[]0;1mJ\x07\\\r\nab", max_size=40), st.data())
def test_it_does_not_matter_how_output_is_cut_into_parts(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert shown(*parts) == shown(text)


@given(st.text(max_size=60))
def test_no_control_character_but_those_of_colours_is_left(text: str) -> None:
    left = re.sub(r"\x1b\[[0-9;:]*m", "", shown(text))

    assert all(char.isprintable() or char in "\n\t" for char in left)
