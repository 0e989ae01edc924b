"""Which bytes of a file are here, and who fetches which of the others. No clock, no I/O, no lock.

The file is covered by three kinds of bytes: *in place* (sorted spans that never touch), *held* (one span
per worker, from its position to its end) and *free*. A worker takes the lowest free span, at most a chunk
long, so that the frontier (the end of what is in place from byte 0) moves and a hasher can follow it.
When nothing is free, a worker takes the rear half of the largest rest somebody still holds; the halves
are longer than any buffer, so that the former holder cannot write there any more. What is in place is
never fetched for writing again.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

import attrs

MIB = 1 << 20
CHUNK = 16 * MIB
CHUNK_MIN = 8 * MIB
CHUNK_MAX = 64 * MIB
CHUNK_SECONDS = 2.0
SPLIT_MIN = 4 * MIB
UNKNOWN = 1 << 62
"""The size of a plan whose file has not told its size yet."""


@attrs.frozen(order=True)
class Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


class RangePlan:
    """The bytes of one file of `size` bytes; `done` are the spans in place from the beginning."""

    def __init__(self, size: int = UNKNOWN, done: Iterable[Span] = ()) -> None:
        self.size = size
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._held: dict[int, Span] = {}
        for span in done:
            self._place(span)

    @property
    def done(self) -> tuple[Span, ...]:
        return tuple(map(Span, self._starts, self._ends))

    @property
    def done_bytes(self) -> int:
        return sum(self._ends) - sum(self._starts)

    @property
    def frontier(self) -> int:
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    @property
    def complete(self) -> bool:
        return self.frontier == self.size

    @property
    def idle_work(self) -> bool:
        """Return whether `take` would find something."""
        return next(self._free(), None) is not None or self._largest_rest() is not None

    def set_size(self, size: int) -> None:
        """Set the size of a file that has told it only after its first bytes came."""
        self.size = size
        for worker, held in self._held.items():
            self._held[worker] = Span(min(held.start, size), min(held.end, size))

    def take(self, worker: int, chunk: int | None) -> Span | None:
        """Give `worker` something to fetch, at most `chunk` bytes of it; None if there is nothing to give."""
        self.release(worker)
        free = next(self._free(), None)
        if free is not None:
            self._held[worker] = Span(
                free.start, free.end if chunk is None else min(free.end, free.start + chunk)
            )
            return self._held[worker]
        holder = self._largest_rest()
        if holder is None:
            return None
        rest = self._held[holder]
        middle = -(-(rest.start + len(rest) // 2) // MIB) * MIB
        self._held[holder], self._held[worker] = Span(rest.start, middle), Span(middle, rest.end)
        return self._held[worker]

    def end_of(self, worker: int) -> int:
        """Return where `worker` has to stop; it moves down when somebody takes over the rear half."""
        return self._held[worker].end

    def place(self, worker: int, span: Span) -> None:
        """Say that `worker` has put the bytes of `span` in place."""
        self._place(span)
        held = self._held.get(worker)
        if held is not None and held.start < span.end:
            self._held[worker] = Span(min(span.end, held.end), held.end)

    def release(self, worker: int) -> None:
        """Take back what `worker` holds; the rest of it is free again."""
        self._held.pop(worker, None)

    def missing(self, span: Span) -> list[Span]:
        """Return the parts of `span` that are not in place."""
        return list(_gaps(self.done, span))

    def chunk(self, workers: int, rate: float | None) -> int:
        """Return how much to take at once: two seconds' worth, less towards the end so that all end together.

        A lone worker takes as much as it can: nobody waits for it, and every request costs a round trip.

        :param rate: bytes per second of one connection, None if unknown
        """
        if workers <= 1:
            return CHUNK_MAX
        best = CHUNK if rate is None else int(min(max(rate * CHUNK_SECONDS, CHUNK_MIN), CHUNK_MAX))
        left = sum(map(len, self._free()))
        return min(best, max(SPLIT_MIN, left // (2 * workers)))

    def _free(self) -> Iterator[Span]:
        taken = sorted([*self.done, *self._held.values()])
        return _gaps(taken, Span(0, self.size))

    def _largest_rest(self) -> int | None:
        worker = max(self._held, key=lambda worker: len(self._held[worker]), default=None)
        return worker if worker is not None and len(self._held[worker]) >= SPLIT_MIN else None

    def _place(self, span: Span) -> None:
        if not span.start < span.end <= self.size or span.start < 0:
            raise ValueError(f"{span} is no part of {self.size} bytes")
        # every span that touches the new one becomes part of it
        first = bisect_left(self._ends, span.start)
        last = bisect_right(self._starts, span.end)
        start = min([span.start, *self._starts[first:last]])
        end = max([span.end, *self._ends[first:last]])
        self._starts[first:last], self._ends[first:last] = [start], [end]


def _gaps(taken: Iterable[Span], within: Span) -> Iterator[Span]:
    at = within.start
    for span in taken:
        if span.start >= within.end:
            break
        if span.start > at:
            yield Span(at, span.start)
        at = max(at, span.end)
    if at < within.end:
        yield Span(at, within.end)
