"""What a task costs, as ratios against peers in the same run: `python benchmarks/tasks.py [asyncio] [trio]`.

Rates are medians of interleaved rounds. A bare anyio task group is 1.00. aiojobs and docket (in memory) are
measured where they are installed (extra `bench`). The last column is the goal, and `missed` where it is."""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel

from hostel.sessions import LocalBackgroundTaskHost, TaskFilter, TaskSpec
from hostel.sessions.journal import SqliteJournal

TASKS = 3_000
ROUNDS = 7
SPEC = TaskSpec()

GOALS = {"managed, spawn to terminal": 0.8, "hidden": 0.85}

Measured = Callable[[], Awaitable[float]]


async def noop() -> None:
    await anyio.lowlevel.checkpoint()


async def bare() -> float:
    start = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(noop)
    return TASKS / (time.perf_counter() - start)


async def bare_asyncio() -> float:
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(noop())
    return TASKS / (time.perf_counter() - start)


async def managed() -> float:
    async with LocalBackgroundTaskHost() as host:
        start = time.perf_counter()
        for _ in range(TASKS):
            await host.spawn_managed("s", SPEC, noop)
        await host.wait_all("s")
        return TASKS / (time.perf_counter() - start)


async def hidden() -> float:
    async with LocalBackgroundTaskHost() as host:
        start = time.perf_counter()
        for _ in range(TASKS):
            await host.spawn_hidden("s", "noop", noop)
        await host.await_hidden("s")
        return TASKS / (time.perf_counter() - start)


async def aiojobs_peer() -> float:
    import aiojobs

    start = time.perf_counter()
    async with aiojobs.Scheduler(limit=None) as scheduler:
        for _ in range(TASKS):
            await scheduler.spawn(noop())
        await scheduler.wait_and_close(60)
    return TASKS / (time.perf_counter() - start)


async def docket_peer() -> float:
    from datetime import timedelta

    from docket import Docket, Worker

    count = 100
    async with Docket(name="bench", url="memory://") as docket:
        docket.register(noop)
        start = time.perf_counter()
        for _ in range(count):
            await docket.add(noop)()
        async with Worker(docket, minimum_check_interval=timedelta(milliseconds=5)) as worker:
            await worker.run_until_finished()
        return count / (time.perf_counter() - start)


async def rates(loop: str) -> None:
    peers: list[tuple[str, Measured]] = [("bare anyio task group", bare)]
    if loop == "asyncio":
        peers.append(("bare asyncio.TaskGroup", bare_asyncio))
    peers += [("managed, spawn to terminal", managed), ("hidden", hidden)]
    if loop == "asyncio":
        peers += [(name, peer) for name, peer in _asyncio_peers()]
    found: dict[str, list[float]] = {name: [] for name, _ in peers}
    for _ in range(ROUNDS):
        for name, measure in peers:
            gc.collect()
            found[name].append(await measure())
    unit = statistics.median(found["bare anyio task group"])
    for name, values in found.items():
        rate = statistics.median(values)
        row(name, f"{rate:,.0f}/s", rate / unit, least=GOALS.get(name))


def _asyncio_peers() -> list[tuple[str, Measured]]:
    peers: list[tuple[str, Measured]] = []
    for module, name, peer in (
        ("aiojobs", "aiojobs", aiojobs_peer),
        ("docket", "docket, in memory", docket_peer),
    ):
        try:
            __import__(module)
        except ImportError:
            continue
        peers.append((name, peer))
    return peers


async def publishing() -> None:
    costs: dict[str, list[float]] = {"one": [], "idle": [], "elsewhere": []}
    for _ in range(ROUNDS):
        costs["one"].append(await _publish(1, None))
        costs["idle"].append(await _publish(1_000, None))
        costs["elsewhere"].append(await _publish(1_000, "other"))
    one = statistics.median(costs["one"])
    row("publish, 1 subscriber", f"{one * 1e6:.1f} µs", 1.0)
    for name, words in (
        ("idle", "1,000 that do not read"),
        ("elsewhere", "1,000 waiting for another session"),
    ):
        cost = statistics.median(costs[name])
        row(f"publish, {words}", f"{cost * 1e6:.1f} µs", cost / one, most=1.2)


