"""What a terminal, a pipe and a program see of downloads."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Protocol

from hostel.runtime.text import clock_text, rate_text, size_text

from .._events import (
    Completed,
    DownloadEvent,
    Failed,
    FileCompleted,
    FileStarted,
    GroupEvent,
    Notice,
    Progress,
    Started,
    to_json,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.progress import TaskID

LINE_SECONDS = 5.0


class Renderer(Protocol):
    """Shows events while it is open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: DownloadEvent) -> None: ...


def renderer(*, as_json: bool) -> Renderer:
    """Return bars on a terminal, lines in a pipe, JSON where it is asked for."""
    if as_json:
        return JsonRenderer()
    return BarRenderer() if sys.stdout.isatty() else LineRenderer()


class _Plain:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()


class JsonRenderer(_Plain):
    """One JSON object a line."""

    def show(self, event: DownloadEvent) -> None:
        if isinstance(event, GroupEvent):
            print_json(to_json(event))


class LineRenderer(_Plain):
    """A line for what matters, and one every five seconds for progress."""

    def __init__(self) -> None:
        self._last_told = time.monotonic()

    def show(self, event: DownloadEvent) -> None:
        line = self._line(event)
        if line:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def _line(self, event: DownloadEvent) -> str | None:
        match event:
            case Started():
                return f"{event.id}: {announced(event)}"
            case Progress() if time.monotonic() - self._last_told >= LINE_SECONDS:
                self._last_told = time.monotonic()
                return f"{event.id}: {standing(event)}"
            case FileCompleted() if not event.cached:
                return f"{event.id}: {event.path} is here"
            case Notice():
                return f"{event.id}: {event.message}"
            case Completed():
                return event.path
            case _:
                return None


class BarRenderer:
    """A bar for each download and one for each of its files that is on its way."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[standing]}", markup=False),
        )
        self._tasks: dict[tuple[str, str | None], TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, event: DownloadEvent) -> None:
        match event:
            case Started():
                self._say(f"{event.id}: {announced(event)}")
                self._add(event.id, None, event.id, event.total, event.present)
            case FileStarted():
                self._add(event.id, event.path, f"  {event.path}", event.size, 0)
            case Progress():
                self._move(event)
            case FileCompleted():
                self._drop(event.id, event.path)
            case Notice():
                self._say(f"{event.id}: {event.message}")
            case Completed():
                self._drop_all(event.id)
                self._say(event.path)
            case Failed():
                self._drop_all(event.id)

    def _add(self, id: str, path: str | None, text: str, total: int | None, done: int) -> None:
        self._tasks[id, path] = self._bars.add_task(text, total=total, completed=done, standing="")

    def _move(self, event: Progress) -> None:
        whole = self._tasks.get((event.id, None))
        if whole is not None:
            self._bars.update(whole, completed=event.downloaded, total=event.total, standing=standing(event))
        file = self._tasks.get((event.id, event.path))
        if event.path is not None and file is not None:
            done, total = event.file_downloaded or 0, event.file_total
            self._bars.update(file, completed=done, total=total, standing=part_text(done, total))

    def _drop(self, id: str, path: str | None) -> None:
        task = self._tasks.pop((id, path), None)
        if task is not None:
            self._bars.remove_task(task)

    def _drop_all(self, id: str) -> None:
        for key in [key for key in self._tasks if key[0] == id]:
            self._drop(*key)

    def _say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


def announced(event: Started) -> str:
    """Return what is going to be pulled, and why this quantization."""
    count = f"{event.files} file" + ("s" if event.files != 1 else "")
    size = size_text(event.total) if event.total is not None else "size unknown"
    here = f", {size_text(event.present)} of it here" if event.present else ""
    why = f" ({event.why})" if event.why else ""
    return f"{count}, {size}{here}{why}"


def standing(event: Progress) -> str:
    """Return how far it is, how fast it goes and how long it will take, as far as that is known."""
    parts = [part_text(event.downloaded, event.total)]
    if event.rate is not None:
        parts.append(rate_text(event.rate))
    if event.eta is not None:
        parts.append(f"{clock_text(event.eta)} left")
    return ", ".join(parts)


def part_text(done: int, total: int | None) -> str:
    """Return `done` bytes of `total`, which may be unknown."""
    return size_text(done) if total is None else f"{size_text(done)} of {size_text(total)}"


def print_json(value: object) -> None:
    """Print one JSON value on a line, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
