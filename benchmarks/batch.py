"""What batches cost, beside the original's own queries on the same PostgreSQL: `python benchmarks/batch.py`.

The baseline is the original's schema and statements (version 2.1.2), sent with psycopg alone. Times are
medians. The last rows need no PostgreSQL: a daemon on SQLite against an endpoint that answers at once, and
memory while a file of 200 MB and 50,000 lines passes. Every row says what it has to reach, and whether it did;
the exit code is 1 if one did not."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import attrs
import psycopg

from hostel.plugins.batch import BatchInput, Daemon, HttpSender, SqlStorage
from hostel.plugins.batch._model.jsonl import content_line, upload_items
from hostel.plugins.batch._model.records import FileMetadata, Purpose
from hostel.plugins.batch.testing import ENDPOINT, ManualWorker, PostgresServer, template

if TYPE_CHECKING:
    from hostel.plugins.batch import RequestTemplateInput

BATCHES, LINES = 20, 10_000
BIG = 100_000
CLAIMS = 11
HERE = Path(__file__).parent
CONCURRENCY = 256


class Target(StrEnum):
    TIMES = "times faster"
    BELOW = "at most"
    ABOVE = "at least"


@attrs.frozen
class Row:
    """A figure, that of the original if it has one, and what ours has to reach."""

    name: str
    hostel: float
    target: Target
    bound: float
    original: float | None = None

    @property
    def times(self) -> float | None:
        return None if self.original is None else self.original / self.hostel

    @property
    def holds(self) -> bool:
        if self.target is Target.TIMES:
            return self.times is not None and self.times >= self.bound
        return self.hostel <= self.bound if self.target is Target.BELOW else self.hostel >= self.bound

    def __str__(self) -> str:
        original = "" if self.original is None else f"{self.original:,.1f}"
        times = "" if self.times is None else f"{self.times:,.1f}x"
        bound = f"{self.bound:g}x faster" if self.target is Target.TIMES else f"{self.target} {self.bound:g}"
        verdict = "ok" if self.holds else "MISSED"
        return f"{self.name:<62} {original:>10} {self.hostel:>10,.1f} {times:>8}  {bound:<14} {verdict}"


Rows = list[Row]


def milliseconds(action: Callable[[], object], times: int = CLAIMS) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


async def milliseconds_of(action: Callable[[], Awaitable[object]], times: int = CLAIMS) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        await action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


class Original:
    """The original's statements."""

    def __init__(self, url: str) -> None:
        self.db = psycopg.connect(url, autocommit=True)
        self.db.execute((HERE / "batch_baseline.sql").read_bytes())

    def load(self, models: int, lines: int, batches: int) -> list[UUID]:
        file_id = self._one("INSERT INTO files (name) VALUES ('f') RETURNING id")
        body = template("x" * 60).body
        self.db.execute(
            "INSERT INTO request_templates (file_id, custom_id, endpoint, method, path, body, model, api_key,"
            " line_number, body_byte_size) SELECT %s, 'r' || n, 'http://host', 'POST', '/v1/chat/completions',"
            " %s, 'model-' || n %% %s, 'key', n, %s FROM generate_series(0, %s) n",
            (file_id, body, models, len(body), lines - 1),
        )
        made = [self.create(file_id) for _ in range(batches)]
        self.db.execute("ANALYZE")
        return made

    def create(self, file_id: UUID) -> UUID:
        with self.db.transaction():
            batch_id = self._one(
                "INSERT INTO batches (file_id, endpoint, completion_window, expires_at)"
                " VALUES (%s, '/v1', '24h', now() + interval '24 h') RETURNING id",
                (file_id,),
            )
            self.db.execute(
                "INSERT INTO requests (batch_id, template_id, custom_id, model, state, retry_attempt)"
                " SELECT %s, id, custom_id, model, 'pending', 0 FROM request_templates WHERE file_id = %s",
                (batch_id, file_id),
            )
        return batch_id

    def create_big(self) -> None:
        self.create(self._one("SELECT file_id FROM request_templates LIMIT 1"))

    def claim(self, limit: int = 100) -> None:
        self.db.execute(
            "UPDATE requests SET state = 'pending', daemon_id = NULL, claimed_at = NULL, started_at = NULL"
            " WHERE (state = 'claimed' AND claimed_at < now() - interval '60 s')"
            " OR (state = 'processing' AND started_at < now() - interval '600 s')"
        )
        models = self.db.execute(
            "SELECT DISTINCT model FROM requests r JOIN batches b ON b.id = r.batch_id WHERE r.state = 'pending'"
            " AND r.template_id IS NOT NULL AND (r.not_before IS NULL OR r.not_before <= now())"
            " AND b.cancelling_at IS NULL"
        ).fetchall()
        for (model,) in models:
            if limit <= 0:
                return
            limit -= len(self._claim_of(model, limit))

    def _claim_of(self, model: str, limit: int) -> list[Any]:
        return self.db.execute(
            "WITH busy AS (SELECT count(*) AS n FROM requests WHERE state IN ('claimed', 'processing')"
            " AND model = %(model)s), picked AS (SELECT r.id, r.template_id FROM requests r"
            " JOIN batches b ON b.id = r.batch_id WHERE r.state = 'pending' AND r.model = %(model)s"
            " AND r.template_id IS NOT NULL AND (r.not_before IS NULL OR r.not_before <= now())"
            " AND b.cancelling_at IS NULL ORDER BY b.expires_at"
            " LIMIT LEAST(%(limit)s, GREATEST(100000 - (SELECT n FROM busy), 0)) FOR UPDATE OF r SKIP LOCKED)"
            " UPDATE requests r SET state = 'claimed', daemon_id = gen_random_uuid(), claimed_at = now()"
            " FROM picked p JOIN request_templates t ON t.id = p.template_id WHERE r.id = p.id"
            " RETURNING r.id, r.custom_id, t.endpoint, t.method, t.path, t.body, t.model, t.api_key",
            {"model": model, "limit": limit},
        ).fetchall()

    def status(self, batch_id: UUID) -> None:
        self.db.execute(
            "SELECT b.id, b.file_id, f.name, count(*) FILTER (WHERE r.state = 'pending' AND b.cancelling_at IS NULL),"
            " count(*) FILTER (WHERE r.state IN ('claimed', 'processing')),"
            " count(*) FILTER (WHERE r.state IN ('completed', 'superseded')),"
            " count(*) FILTER (WHERE r.state = 'failed'),"
            " count(*) FILTER (WHERE r.state = 'canceled' OR (r.state = 'pending' AND b.cancelling_at IS NOT NULL))"
            " FROM batches b LEFT JOIN files f ON f.id = b.file_id LEFT JOIN requests r ON r.batch_id = b.id"
            " AND NOT r.is_escalated WHERE b.id = %s GROUP BY b.id, f.name",
            (batch_id,),
        ).fetchall()

    def cancel(self, batch_id: UUID) -> None:
        self.db.execute(
            "UPDATE batches SET cancelling_at = now(), cancelled_at = now() WHERE id = %s", (batch_id,)
        )

    def _one(self, statement: str, values: tuple[object, ...] = ()) -> UUID:
        row = self.db.execute(statement.encode(), values).fetchone()
        if row is None:
            raise LookupError(statement)
        found: UUID = row[0]
        return found


