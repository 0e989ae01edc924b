"""The hosts under test. A new implementation adds one line to `HOSTS`."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import anyio
import pytest

from hostel.sessions import BackgroundTaskHost, Limits, LocalBackgroundTaskHost
from hostel.sessions.journal import SqliteJournal

from .steering import native_tasks, quick_folder, settle


class HostFactory(Protocol):
    """Returns a new host, which its `async with` block opens and closes."""

    def __call__(
        self,
        *,
        retain_events: int = 10_000,
        retain_terminal: int = 1_000,
        stop_grace: float = 5.0,
        limits: Limits | None = None,
    ) -> BackgroundTaskHost: ...


def _in_memory(folder: Path) -> HostFactory:
    def make(
        *,
        retain_events: int = 10_000,
        retain_terminal: int = 1_000,
        stop_grace: float = 5.0,
        limits: Limits | None = None,
    ) -> LocalBackgroundTaskHost:
        return LocalBackgroundTaskHost(
            None, retain_events, retain_terminal, stop_grace=stop_grace, limits=limits
        )

    return make


def _in_sqlite(folder: Path) -> HostFactory:
    numbers = count()

    def make(
        *,
        retain_events: int = 10_000,
        retain_terminal: int = 1_000,
        stop_grace: float = 5.0,
        limits: Limits | None = None,
    ) -> LocalBackgroundTaskHost:
        journal = SqliteJournal(folder / f"{next(numbers)}.db")
        return LocalBackgroundTaskHost(
            journal, retain_events, retain_terminal, stop_grace=stop_grace, limits=limits
        )

    return make


HOSTS: dict[str, Callable[[Path], HostFactory]] = {"memory": _in_memory, "sqlite": _in_sqlite}
SOME = {"open_forgetful_host": ["memory"], "prompt_host": ["memory"], "virtual_time": ["memory"]}
"""Fixtures and marks that are for some hosts only."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "host_kind" not in metafunc.fixturenames:
        return
    wishes = [*metafunc.fixturenames, *(mark.name for mark in metafunc.definition.iter_markers())]
    kinds = [kind for kind in HOSTS if all(kind in SOME.get(wish, HOSTS) for wish in wishes)]
    metafunc.parametrize("host_kind", kinds)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for what a host keeps."""
    with quick_folder() as path:
        yield path


@pytest.fixture
async def open_host(host_kind: str, folder: Path) -> AsyncIterator[HostFactory]:
    """The factory of one implementation; nothing its hosts have started may outlive them."""
    before = native_tasks()
    yield HOSTS[host_kind](folder)
    with anyio.move_on_after(60):
        await settle()
        while native_tasks() != before:  # a thread that a test has let go is about to report its end
            await settle()
    assert native_tasks() == before, "a task is still running"


@pytest.fixture
def open_forgetful_host(open_host: HostFactory) -> HostFactory:
    """The factory of an implementation that cannot read back events it no longer has in memory."""
    return open_host


@pytest.fixture
def prompt_host(host: BackgroundTaskHost) -> BackgroundTaskHost:
    """An open host of an implementation whose `spawn_managed` returns before the body begins."""
    return host


@pytest.fixture
async def host(open_host: HostFactory) -> AsyncIterator[BackgroundTaskHost]:
    """An open host."""
    async with open_host() as host:
        yield host
