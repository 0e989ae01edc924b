"""The whole way of one file, in one thread: attempts until it is complete and true, then its name.

An attempt may ask for another one: the server has no ranges, the version changed, the
checksum is wrong. What stays in place and how to ask is decided here. Whatever happens, the threads are
joined, the sidecar tells what is in place, and a part that nobody could continue is removed.
"""

import functools
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from .._cache.layout import part_path
from .._cache.verify import Mark, Verified, mark_of
from .._errors import (
    ContentChanged,
    IntegrityFailed,
    NoSpace,
    StorageFailed,
    TransferFailed,
)
from .._sources.remote_file import Digest, RemoteFile
from .attempt import Attempt
from .concurrency import ConnectionBudget, Share
from .hasher import FollowingHasher
from .net.connection import Connection, EnvironmentConnection
from .net.http1 import Address, SocketConnection
from .net.local import LocalSource
from .net.redirects import Source
from .net.response import Version
from .part_file import Part, Sidecar, discard_files, read_sidecar
from .ranges import UNKNOWN, RangePlan
from .rate_limiter import Pace
from .report import Fetched, FetchPhase, FetchProgress
from .transfer_state import Adopted, Anew, AttemptEnd, Complete, Stopped, TransferState
from .worker import Worker

if TYPE_CHECKING:
    from .._web import Origin

RESTARTS = 5
ALWAYS_RANGES = 50 * 1000**3
"""From this size on, CDNs refuse a request without a range."""


@attrs.frozen
class Terms:
    """What the caller of `fetch` wants; see there."""

    connections: int | None = None
    limiter: Pace | None = None
    verify: bool = True
    verified: Verified = attrs.field(factory=lambda: Verified(None))
    retry_seconds: float = 300.0
    stall: float = 15.0
    connect_timeout: float = 10.0


@attrs.frozen
class _Way:
    """How the next attempt goes about it."""

    plan: RangePlan
    version: Version = attrs.field(factory=Version)
    solo: bool = False
    ranges: bool = True


