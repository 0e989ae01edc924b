"""The schema: what migrations make equals what the tables say, and a newer one is left alone."""

from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from hostel.plugins.batch import SchemaTooNew, SqlStorage
from hostel.plugins.batch._store.database import dialect
from hostel.plugins.batch._store.database.schema import REVISION, metadata
from hostel.plugins.batch.testing import ManualWorker, PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Two empty databases."""
    if request.param == "sqlite":
        yield tmp_path / "migrated.db", tmp_path / "fresh.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    names = [server.create_database() for _ in range(2)]
    yield tuple(server.url(name) for name in names)
    for name in names:
        server.drop_database(name)


def described(place: str | Path) -> dict[str, Any]:
    engine = dialect.connect(place, 30)
    try:
        with engine.begin() as connection:
            found = sa.inspect(connection)
            tables = sorted(set(found.get_table_names()) - {"alembic_version"})
            return {table: _table(found, table) for table in tables} | {"indexes": _indexes(connection)}
    finally:
        engine.dispose()


def _table(found: sa.Inspector, table: str) -> dict[str, Any]:
    columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)]
    return {
        "columns": columns,
        "key": found.get_pk_constraint(table)["constrained_columns"],
        "foreign": sorted(str(sorted(key.items())) for key in found.get_foreign_keys(table)),
        "unique": sorted(str(sorted(key["column_names"])) for key in found.get_unique_constraints(table)),
        "checks": sorted(str(check["sqltext"]) for check in found.get_check_constraints(table)),
    }


def _indexes(connection: sa.Connection) -> list[str]:
    if dialect.is_sqlite(connection):
        query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    else:
        query = (
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
    return sorted(connection.execute(sa.text(query)).scalars())


async def migrate(place: str | Path) -> None:
    async with SqlStorage(place):
        pass


async def test_a_migrated_database_equals_a_fresh_one(places: tuple[str | Path, str | Path]) -> None:
    migrated, fresh = places
    await migrate(migrated)
    engine = dialect.connect(fresh, 30)
    metadata.create_all(engine)
    engine.dispose()

    assert described(migrated) == described(fresh)


async def test_what_waits_in_a_database_of_before_is_kept(places: tuple[str | Path, str | Path]) -> None:
    place, _ = places
    async with SqlStorage(place) as storage:
        await ManualWorker(storage, storage.now).batch("a", "b")
    engine = dialect.connect(place, 30)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE lanes AS SELECT * FROM model_queues"))
        connection.execute(sa.text("DROP TABLE model_queues"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()

    async with SqlStorage(place) as storage:
        claimed = await ManualWorker(storage, storage.now).claim(2)

    assert [request.data.custom_id for request in claimed] == ["a", "b"]


async def test_several_may_open_a_new_database_at_once(places: tuple[str | Path, str | Path]) -> None:
    place, _ = places

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(migrate, place)

    assert "requests" in described(place)


async def test_a_newer_database_is_refused_and_left_alone(places: tuple[str | Path, str | Path]) -> None:
    place, _ = places
    await migrate(place)
    engine = dialect.connect(place, 30)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(SchemaTooNew, match="upgrade hostel"):
        await migrate(place)

    assert REVISION != "9999"


async def test_a_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    await migrate(tmp_path / "batch.db")

    modes = [(await path.stat()).st_mode & 0o077 async for path in anyio.Path(tmp_path).iterdir()]
    assert modes == [0]
