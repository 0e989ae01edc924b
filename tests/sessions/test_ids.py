"""Ids: short, sorted by time, impossible to guess."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import InvalidTaskId
from hostel.sessions._ids import LONGEST_ID, checked_id, new_id

moments = st.floats(min_value=0, max_value=2**38)


@given(moments, moments)
def test_ids_sort_as_their_moments_do(one: float, other: float) -> None:
    earlier, later = sorted([one, other])

    if int(earlier * 1000) != int(later * 1000):
        assert new_id(earlier) < new_id(later)


def test_ids_of_one_moment_have_nothing_else_in_common() -> None:
    ids = [new_id(1_700_000_000.0) for _ in range(2000)]

    assert len(set(ids)) == 2000
    random_parts = [one[8:] for one in ids]
    for place in range(len(random_parts[0])):
        assert len({part[place] for part in random_parts}) == 64


@given(moments)
def test_an_id_is_short_and_needs_no_quoting(at: float) -> None:
    one = new_id(at)

    assert len(one) == 24
    assert quote(one, safe="") == one
    assert checked_id(one) == one


@pytest.mark.parametrize("given_id", ["x", "x" * LONGEST_ID, " ", "\x00", "é"])
def test_an_id_of_any_characters_and_bearable_length_is_taken(given_id: str) -> None:
    assert checked_id(given_id) == given_id


@pytest.mark.parametrize("given_id", ["", "x" * (LONGEST_ID + 1), "x" * 10_000_000])
def test_an_empty_or_huge_id_is_refused_and_not_repeated_at_length(given_id: str) -> None:
    with pytest.raises(InvalidTaskId) as refused:
        checked_id(given_id)

    assert refused.value.limit == LONGEST_ID
    assert len(refused.value.given) <= LONGEST_ID
    assert len(str(refused.value)) < 100