def lines(count: int, models: int) -> Iterator[RequestTemplateInput]:
    for number in range(count):
        yield template("x" * 60, f"model-{number % models}")


async def file_of(storage: SqlStorage, count: int, models: int) -> BatchInput:
    file_id = await storage.create_file("f", None, list(lines(count, models)))
    return BatchInput(file_id, ENDPOINT)


async def claims(server: PostgresServer, models: int) -> Rows:
    original = Original(server.url(server.create_database()))
    original.load(models, LINES, BATCHES)
    theirs = milliseconds(original.claim)
    original.db.close()
    url = server.url(server.create_database())
    async with SqlStorage(url) as storage:
        order = await file_of(storage, LINES, models)
        for _ in range(BATCHES):
            await storage.create_batch(order)
        _analyze(url)
        worker = ManualWorker(storage, storage.now)
        ours = await milliseconds_of(lambda: worker.claim(100))
    name = f"claim of 100 among {BATCHES * LINES:,} pending, {models} models, ms"
    return [Row(name, ours, Target.TIMES, 3, theirs)]


def _analyze(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


async def big_batches(server: PostgresServer) -> Rows:
    original = Original(server.url(server.create_database()))
    (made,) = original.load(1, BIG, 1)
    their_create = milliseconds(original.create_big, 3)
    their_status = milliseconds(lambda: original.status(made), 5)
    their_cancel = milliseconds(lambda: original.cancel(made), 1)
    original.db.close()
    async with SqlStorage(server.url(server.create_database())) as storage:
        order = await file_of(storage, BIG, 1)
        batch = await storage.create_batch(order)
        our_create = await milliseconds_of(lambda: storage.create_batch(order), 3)
        our_status = await milliseconds_of(lambda: storage.get_batch_status(batch.id), 101)
        our_cancel = await milliseconds_of(lambda: storage.cancel_batch(batch.id), 1)
    return [
        Row(f"create a batch of {BIG:,} from a file, ms", our_create, Target.TIMES, 2, their_create),
        Row(f"status of a batch of {BIG:,}, ms", our_status, Target.TIMES, 50, their_status),
        Row(f"cancel a batch of {BIG:,}, ms", our_cancel, Target.BELOW, 100, their_cancel),
    ]


async def throughput(count: int = 10_000) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        upstream = subprocess.Popen(
            [sys.executable, str(HERE / "batch_upstream.py")], stdout=subprocess.PIPE, text=True
        )
        if upstream.stdout is None:
            raise RuntimeError("the endpoint has no output")
        port = await anyio.to_thread.run_sync(upstream.stdout.readline)
        try:
            async with SqlStorage(Path(folder) / "batch.db") as storage:
                url = f"http://127.0.0.1:{int(port)}"
                await _worked_through(storage, url, CONCURRENCY)
                used = time.process_time()
                rate = await _worked_through(storage, url, count)
                used = time.process_time() - used
        finally:
            upstream.kill()
            upstream.communicate()
    name = f"daemon on SQLite, instant endpoint, {CONCURRENCY} at once"
    return [
        Row(f"{name}, requests/s", rate, Target.ABOVE, 1000),
        Row(f"{name}, CPU ms/request", used / count * 1000, Target.BELOW, 1),
    ]


async def _worked_through(storage: SqlStorage, url: str, count: int) -> float:
    order = await file_of(storage, count, 1)
    async with HttpSender(url) as sender, anyio.create_task_group() as group:
        daemon = Daemon(storage, sender, default_concurrency=CONCURRENCY, claim_size=CONCURRENCY)
        group.start_soon(daemon.run)
        start = time.perf_counter()
        batch = await storage.create_batch(order)
        daemon.wake()
        while not (await storage.get_batch(batch.id)).is_finished:
            await anyio.sleep(0.05)
        taken = time.perf_counter() - start
        group.cancel_scope.cancel()
    return count / taken


async def memory(count: int) -> None:
    """Upload, batch and download `count` lines of 4 KB; print how much the process grew, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        async with SqlStorage(Path(folder) / "batch.db") as storage:
            await _pass_through(storage, 100)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            await _pass_through(storage, count)
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{(after - before) / 1024}\n")


async def _pass_through(storage: SqlStorage, count: int) -> None:
    file_id = await storage.create_file_stream(
        upload_items(FileMetadata("f", purpose=Purpose.BATCH), _uploaded(count))
    )
    await storage.create_batch(BatchInput(file_id, ENDPOINT))
    size = 0
    async for item in storage.get_file_content_stream(file_id):
        size += len(content_line(item)) + 1
    if size != (await storage.get_file(file_id)).size_bytes:
        raise RuntimeError("what was read is not what was written")


async def _uploaded(count: int) -> AsyncIterator[bytes]:
    body = json.loads(template("x" * 3900).body)
    for number in range(count):
        line = {"custom_id": f"r{number}", "method": "POST", "url": ENDPOINT, "body": body}
        yield json.dumps(line).encode() + b"\n"


def grown(count: int) -> float:
    command = [sys.executable, __file__, "memory", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def growth(few: int = 5_000, many: int = 50_000) -> Rows:
    name = f"memory for {many:,} lines, 200 MB, beyond that for {few:,}, MB"
    return [Row(name, max(0.0, grown(many) - grown(few)), Target.BELOW, 32)]


def flatness(rows: Rows) -> Rows:
    """Compare the claims among few and among many models."""
    few, many = rows[0].hostel, rows[-1].hostel
    return [Row("claim among 100 models, in claims among 1", many / few, Target.BELOW, 2)]


async def main() -> bool:
    columns = f"{'':<62} {'original':>10} {'hostel':>10} {'':>8}  {'target':<14}"
    sys.stdout.write(columns + "\n")
    found: Rows = []

    def show(rows: Rows) -> None:
        found.extend(rows)
        sys.stdout.writelines(f"{row}\n" for row in rows)
        sys.stdout.flush()

    with PostgresServer(shared_buffers="256MB") as server:
        for models in (1, 20, 100):
            show(await claims(server, models))
        show(flatness(found))
        show(await big_batches(server))
    show(await throughput())
    show(growth())
    return all(row.holds for row in found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        anyio.run(memory, int(sys.argv[2]))
    else:
        sys.exit(0 if anyio.run(main) else 1)