class Transfer:
    """Bring one file to its name; `run` is called once in a thread, `stop` and `progress` from any other."""

    def __init__(self, file: RemoteFile, blob: Path, budget: ConnectionBudget, terms: Terms) -> None:
        self._file, self._blob, self._budget, self._terms = file, blob, budget, terms
        self._wanted = file.digest if terms.verify else None
        self._source = _source_of(file, pinned=self._wanted is not None)
        self._refused: Mark | None = None
        self._tls = functools.cache(ssl.create_default_context)
        self._reached: dict[Origin, Address] = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._attempt: Attempt | None = None
        self._hasher: FollowingHasher | None = None
        self._phase = FetchPhase.DOWNLOADING
        self._high, self._fetched, self._attempts = 0, 0, 0
        self._damaged = False

    def run(self) -> Fetched | None:
        """Return the file under its name; None if stopped before.

        :raises PullError: if it cannot be had
        """
        started, path = time.monotonic(), part_path(self._blob)
        # the lock is held: who had it before may have finished the file
        if self._is_here():
            discard_files(path)
            return Fetched(self._blob, self._blob.stat().st_size, adopted=True)
        share_of = self._budget.join(self._source.host)
        with closing(self._source), share_of as share, Part(path, self._file) as part:
            try:
                fetched = self._pursue(part, share)
            except ContentChanged:
                # with a checksum the bytes may still be right for the next call
                if self._wanted is None or self._source.disowned:
                    part.discard()
                raise
            except NoSpace as full:
                done = read_sidecar(part.path, self._file).done
                part.release_space(done)
                left = max(full.needed, (self._file.size or 0) - sum(map(len, done)))
                raise NoSpace(full.path, left, full.free) from full.__cause__
            finally:
                # nobody could continue it
                if not read_sidecar(part.path, self._file).done:
                    part.discard()
        return fetched and attrs.evolve(fetched, seconds=time.monotonic() - started)

    def stop(self) -> None:
        """End all traffic at once; `run` returns as soon as what is in place is recorded."""
        with self._lock:
            self._stopped = True
            if self._hasher is not None:
                self._hasher.stop()
            if self._attempt is not None:
                self._attempt.stop(Stopped())

    def progress(self) -> FetchProgress:
        """Return where it stands."""
        with self._lock:
            attempt, before = self._attempt, self._fetched
        if attempt is None:
            return FetchProgress(self._phase, 0, self._file.size)
        state = attempt.state
        with state.frozen() as plan:
            self._high = max(self._high, plan.done_bytes)
        return FetchProgress(
            self._phase,
            self._high,
            state.size,
            fetched=before + state.fetched,
            connections=attempt.connections,
            attempt=self._attempts,
            trouble=state.trouble,
        )

    def _pursue(self, part: Part, share: Share) -> Fetched | None:
        way = self._first_way(part)
        while True:
            ending, digest, state = self._try(part, share, way)
            match ending:
                case Complete() if digest == self._wanted:
                    return self._publish(part, state, digest)
                case Complete():
                    way = self._once_more(part, digest)
                case Anew():
                    way = self._another_way(part, way, state, ending)
                case Adopted() if self._is_here():
                    part.discard()
                    return self._result(part, state, self._blob.stat().st_size, adopted=True)
                case Adopted():
                    way = _Way(RangePlan(way.plan.size, way.plan.done), state.version, way.solo, way.ranges)
                case Stopped():
                    return None
                case Exception():
                    raise ending

    def _first_way(self, part: Part) -> _Way:
        found = part.resumed
        if found.size is not None:
            part.reserve(found.size)
        return _Way(RangePlan(_plan_size(found.size), found.done), found.version)

    def _try(self, part: Part, share: Share, way: _Way) -> tuple[AttemptEnd, Digest | None, TransferState]:
        """Make one attempt; for a complete file the checksum comes with the ending."""
        with self._hashing(part, way) as hasher:
            state = TransferState(
                self._file.path,
                way.plan,
                way.version,
                share=share,
                retry_seconds=self._terms.retry_seconds,
                pinned=self._wanted is not None,
                solo=way.solo,
                most=self._source.most or self._terms.connections,
                on_frontier=hasher.reach if hasher else _ignore,
            )
            record = functools.partial(self._record, part, state)
            attempt = Attempt(
                state,
                functools.partial(self._hire, part, state, way.ranges),
                record=record,
                published=self._has_appeared,
                limited=self._limited,
            )
            with self._lock:
                self._attempts += 1
                self._fetched += self._attempt.state.fetched if self._attempt else 0
                self._attempt, self._hasher = attempt, hasher
                if self._stopped:
                    state.end(Stopped())
            ending = attempt.run()
            if not isinstance(ending, Adopted | Anew):
                record()
            if not isinstance(ending, Complete) or hasher is None:
                return ending, None, state
            self._phase = FetchPhase.VERIFYING
            digest = hasher.result(way.plan.size)
            return (ending if digest else Stopped()), digest, state

    @contextmanager
    def _hashing(self, part: Part, way: _Way) -> Iterator[FollowingHasher | None]:
        if self._wanted is None:
            yield None
            return
        with FollowingHasher(part.fd, self._wanted.algorithm, self._file.size) as hasher:
            hasher.reach(way.plan.frontier)
            try:
                yield hasher
            except OSError as error:
                raise StorageFailed(part.path, error.strerror or str(error)) from error

    def _hire(self, part: Part, state: TransferState, ranges: bool, index: int) -> Worker:
        return Worker(
            index,
            state,
            self._source,
            self._connection(),
            part.write,
            part.reserve,
            limiter=self._terms.limiter,
            ranges=ranges,
            stall=self._terms.stall,
        )

    def _connection(self) -> Connection:
        connect_timeout, stall = self._terms.connect_timeout, self._terms.stall

        def proxied(proxy: str) -> Connection:
            from .net.proxy import ProxyConnection  # httpx takes long to import

            return ProxyConnection(proxy, self._tls, connect_timeout=connect_timeout, stall=stall)

        direct = SocketConnection(self._tls, self._reached, connect_timeout=connect_timeout, stall=stall)
        return EnvironmentConnection(direct, proxied)

    def _limited(self) -> bool:
        return self._terms.limiter is not None and self._terms.limiter.max_read is not None

    def _record(self, part: Part, state: TransferState) -> None:
        with state.frozen() as plan:
            told = attrs.evolve(
                Sidecar.begun(self._file), size=state.size, version=state.version, done=plan.done
            )
        if told.done:
            part.record(told)

    def _once_more(self, part: Part, digest: Digest | None) -> _Way:
        """After a wrong checksum: everything from zero, in one piece, once."""
        expected, actual = (found.value if found else "" for found in (self._wanted, digest))
        part.begin_anew(self._file.size)
        # twice the same: it is the source that is wrong, not the way
        if self._damaged:
            raise IntegrityFailed(self._file.path, expected, actual)
        self._damaged = True
        self._phase = FetchPhase.DOWNLOADING
        self._source.forget()
        huge = (self._file.size or 0) >= ALWAYS_RANGES
        return _Way(RangePlan(_plan_size(self._file.size)), solo=True, ranges=huge)

    def _another_way(self, part: Part, way: _Way, state: TransferState, anew: Anew) -> _Way:
        if self._attempts > RESTARTS:
            if anew.version is None:
                raise TransferFailed(self._file.path, "the server cannot continue what it began", 0)
            old, new = (version.if_range or "unknown" for version in (state.version, anew.version))
            raise ContentChanged(self._file.path, old, new)
        if anew.version is not None:
            self._source.forget()
        version = anew.version or state.version
        # the server has no ranges: one connection, from the beginning
        solo = way.solo or anew.version is None
        if anew.keep:
            return _Way(RangePlan(way.plan.size, way.plan.done), version, solo, way.ranges)
        part.begin_anew(self._file.size)
        return _Way(RangePlan(_plan_size(self._file.size)), version, solo, way.ranges)

    def _publish(self, part: Part, state: TransferState, digest: Digest | None) -> Fetched:
        self._phase = FetchPhase.PUBLISHING
        part.publish(self._blob, state.plan.size)
        if digest is not None:
            self._terms.verified.note(self._blob, digest)
        return self._result(part, state, state.plan.size, digest=digest)

    def _is_here(self) -> bool:
        """Return whether the blob is here and true, which may take reading it."""
        self._refused = mark_of(self._blob)
        if self._refused is None:
            return False
        self._phase = FetchPhase.VERIFYING
        size, verified = self._file.size, self._terms.verified
        true = verified.holds(self._blob, size, self._wanted, stopped=lambda: self._stopped)
        self._phase = FetchPhase.DOWNLOADING
        return true

    def _has_appeared(self) -> bool:
        """Return whether there is a blob of the right size that was not looked at yet."""
        mark = mark_of(self._blob)
        return mark not in (None, self._refused) and self._file.size in (None, mark and mark[0])

    def _result(
        self,
        part: Part,
        state: TransferState,
        size: int,
        *,
        digest: Digest | None = None,
        adopted: bool = False,
    ) -> Fetched:
        return Fetched(
            self._blob,
            size,
            digest=digest,
            etag=state.version.etag,
            fetched=self._fetched + state.fetched,
            resumed=sum(map(len, part.resumed.done)),
            adopted=adopted,
            attempts=self._attempts,
        )


def _source_of(file: RemoteFile, *, pinned: bool) -> Source | LocalSource:
    return LocalSource(file) if file.url.startswith("file:") else Source(file, pinned=pinned)


def _plan_size(size: int | None) -> int:
    return UNKNOWN if size is None else size


def _ignore(_frontier: int) -> None:
    """Nobody follows the frontier."""
