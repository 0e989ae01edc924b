"""A chunked body as values: where it ends, and that no cut of its bytes changes that."""

import h11
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.inspector._http.chunks import Chunks
from hostel.plugins.inspector._http.unfit import Unfit

BITS = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"0", b"1", b"a", b"F", b";", b"x: y", b" ", b"0\r\n\r\n", b"1\r\na\r\n"]
)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def is_body(pieces: list[bytes]) -> bool | None:
    """Tell whether the pieces are a body, None if they are part of one."""
    chunks = Chunks()
    try:
        for piece in pieces:
            chunks.feed(piece)
    except Unfit:
        return False
    return True if chunks.is_complete else None


def is_body_to_h11(data: bytes) -> bool | None:
    http = h11.Connection(h11.SERVER)
    http.receive_data(HEAD + data)
    try:
        while (event := http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.EndOfMessage):
                return True
    except h11.RemoteProtocolError:
        return False
    return None


@given(st.lists(BITS, max_size=8).map(b"".join))
def test_however_bytes_come_the_verdict_is_the_same(data: bytes) -> None:
    assert is_body([data[at : at + 1] for at in range(len(data))]) == is_body([data])


@given(st.lists(BITS, max_size=8).map(b"".join))
def test_what_is_a_body_here_is_one_to_whoever_decodes_it(data: bytes) -> None:
    if is_body([data]):
        assert is_body_to_h11(data)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.binary(max_size=20))
def test_data_may_be_anything(chunks: list[bytes], behind: bytes) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"

    assert is_body([body[:-1]]) is None
    assert is_body([body + behind]) is True
