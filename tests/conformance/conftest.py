"""The hosts under test. A new implementation adds one line to `HOSTS`."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Protocol

import anyio
import pytest

from hostel.sessions import BackgroundTaskHost, LocalBackgroundTaskHost, SqliteJournal

from .steering import native_tasks, settle


class HostFactory(Protocol):
    """Returns a new host, which its `async with` block opens and closes."""

    def __call__(
        self, *, retain_events: int = 10_000, retain_terminal: int = 1_000, stop_grace: float = 5.0
    ) -> BackgroundTaskHost: ...


def _in_memory(folder: Path) -> HostFactory:
    def make(
        *, retain_events: int = 10_000, retain_terminal: int = 1_000, stop_grace: float = 5.0
    ) -> LocalBackgroundTaskHost:
        return LocalBackgroundTaskHost(None, retain_events, retain_terminal, stop_grace=stop_grace)

    return make


def _in_sqlite(folder: Path) -> HostFactory:
    numbers = count()

    def make(
        *, retain_events: int = 10_000, retain_terminal: int = 1_000, stop_grace: float = 5.0
    ) -> LocalBackgroundTaskHost:
        journal = SqliteJournal(folder / f"{next(numbers)}.db")
        return LocalBackgroundTaskHost(journal, retain_events, retain_terminal, stop_grace=stop_grace)

    return make


HOSTS: dict[str, Callable[[Path], HostFactory]] = {"memory": _in_memory, "sqlite": _in_sqlite}
WITHOUT_REAL_IO = ["memory"]
FORGETFUL = ["memory"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "host_kind" not in metafunc.fixturenames:
        return
    kinds = list(HOSTS)
    if metafunc.definition.get_closest_marker("virtual_time"):
        kinds = WITHOUT_REAL_IO
    if "open_forgetful_host" in metafunc.fixturenames:
        kinds = [kind for kind in kinds if kind in FORGETFUL]
    metafunc.parametrize("host_kind", kinds)


@pytest.fixture
async def open_host(host_kind: str, tmp_path: Path) -> AsyncIterator[HostFactory]:
    """The factory of one implementation; nothing its hosts have started may outlive them."""
    before = native_tasks()
    yield HOSTS[host_kind](tmp_path)
    with anyio.fail_after(5):
        await settle()
    assert native_tasks() == before, "a task is still running"


@pytest.fixture
def open_forgetful_host(open_host: HostFactory) -> HostFactory:
    """The factory of an implementation that cannot read back events it no longer has in memory."""
    return open_host


@pytest.fixture
async def host(open_host: HostFactory) -> AsyncIterator[BackgroundTaskHost]:
    """An open host."""
    async with open_host() as host:
        yield host
