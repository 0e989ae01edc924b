"""The files of one pull, added up and told.

Bytes that stay are what is shown; bytes read in this run are what the rate is made of, so neither a
resume nor a file that was here already looks like speed. Progress is told at most ten times a second,
the last count always; files that move at once take turns in it. Without any news a tick tells it again, so
that a stall shows as a falling rate.
"""

import time
from collections.abc import Callable

from .._engine import Fetched, FetchPhase, FetchProgress
from .._errors import NoSpace
from .._events import (
    DownloadEvent,
    DownloadStatus,
    FileCompleted,
    FileStarted,
    Notice,
    Progress,
    Started,
    StatusChanged,
)
from .plan import PullPlan
from .rate import RateEstimate

INTERVAL = 0.1
Emit = Callable[[DownloadEvent], None]


class PullProgress:
    """Counts the files of a plan and tells `emit` what is news.

    :param clock: seconds of a steady clock
    """

    def __init__(self, plan: PullPlan, emit: Emit, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan, self._emit, self._clock = plan, emit, clock
        self._done = [0] * len(plan.files)
        self._totals = [file.remote.size for file in plan.files]
        self._read, self._read_before = [0] * len(plan.files), [0] * len(plan.files)
        self._phases: dict[int, FetchPhase] = {}
        self._troubles: dict[int, str | None] = {}
        self._short: set[int] = set()
        self._status = DownloadStatus.DOWNLOADING
        self._rate = RateEstimate()
        self._last_told = -INTERVAL
        self._moved: dict[int, None] = {}

    @property
    def done(self) -> int:
        """Return the bytes that are in place."""
        return sum(self._done)

    @property
    def total(self) -> int | None:
        """Return the bytes of all files, None while one of them is unknown."""
        known = [total for total in self._totals if total is not None]
        return sum(known) if len(known) == len(self._totals) else None

    def start(self, present: set[int]) -> None:
        """Tell what is to be done; the files with these indices are here already."""
        self._rate = self._rate.sampled(self._clock(), 0)
        for index in present:
            self._done[index] = self._totals[index] or 0
        choice = self._plan.choice
        self._emit(
            Started(
                self._plan.id,
                files=len(self._plan.files),
                total=self.total,
                present=self.done,
                quantization=choice.option.name if choice else None,
                why=choice.why if choice else None,
            )
        )
        for notice in self._plan.notices:
            self._emit(Notice(self._plan.id, notice))
        for index in sorted(present):
            self._emit(FileCompleted(self._plan.id, self._path(index), self._totals[index], cached=True))
        self.tell()

    def file_started(self, index: int) -> None:
        self._emit(
            FileStarted(self._plan.id, self._path(index), index, len(self._plan.files), self._totals[index])
        )

    def file_moved(self, index: int, news: FetchProgress) -> None:
        """Take in where one file stands."""
        self._done[index] = max(self._done[index], news.done)
        # a transfer counts from zero each time it is tried again
        self._read[index] = max(self._read[index], self._read_before[index] + news.fetched)
        if self._totals[index] is None:
            self._totals[index] = news.total
        self._note_phase(index, news)
        now = self._clock()
        self._rate = self._rate.sampled(now, sum(self._read))
        # the file that has waited longest is told next
        self._moved.setdefault(index)
        if now - self._last_told >= INTERVAL:
            self.tell(next(iter(self._moved)))

    def file_short(self, index: int, full: NoSpace) -> None:
        """Tell that one file waits for room on the disk."""
        self._short.add(index)
        self._read_before[index] = self._read[index]
        self._emit(Notice(self._plan.id, f"{self._path(index)} waits for room: {full}"))
        self.change(DownloadStatus.PAUSED)

    def file_finished(self, index: int, fetched: Fetched) -> None:
        """Take in that one file has its final name."""
        self._totals[index] = fetched.size
        self._done[index] = fetched.size
        self._phases.pop(index, None)
        self._short.discard(index)
        self._rate = self._rate.sampled(self._clock(), sum(self._read))
        self.tell(index)
        self._emit(FileCompleted(self._plan.id, self._path(index), fetched.size))

    def change(self, status: DownloadStatus) -> None:
        """Tell the state of the whole, if it is another one."""
        if status is not self._status:
            self._status = status
            self._emit(StatusChanged(self._plan.id, status))

    def tick(self) -> None:
        """Tell the progress again if nothing was told lately."""
        if self._clock() - self._last_told >= INTERVAL:
            self.tell()

    def tell(self, index: int | None = None) -> None:
        """Tell the progress of the whole and of one file."""
        now = self._clock()
        self._last_told = now
        if index is not None:
            self._moved.pop(index, None)
        done, total, read = self.done, self.total, sum(self._read)
        file = None if index is None else (self._path(index), self._done[index], self._totals[index])
        path, file_done, file_total = file or (None, None, None)
        self._emit(
            Progress(
                self._plan.id,
                downloaded=done if total is None else min(done, total),
                total=total,
                rate=self._rate.rate(now),
                eta=None if total is None else self._rate.eta(now, read + total - done),
                path=path,
                file_downloaded=file_done,
                file_total=file_total,
            )
        )

    def _note_phase(self, index: int, news: FetchProgress) -> None:
        path = self._path(index)
        if news.phase is FetchPhase.LOCKED_OUT and self._phases.get(index) is not FetchPhase.LOCKED_OUT:
            self._emit(Notice(self._plan.id, f"{path}: waiting for another process that downloads it."))
        if news.trouble and news.trouble != self._troubles.get(index):
            self._emit(Notice(self._plan.id, f"{path}: {_bare(news.trouble, path)}; trying again."))
        self._troubles[index] = news.trouble
        self._phases[index] = news.phase
        if news.fetched:
            self._short.discard(index)
        # while one file waits for space the whole is paused, whatever the others do
        if self._short:
            return
        verifying = set(self._phases.values()) <= {FetchPhase.VERIFYING, FetchPhase.PUBLISHING}
        self.change(DownloadStatus.VERIFYING if verifying else DownloadStatus.DOWNLOADING)

    def _path(self, index: int) -> str:
        return self._plan.files[index].remote.path


def _bare(trouble: str, path: str) -> str:
    """Return what went wrong as a part of a sentence that begins with the path."""
    return trouble.removeprefix(f"{path} ").removesuffix(".")
