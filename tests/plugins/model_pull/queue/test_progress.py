from pathlib import Path

import attrs
import pytest

from hostel.plugins.model_pull import (
    DownloadEvent,
    DownloadStatus,
    FileCompleted,
    Notice,
    Progress,
    Reference,
    RemoteFile,
    Started,
    StatusChanged,
    to_json,
)
from hostel.plugins.model_pull._cache.layout import CachedRepo
from hostel.plugins.model_pull._engine import Fetched, FetchPhase, FetchProgress
from hostel.plugins.model_pull._queue.plan import PlannedFile, PullPlan
from hostel.plugins.model_pull._queue.progress import PullProgress


@pytest.fixture
def plan() -> PullPlan:
    return plan_of(100, 200, 50)


def plan_of(*sizes: int | None) -> PullPlan:
    files = [
        PlannedFile(RemoteFile(f"f{i}", size, None, "https://h/x"), "a" * 40) for i, size in enumerate(sizes)
    ]
    repo = CachedRepo(Path("/cache"), "org/m")
    return PullPlan("org/m", Reference("hf", "org/m"), repo, "c" * 40, tuple(files), None, None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Told:
    events: list[DownloadEvent] = attrs.Factory(list)

    @property
    def last(self) -> Progress:
        return [event for event in self.events if isinstance(event, Progress)][-1]

    def all(self, kind: type[DownloadEvent]) -> list[DownloadEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def progress_of(plan: PullPlan) -> tuple[PullProgress, Told, Clock]:
    told, clock = Told(), Clock()
    return PullProgress(plan, told.events.append, clock=clock), told, clock


def moved(
    done: int, *, fetched: int | None = None, phase: FetchPhase = FetchPhase.DOWNLOADING
) -> FetchProgress:
    return FetchProgress(phase, done, None, fetched=done if fetched is None else fetched)


def fetched(size: int) -> Fetched:
    return Fetched(Path("/cache/blob"), size)


def test_what_is_here_counts_from_the_start(plan: PullPlan) -> None:
    progress, told, _ = progress_of(plan)

    progress.start({1})

    assert told.events[0] == Started("org/m", files=3, total=350, present=200)
    assert told.events[1] == FileCompleted("org/m", "f1", 200, cached=True)
    assert (told.last.downloaded, told.last.total) == (200, 350)


def test_files_add_up_to_exactly_the_whole(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())

    for index, size in ((2, 50), (0, 100), (1, 200)):
        clock.now += 1
        progress.file_moved(index, moved(size // 2))
        progress.file_finished(index, fetched(size))

    counts = [event.downloaded for event in told.events if isinstance(event, Progress)]
    assert counts == sorted(counts)
    assert counts[-1] == 350


def test_progress_never_goes_back_and_never_beyond_the_whole(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())

    for done in (80, 20, 400):
        clock.now += 1
        progress.file_moved(0, moved(done))

    assert [event.downloaded for event in told.events if isinstance(event, Progress)] == [0, 80, 80, 350]


def test_a_size_that_nobody_told_is_taken_from_the_server_or_the_end() -> None:
    progress, told, clock = progress_of(plan_of(None, 10))
    progress.start(set())
    assert told.last.total is None

    clock.now += 1
    progress.file_moved(0, FetchProgress(FetchPhase.DOWNLOADING, 5, 90))
    assert told.last.total == 100
    progress.file_finished(0, fetched(95))
    assert told.last.total == 105


def test_progress_is_told_ten_times_a_second_and_its_last_count_always(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())
    for step in range(1, 101):
        clock.now = step / 100
        progress.file_moved(0, moved(step))
    assert len(told.all(Progress)) <= 12

    progress.file_finished(0, fetched(100))

    assert told.last.downloaded == 100


def test_a_resume_is_no_burst_of_speed(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())
    for second in range(1, 4):
        clock.now = float(second)
        progress.file_moved(1, moved(150 + second, fetched=second))

    assert told.last.rate == pytest.approx(1.0)
    assert told.last.eta == pytest.approx(350 - 153)


def test_nothing_is_said_of_speed_in_the_first_second_and_it_is_absent_in_json(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())
    clock.now = 1.0
    progress.file_moved(0, moved(50))

    assert (told.last.rate, told.last.eta) == (None, None)
    assert "rate" not in to_json(told.last)
    assert to_json(told.last)["total"] == 350


def test_a_stall_shows_as_a_falling_rate(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())
    for second in range(1, 6):
        clock.now = float(second)
        progress.file_moved(1, moved(second * 10))
    before = told.last.rate
    clock.now = 60.0
    progress.tick()

    assert before is not None
    assert told.last.rate is not None
    assert told.last.rate < before / 10


def test_verifying_is_told_once_nothing_is_downloading_any_more(plan: PullPlan) -> None:
    progress, told, _ = progress_of(plan)
    progress.start(set())
    progress.file_moved(0, moved(100, phase=FetchPhase.VERIFYING))
    progress.file_moved(1, moved(10))
    progress.file_moved(1, moved(200, phase=FetchPhase.VERIFYING))

    assert [event.status for event in told.events if isinstance(event, StatusChanged)] == [
        DownloadStatus.VERIFYING,
        DownloadStatus.DOWNLOADING,
        DownloadStatus.VERIFYING,
    ]


def test_trouble_and_waiting_are_told_once_each(plan: PullPlan) -> None:
    progress, told, _ = progress_of(plan)
    progress.start(set())
    for _ in range(3):
        progress.file_moved(0, FetchProgress(FetchPhase.LOCKED_OUT, 0, 100))
    for _ in range(3):
        progress.file_moved(
            0, FetchProgress(FetchPhase.DOWNLOADING, 5, 100, trouble="the connection was reset")
        )

    assert [event.message for event in told.events if isinstance(event, Notice)] == [
        "f0: waiting for another process that downloads it.",
        "f0: the connection was reset; trying again.",
    ]


def test_files_that_move_at_once_take_turns(plan: PullPlan) -> None:
    progress, told, clock = progress_of(plan)
    progress.start(set())
    for _ in range(6):
        clock.now += 0.15
        for index in range(3):
            progress.file_moved(index, FetchProgress(FetchPhase.DOWNLOADING, 10, 50))

    paths = [event.path for event in told.all(Progress) if isinstance(event, Progress) and event.path]
    assert paths == ["f0", "f1", "f2"] * 2


def test_trouble_is_told_as_one_sentence(plan: PullPlan) -> None:
    progress, told, _ = progress_of(plan)
    progress.start(set())
    for trouble in ("status 503", "f0 changed at its source: pull it again."):
        progress.file_moved(0, FetchProgress(FetchPhase.DOWNLOADING, 0, 50, trouble=trouble))

    notices = [event.message for event in told.all(Notice) if isinstance(event, Notice)]
    assert notices == [
        "f0: status 503; trying again.",
        "f0: changed at its source: pull it again; trying again.",
    ]
