"""The head of a request as values: where it ends, what it may not hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.inspector._http.heads import HEAD_BYTES, Ahead, Target, check_head, target_of
from hostel.plugins.inspector._http.unfit import Unfit

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BITS = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"GET / HTTP/1.1", b"A: b", b"\r\n\r\n", HEAD]
)


def read(pieces: list[bytes]) -> object:
    """Return the head, or how it is refused, or None if it is not complete."""
    ahead = Ahead()
    try:
        for piece in pieces:
            ahead.feed(piece)
            if (head := ahead.take()) is not None:
                return head
    except Unfit as error:
        return error.status
    return None


@given(st.lists(BITS, max_size=6).map(b"".join))
def test_however_bytes_come_the_verdict_is_the_same(data: bytes) -> None:
    assert read([data[at : at + 1] for at in range(len(data))]) == read([data])


def test_what_comes_behind_a_head_is_kept() -> None:
    ahead = Ahead(HEAD + b"body")

    assert ahead.take() == HEAD
    assert ahead.rest() == b"body"
    assert not ahead


def test_a_head_as_long_as_one_may_be_passes_and_a_longer_one_does_not() -> None:
    fill = HEAD_BYTES - len(HEAD) - len(b"A: \r\n")
    longest = HEAD[:-2] + b"A: " + b"a" * fill + b"\r\n\r\n"

    assert len(longest) == HEAD_BYTES
    assert read([longest + b"x" * HEAD_BYTES]) == longest
    assert read([longest[:-4] + b"a\r\n\r\n"]) == 431
    assert read([b"G" * (HEAD_BYTES + 1)]) == 431


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b" GET", b"\r\rGET", b"\r\n\r\n"])
def test_what_cannot_become_a_request_is_refused_before_its_end(data: bytes) -> None:
    assert read([data]) == 400


def test_it_tells_whether_a_body_is_chunked() -> None:
    assert not check_head(HEAD)
    assert check_head(HEAD[:-2] + b"TRANSFER-ENCODING: chunked\r\n\r\n")


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (b"/", Target(b"/", b"", None)),
        (b"//a/?b?c", Target(b"//a/", b"b?c", None)),
        (b"/http://x/?", Target(b"/http://x/", b"", None)),
        (b"https://[::1]:80/a", Target(b"/a", b"", b"[::1]:80")),
    ],
)
def test_a_target_is_a_path_or_an_address(given: bytes, target: Target) -> None:
    assert target_of(given) == target


@pytest.mark.parametrize("given", [b"*", b"x:80", b"a", b"http://", b"http://x\\@y/", b"/a#b", b""])
def test_nothing_else_is_one(given: bytes) -> None:
    with pytest.raises(Unfit):
        target_of(given)