async def _publish(subscribers: int, session: str | None) -> float:
    async with LocalBackgroundTaskHost() as host, anyio.create_task_group() as readers:
        await host.register("s", TaskSpec(id="t"))
        for _ in range(subscribers):
            subscription = host.subscribe(TaskFilter(session))
            if session is not None:
                readers.start_soon(subscription.__anext__)
        await anyio.wait_all_tasks_blocked()
        start = time.perf_counter()
        for _ in range(1_000):
            await host.register("s", SPEC)
        cost = (time.perf_counter() - start) / 1_000
        readers.cancel_scope.cancel()
    return cost


async def delivering() -> None:
    events, readers = 1_000, 1_000

    async def read(subscription: object) -> None:
        count = 0
        async for _ in subscription:  # type: ignore[attr-defined]
            count += 1
            if count == events:
                return

    async with LocalBackgroundTaskHost() as host:
        async with anyio.create_task_group() as group:
            for _ in range(readers):
                group.start_soon(read, host.subscribe())
            await anyio.wait_all_tasks_blocked()
            start = time.perf_counter()
            for _ in range(events):
                await host.register("s", SPEC)
        spent = time.perf_counter() - start
    row("1,000 events to 1,000 subscribers", f"{events * readers / spent:,.0f} events/s")


async def listing() -> None:
    few, many = await _list(0), await _list(100_000)
    row("list of 10 tasks, empty host", f"{few * 1e6:.1f} µs", 1.0)
    row("list of 10 tasks among 100,000 live", f"{many * 1e6:.1f} µs", many / few, most=2.0)


async def _list(others: int) -> float:
    async with LocalBackgroundTaskHost() as host:
        for number in range(others):
            await host.register(f"s{number % 100}", SPEC)
        for _ in range(10):
            await host.register("mine", SPEC)
        costs = []
        for _ in range(200):
            start = time.perf_counter()
            await host.list(TaskFilter("mine"))
            costs.append(time.perf_counter() - start)
    return statistics.median(costs)


async def live_records(count: int = 100_000) -> None:
    async with LocalBackgroundTaskHost(retain_events=1) as host:
        await host.register("live", SPEC)
        before = _resident()
        for _ in range(count):
            await host.register("live", SPEC)
        row("one live record", f"{(_resident() - before) / count:,.0f} bytes")


async def finished_tasks(total: int = 1_000_000) -> None:
    async with LocalBackgroundTaskHost(retain_terminal=10_000) as host:
        first = 0
        for number in range(1, total + 1):
            await host.register("s", SPEC)
            if not number % 1_000:
                for record in await host.list(TaskFilter("s")):
                    await host.complete(record.id, session_id="s")
            if number == total // 10:
                first = _resident()
        last = _resident()
    figure = f"{first / 2**20:.0f}, {last / 2**20:.0f} MiB"
    row(f"resident after {total // 10:,} and {total:,} finished", figure, last / first, most=1.05)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def durable() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with LocalBackgroundTaskHost(SqliteJournal(Path(folder) / "journal.sqlite3")) as host:
            start = time.perf_counter()

            async def caller() -> None:
                for _ in range(100):
                    await host.register("s", SPEC)

            async with anyio.create_task_group() as callers:
                for _ in range(100):
                    callers.start_soon(caller)
            rate = 10_000 / (time.perf_counter() - start)
    row("durable registrations, 100 callers, over 5,000/s", f"{rate:,.0f}/s", rate / 5_000, least=1.0)


async def one_loop(loop: str) -> None:
    await rates(loop)
    await publishing()
    await delivering()
    await listing()
    await durable()


def row(
    name: str,
    figure: str,
    ratio: float | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> None:
    told = "" if ratio is None else f"{ratio:.2f}"
    goal = "" if least is None else f"at least {least:g}"
    goal = goal if most is None else f"at most {most:g}"
    kept = ratio is None or (least or 0.0) <= ratio <= (most or float("inf"))
    print(f"{name:50}{figure:>22}{told:>8}   {goal}{'' if kept else ', missed'}".rstrip(), flush=True)


def main() -> None:
    print("memory")  # first: what others have freed would be taken again unseen
    anyio.run(live_records)
    anyio.run(finished_tasks)
    for loop in sys.argv[1:] or ("asyncio", "trio"):
        print(f"\n{loop}")
        anyio.run(one_loop, loop, backend=loop)


if __name__ == "__main__":
    main()
