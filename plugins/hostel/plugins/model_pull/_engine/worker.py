"""One worker: a thread with one connection and one buffer.

It takes spans, asks for them and puts them in place. Bytes are received into the buffer until it is full or a
tenth of a second has passed, then written with one call; on any failure what was received is written first.
Only this module decides what an answer leads to.
"""

import time
from collections.abc import Callable

from hostel.runtime.text import rate_text

from .._errors import BadResponse, ContentChanged, PullError
from .net.connection import Connection, ConnectionBroken, Reply
from .net.local import LocalSource
from .net.redirects import Expired, Source
from .net.response import Body, Busy, Changed, Nonsense
from .ranges import Span
from .rate_limiter import Pace
from .transfer_state import TransferState

BUFFER = 1 << 20
FLUSH_SECONDS = 0.1
FREE_RENEWAL_SECONDS = 60.0
SLOW_SECONDS = 5.0


class _Again(Exception):
    """This request failed; try again after a while."""

    def __init__(
        self, reason: str, *, wait: float | None = None, crowded: bool = False, error: PullError | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.crowded, self.error = reason, wait, crowded, error


class Worker:
    """Fetch spans until the state has none for this worker."""

    def __init__(
        self,
        index: int,
        state: TransferState,
        source: Source | LocalSource,
        connection: Connection,
        write: Callable[[memoryview, int], None],
        reserve: Callable[[int], None],
        *,
        limiter: Pace | None,
        ranges: bool,
        stall: float,
    ) -> None:
        self._index, self._state, self._source, self._connection = index, state, source, connection
        self._write, self._reserve = write, reserve
        self._limiter, self._ranges = limiter, ranges
        self._buffer = memoryview(bytearray(BUFFER))
        self._at, self._filled = 0, 0
        self._renewed_at: float | None = None
        self._shortest = self._window = min(SLOW_SECONDS, stall)

    def run(self) -> None:
        failures = 0
        while (span := self._state.take(self._index)) is not None:
            before = self._state.gained
            try:
                self._fetch(span)
                failures = 0
            except ConnectionBroken as broken:
                self._connection.close()
                # a kept connection that went away meanwhile is no failure
                if broken.stale or self._state.stopped.is_set():
                    continue
                failures = self._failed(self._again(broken), failures, before)
            except _Again as again:
                failures = self._failed(again, failures, before)

    def _again(self, broken: ConnectionBroken) -> _Again:
        if not broken.nonsense:
            return _Again(broken.reason, crowded=broken.reset, wait=0.0 if broken.slow else None)
        error = BadResponse(self._source.url, broken.reason)
        self._state.struck(error)
        return _Again(broken.reason, error=error)

    def cut(self) -> None:
        """End all traffic; safe from any thread."""
        self._connection.cut()

    def expire(self, now: float) -> None:
        """End the traffic of an answer that trickles; safe from any thread."""
        self._connection.expire(now)

    def close(self) -> None:
        self._connection.close()

    def _failed(self, again: _Again, failures: int, before: int) -> int:
        self._state.give_back(self._index)
        if again.crowded:
            self._state.crowded()
        failures = 1 if self._state.gained > before else failures + 1
        self._state.pause(self._index, again.reason, asked=again.wait, failures=failures, last=again.error)
        return failures

    def _fetch(self, span: Span) -> None:
        # after a wrong checksum everything is asked for in one piece
        asked = span if self._ranges else None
        answer, reply = self._source.ask(self._connection, asked, self._state.size, self._state.version)
        match answer:
            case Body():
                size = self._state.size
                if self._state.accept(self._index, answer):
                    if size is None and answer.total:
                        self._reserve(answer.total)
                    self._receive(reply, answer)
            case Busy(reason, wait, crowded):
                raise _Again(reason, wait=wait, crowded=crowded)
            case Changed(version):
                self._state.changed(version)
            case Expired(status, fresh):
                self._renew(status, fresh=fresh)
            case Nonsense(error):
                self._state.struck(error)
                raise _Again(str(error), error=error)

    def _renew(self, status: int, *, fresh: bool) -> None:
        """Ask the origin for a new place: at once, but not again and again."""
        now = time.monotonic()
        # it is the origin that sends us to a place that refuses
        if fresh:
            error = BadResponse(self._source.url, f"the place it names answers with status {status}")
            self._state.struck(error)
            raise _Again(str(error), error=error)
        if self._renewed_at is not None and now - self._renewed_at < FREE_RENEWAL_SECONDS:
            raise _Again(f"status {status} again soon after a fresh url")
        self._renewed_at = now

    def _receive(self, reply: Reply, body: Body) -> None:
        self._at, self._filled = body.start, 0
        end = self._state.size if body.length is None else body.start + body.length
        try:
            self._pump(reply, body, end)
        finally:
            self._flush()
        if self._state.stopped.is_set():
            return
        if end is None:
            self._state.set_size(self._at)
        elif self._at < (self._state.end_of(self._index) if body.ranged else end):
            raise ConnectionBroken("the content ended early")
        # a body of unknown length must end where the file does
        elif body.length is None and reply.readinto(self._buffer[:1]):
            self._too_long(end)

    def _too_long(self, size: int) -> None:
        error = ContentChanged(self._source.path, f"{size} bytes", "more")
        self._state.struck(error)
        raise _Again(str(error), error=error)

    def _pump(self, reply: Reply, body: Body, end: int | None) -> None:
        flushed = since = time.monotonic()
        came = 0
        while most := self._max_read(body, end):
            count = reply.readinto(self._buffer[self._filled : self._filled + most])
            if count == 0:
                return
            self._filled += count
            came += count
            now = time.monotonic()
            pause = self._limiter.spend(count, now) if self._limiter else 0.0
            if self._filled == BUFFER or now - flushed >= FLUSH_SECONDS or pause > FLUSH_SECONDS:
                self._flush()
                flushed = now
            if pause > 0:
                # wakes at once if the transfer is stopped
                self._state.stopped.wait(pause)
                self._state.held_up()
                since, came = time.monotonic(), 0
            elif now - since >= self._window:
                self._judge(came / (now - since), ranged=body.ranged)
                since, came = now, 0

    def _judge(self, rate: float, *, ranged: bool) -> None:
        """Give up a connection that is far too slow, each time later: it may be the network that is."""
        if self._state.is_too_slow(rate, ranged=ranged):
            self._window *= 2
            raise ConnectionBroken(f"it is far too slow ({rate_text(rate)})", slow=True)
        self._window = self._shortest

    def _max_read(self, body: Body, end: int | None) -> int:
        """Return how many bytes may be received now: into the buffer, of this span, by the limit."""
        at = self._at + self._filled
        stop = self._state.end_of(self._index) if body.ranged else end
        most = BUFFER - self._filled
        if stop is not None:
            most = min(most, stop - at)
        max_read = self._limiter.max_read if self._limiter else None
        return max(0, most if max_read is None else min(most, max_read))

    def _flush(self) -> None:
        """Write what was received and is not in place yet."""
        if not self._filled:
            return
        span = Span(self._at, self._at + self._filled)
        # what another worker has put in place meanwhile is not written again
        for gap in self._state.missing(span):
            self._write(self._buffer[gap.start - span.start : gap.end - span.start], gap.start)
        self._at, self._filled = span.end, 0
        self._state.placed(self._index, span)
