"""Text out of bytes: a character that is cut waits for its rest as long as that may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions._output.value import LEAST, MOST, bounded, output_of
from hostel.sessions.spool import Piece


@given(
    text=st.text(max_size=60), cuts=st.lists(st.integers(0, 300), max_size=6), limit=st.integers(LEAST, 20)
)
def test_text_is_the_same_however_it_is_cut(text: str, cuts: list[int], limit: int) -> None:
    written, read, at = text.encode(), "", 0
    for total in [*sorted(min(cut, len(written)) for cut in cuts), len(written)]:
        while True:
            piece = Piece(written[at : min(at + limit, total)], at, total, "stdout")
            found = output_of(piece, at, limit, ended=False)
            if not found.text:
                break
            read, at = read + found.text, found.next

    assert read == text
    assert at == len(written)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_cut_character_is_replaced_where_its_rest_cannot_come(cut: int) -> None:
    whole, part = "😀".encode(), "😀".encode()[:cut]

    ended = output_of(Piece(b"a" + part, 0, 1 + cut, "log"), 0, 99, ended=True)
    before_a_gap = output_of(Piece(b"a" + part, 0, 500, "log"), 0, 99, ended=False)
    from_inside = output_of(Piece(whole[cut:] + b"a", cut, 5, "log"), cut, 99, ended=False)

    assert ended.text == before_a_gap.text == "a\ufffd"
    assert (ended.next, ended.ended, before_a_gap.ended) == (1 + cut, True, False)
    assert from_inside.text == "\ufffd" * (4 - cut) + "a"


def test_a_limit_leaves_room_for_a_character_and_has_a_bound() -> None:
    assert [bounded(limit) for limit in (-1, 0, 100, 10**9)] == [LEAST, LEAST, 100, MOST]
