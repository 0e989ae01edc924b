"""What the workers of one attempt share, behind one lock that nobody holds while waiting for anything else.

It knows what is in place, who fetches what, which version the bytes belong to, what is left of the retry
budget, and how it ended. The first ending counts. Workers ask it what to do next; the conductor waits on it.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from .._errors import PullError, TransferFailed
from .concurrency import Share
from .net.response import Body, Version
from .ranges import UNKNOWN, RangePlan, Span
from .retry_budget import RetryBudget, backoff

PARALLEL_FROM = 32 << 20
"""Smaller files are not worth a second connection."""
SLOWEST = 1000
FAR = 20
"""A connection makes way below so many bytes per second, or so many times below the best one of its host."""


@attrs.frozen
class Complete:
    """All bytes are in place."""


@attrs.frozen
class Adopted:
    """Somebody else published the file."""


@attrs.frozen
class Anew:
    """This attempt cannot go on, another may.

    :ivar keep: what is in place stays
    :ivar version: the version that is offered now, None if it did not change
    """

    keep: bool
    version: Version | None = None


@attrs.frozen
class Stopped:
    """It was stopped from outside."""


AttemptEnd = Complete | Adopted | Anew | Stopped | Exception


class TransferState:
    """The shared state of one attempt.

    :param pinned: a checksum decides at the end, so that another ETag alone does not condemn what is in place
    :param solo: one connection only
    :param most: connections at most, None leaves it to the share
    """

    def __init__(
        self,
        path: str,
        plan: RangePlan,
        version: Version,
        *,
        share: Share,
        retry_seconds: float,
        pinned: bool,
        solo: bool,
        most: int | None,
        on_frontier: Callable[[int], None],
    ) -> None:
        self.version, self.pinned, self.solo = version, pinned, solo
        self.fetched, self.gained = 0, 0
        self.trouble: str | None = None
        self.ending: AttemptEnd | None = Complete() if plan.complete else None
        self.stopped = threading.Event()
        self._path, self._plan, self._share, self._most = path, plan, share, most
        self._retry_budget = RetryBudget(retry_seconds, time.monotonic())
        self._on_frontier = on_frontier
        self._accepted = False
        self._rate: float | None = None
        self._busy: set[int] = set()
        self._most_busy = 0
        self._news = False
        self._changed = threading.Condition()

    @property
    def plan(self) -> RangePlan:
        """The plan itself, for when the workers are gone."""
        return self._plan

    @property
    def size(self) -> int | None:
        return None if self._plan.size == UNKNOWN else self._plan.size

    @contextmanager
    def frozen(self) -> Iterator[RangePlan]:
        """Hold everything still."""
        with self._changed:
            yield self._plan

    def wait(self, seconds: float) -> None:
        """Wait until there may be something to do for the conductor, or so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._news, seconds)
            self._news = False

    def nudge(self) -> None:
        """Wake the conductor."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def end(self, ending: AttemptEnd) -> None:
        """Let the attempt end like this, unless it has ended already; wakes everybody who waits."""
        with self._changed:
            if self.ending is None:
                self.ending = ending
            self.stopped.set()
            self.nudge()

    def wanted(self) -> int:
        """Return how many workers there should be."""
        allowed = self._share.allowance()
        with self._changed:
            # it waits for its turn, which is not the fault of the server
            if allowed == 0:
                self._retry_budget.restarted(time.monotonic())
            # the first answer tells what kind of server it is
            return self._most_of(allowed) if self._accepted else min(1, allowed)

    def _most_of(self, allowed: int) -> int:
        if self.solo or self._plan.size < PARALLEL_FROM:
            return min(1, allowed)
        return allowed if self._most is None else min(self._most, allowed)

    def has_work(self) -> bool:
        with self._changed:
            return self.ending is None and self._plan.idle_work

    def take(self, worker: int) -> Span | None:
        """Return what `worker` fetches next; None if it should end."""
        wanted, allowed = self.wanted(), self._share.allowance()
        with self._changed:
            self._busy.discard(worker)
            self._plan.release(worker)
            if self.ending is not None or worker >= wanted:
                return None
            whole = self.size is not None and (
                self.solo or self._plan.size < PARALLEL_FROM or self._most == 1
            )
            span = self._plan.take(
                worker, None if whole else self._plan.chunk(self._most_of(allowed), self._rate)
            )
            if span is not None:
                self._busy.add(worker)
                self._most_busy = max(self._most_busy, len(self._busy))
            return span

    def give_back(self, worker: int) -> None:
        """Let others have what `worker` did not get."""
        with self._changed:
            self._busy.discard(worker)
            self._plan.release(worker)
            self.nudge()

    def accept(self, worker: int, body: Body) -> bool:
        """Judge a body before it is read: whether it is of use. If another attempt is, this one ends."""
        with self._changed:
            if self.ending is not None:
                return False
            if self._plan.size == UNKNOWN and body.total is not None:
                self._plan.set_size(body.total)
            known = self.pinned or bool(self.version and self.version == body.version)
            # the whole file from byte 0 is of use only if nothing is in place or under way
            nothing_yet = not self._plan.done and self._busy == {worker}
            if not body.ranged and not nothing_yet and (not self.solo or not known):
                self.end(Anew(keep=known))
                return False
            self.solo = self.solo or not body.ranged
            self.version = self.version or body.version
            if self._plan.complete:
                self.end(Complete())
            if not self._accepted:
                self._accepted = True
                self.nudge()
            return True

    def end_of(self, worker: int) -> int:
        with self._changed:
            return self._plan.end_of(worker)

    def missing(self, span: Span) -> list[Span]:
        with self._changed:
            return self._plan.missing(span)

    def placed(self, worker: int, span: Span) -> None:
        """Count the bytes of `span` as received and in place."""
        self._share.arrived(len(span))
        with self._changed:
            gained = sum(map(len, self._plan.missing(span)))
            self._plan.place(worker, span)
            self.fetched += len(span)
            self.gained += gained
            if gained:
                self._retry_budget.fed(time.monotonic(), gained)
                self.trouble = None
            self._on_frontier(self._plan.frontier)
            if self._plan.complete:
                self.end(Complete())

    def held_up(self) -> None:
        """Tell that a limiter held up a worker: no fault of the server."""
        with self._changed:
            self._retry_budget.restarted(time.monotonic())

    def is_too_slow(self, rate: float, *, ranged: bool) -> bool:
        """Return whether a connection of so many bytes per second should make way for another.

        :param ranged: what it has brought would not have to be fetched again
        """
        return rate < max(SLOWEST, self._share.best / FAR if ranged else 0)

    def set_size(self, size: int) -> None:
        """Learn the size of a file from its end."""
        with self._changed:
            self._plan.set_size(size)
            if self._plan.complete:
                self.end(Complete())

    def crowded(self) -> None:
        """Tell that the server, or something before it, wants fewer connections."""
        self._share.troubled()

    def changed(self, version: Version) -> None:
        """Tell that the server offers another version than the one in place."""
        self.end(Anew(keep=False, version=version))

    def struck(self, error: PullError) -> None:
        """Tell of an answer that makes no sense; the attempt ends with `error` if that goes on."""
        with self._changed:
            if not self._retry_budget.strike():
                self.end(error)

    def pause(
        self, worker: int, reason: str, *, asked: float | None, failures: int, last: PullError | None
    ) -> None:
        """Wait before the next try, or end the attempt if the retry budget is used up.

        :param asked: seconds the server asks for
        :param last: the error to end with, None for TransferFailed
        """
        now = time.monotonic()
        with self._changed:
            self.trouble = reason
            left = self._retry_budget.left(now)
            alone = not self._busy - {worker}
            # it asks for more time than there is, and nobody else brings anything
            if left <= 0 or (alone and asked is not None and asked > left):
                self.end(last or TransferFailed(self._path, reason, self._retry_budget.quiet(now)))
                return
        delay = backoff(failures, random.random()) if asked is None else asked
        self.stopped.wait(min(delay, left))

    def measured(self, rate: float, *, limited: bool) -> None:
        """Learn the bytes per second of all connections together; `limited` if a limiter held them down."""
        wanted = self.wanted()
        with self._changed:
            self._rate = rate / max(1, self._most_busy)
            self._most_busy = len(self._busy)
            self._share.seen(self._rate)
            # a rate that we held down ourselves says nothing about the host
            fair = not limited and 0 < wanted <= len(self._busy)
        self._share.observe(fair=fair)
