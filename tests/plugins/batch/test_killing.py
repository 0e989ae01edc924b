"""Four daemons in four processes, killed at random, on lines that are cut at random."""

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator  # noqa: TC003
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from anyio.abc import Process

from hostel.plugins.batch import Batch, SqlStorage
from hostel.plugins.batch._model.records import BatchOutputItem
from hostel.plugins.batch._model.states import Completed
from hostel.plugins.batch.testing import (
    Answer,
    Call,
    Clock,
    ManualWorker,
    PostgresServer,
    Upstream,
    eventually,
)

REQUESTS = 2000
WORKERS = 4
KILLS = 6
CLOCK_ERROR = 1.0


class WorkerProcesses:
    """Worker processes on one store."""

    def __init__(self, location: str | Path, upstream: Upstream, loop: str) -> None:
        program = Path(__file__).with_name("worker.py")
        self._command = [sys.executable, str(program), str(location), upstream.url, loop]
        self.running: list[Process] = []

    async def start(self) -> None:
        self.running.append(await anyio.open_process(self._command, stdout=None, stderr=subprocess.DEVNULL))

    async def kill(self, process: Process) -> None:
        self.running.remove(process)
        process.kill()
        await process.aclose()

    @classmethod
    @asynccontextmanager
    async def started(
        cls, location: str | Path, upstream: Upstream, loop: str
    ) -> "AsyncIterator[WorkerProcesses]":
        processes = cls(location, upstream, loop)
        try:
            for _ in range(WORKERS):
                await processes.start()
            yield processes
        finally:
            with anyio.CancelScope(shield=True):
                for process in list(processes.running):
                    await processes.kill(process)


@pytest.mark.parametrize(("store", "loop"), [("sqlite", "asyncio"), ("postgresql", "trio")])
def test_every_line_has_one_result_whoever_is_killed(
    request: pytest.FixtureRequest, tmp_path: Path, store: str, loop: str
) -> None:
    """Once per store, each on one loop: what is tested is between processes."""
    if store == "sqlite":
        location: str | Path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "batch.db")
        anyio.run(_killing, location, loop, None, backend=loop)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database(like=request.getfixturevalue("postgres_database"))
    try:
        anyio.run(_killing, server.url(name), loop, server, backend=loop)
    finally:
        server.drop_database(name)


async def _killing(location: str | Path, loop: str, server: PostgresServer | None) -> None:
    chance = random.Random(7)

    def script(_: Call) -> Answer:
        luck = chance.random()
        return Answer(cut=luck < 0.01, cut_body=0.01 < luck < 0.02, status=503 if luck > 0.99 else 200)

    with anyio.fail_after(900):
        async with Upstream.serve() as upstream, SqlStorage(location) as storage:
            upstream.script = script
            worker = ManualWorker(storage, Clock())
            batch = await worker.batch(*(f"r{n}" for n in range(REQUESTS)))
            async with WorkerProcesses.started(location, upstream, loop) as processes:
                for kill in range(1, KILLS + 1):
                    await _reached(storage, batch, kill * REQUESTS // (KILLS + 2))
                    await processes.kill(chance.choice(processes.running))
                    if server is not None and kill % 2:
                        _cut_connections(server)
                    await processes.start()
                await _reached(storage, batch, REQUESTS)
            await _check(storage, batch, upstream)


async def _reached(storage: SqlStorage, batch: Batch, count: int) -> None:
    async def look() -> bool:
        return (await storage.get_batch(batch.id)).completed_requests >= count

    await eventually(look, within=900)


def _cut_connections(server: PostgresServer) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname LIKE 'database%' AND pid <> pg_backend_pid() AND random() < 0.3"
    )


async def _check(storage: SqlStorage, batch: Batch, upstream: Upstream) -> None:
    done = await storage.get_batch(batch.id)
    assert (done.completed_at is not None, done.completed_requests, done.failed_requests) == (
        True,
        REQUESTS,
        0,
    )
    assert done.output_file_id is not None
    results = Counter(
        item.custom_id
        for item in await storage.get_file_content(done.output_file_id)
        if isinstance(item, BatchOutputItem)
    )
    assert results == Counter({f"r{n}": 1 for n in range(REQUESTS)})
    held = sa.text("SELECT sum(in_flight) FROM model_queues")
    assert await storage._db.read(lambda connection: connection.execute(held).scalar_one()) == 0
    last_sent: dict[str, float] = {}
    for call in upstream.calls:
        last_sent[call.prompt] = call.at
    for request in await storage.get_batch_requests(batch.id):
        assert isinstance(request.state, Completed)
        assert last_sent[str(request.data.custom_id)] <= request.state.completed_at + CLOCK_ERROR
