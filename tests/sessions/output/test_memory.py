"""What stays in memory: the head, the tail, and where the stream changes."""

from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions._output import memory as module
from hostel.sessions._output.memory import Memory

ADDED = st.lists(
    st.tuples(st.binary(min_size=1, max_size=30), st.sampled_from(["stdout", "stderr"])), max_size=30
)


@given(
    added=ADDED,
    start=st.integers(0, 9),
    head=st.integers(0, 30),
    tail=st.integers(0, 60),
    limit=st.integers(1, 50),
)
def test_the_head_and_the_tail_are_kept_and_nothing_else(
    added: list[tuple[bytes, str]], start: int, head: int, tail: int, limit: int
) -> None:
    memory, written, streams = Memory(start, head, tail), bytes(start), [""] * start
    for data, stream in added:
        memory.add(data, stream)
        written += data
        streams += [stream] * len(data)
    at, read = 0, set[int]()
    while (piece := memory.read(at, limit)).data:
        assert piece.start >= at
        at = piece.start + len(piece.data)
        assert piece.data == written[piece.start : at]
        assert {piece.stream} == set(streams[piece.start : at])
        read |= set(range(piece.start, at))

    total = len(written)
    assert memory.total == total
    assert read == {*range(start, min(start + head, total)), *range(max(start, total - tail), total)}


def test_a_stretch_is_full_when_the_stream_has_changed_too_often() -> None:
    memory = Memory(0, 10**6, 10**6)
    for number in range(5 * module.CHANGES):
        memory.add(b"x", f"s{number % 2}")

    gone, back = memory.gap
    assert gone == module.CHANGES
    assert back == 4 * module.CHANGES
    assert memory.read(gone, 9) == (b"x", back, 5 * module.CHANGES, "s0")
