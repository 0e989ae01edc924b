"""Each test of a store runs on SQLite and on a real PostgreSQL, with a clock that the test moves."""

import gc
import importlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from hostel.plugins.batch import SqlStorage
from hostel.plugins.batch.testing import Clock, ManualWorker, PostgresServer, Upstream, postgres_binaries


async def _migrate(location: str | Path) -> None:
    async with SqlStorage(location):
        pass


@pytest.fixture(scope="session", autouse=True)
def imports_are_not_garbage() -> None:
    """Spare the collection after each test the modules that stay."""
    importlib.import_module("hypothesis")  # it looks for what refers to what, which must not be frozen yet
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "batch.db"
    anyio.run(_migrate, path)
    return path


@pytest.fixture(scope="session")
def postgres(missing: Callable[[str], NoReturn]) -> Iterator[PostgresServer]:
    if postgres_binaries() is None:
        missing("PostgreSQL's server")
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres: PostgresServer) -> str:
    name = postgres.create_database()
    anyio.run(_migrate, postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield shutil.copy(template, tmp_path / "batch.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = request.getfixturevalue("postgres_database")
    yield server.url(name)
    server.empty(name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def storage(location: str | Path, clock: Clock) -> AsyncIterator[SqlStorage]:
    async with SqlStorage(location, clock=clock) as storage:
        yield storage


@pytest.fixture
def worker(storage: SqlStorage, clock: Clock) -> ManualWorker:
    return ManualWorker(storage, clock)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream.serve() as upstream:
        yield upstream
