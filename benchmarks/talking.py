"""What output, admission and inboxes cost, as ratios in one run: `python benchmarks/talking.py [asyncio] [trio]`.

Costs are medians of interleaved rounds. Output is compared with a progress report, which every task may make;
admission with a host that has no limits; ten new notices with the same ten beside many acknowledged ones."""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from hostel.sessions import Limits, LocalBackgroundTaskHost, TaskSpec, current_task
from hostel.sessions.journal import SqliteJournal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

ROUNDS = 7
LINES = 2_000
TASKS = 2_000
SPEC = TaskSpec()
LINE = "one line of output, as a build prints them by the thousand\n"
WIDE = Limits(total=1_000_000)


def hosts() -> Iterator[tuple[str, Callable[[Path], LocalBackgroundTaskHost]]]:
    yield "memory", lambda _: LocalBackgroundTaskHost()
    yield "journal", lambda folder: LocalBackgroundTaskHost(SqliteJournal(folder / "journal.sqlite3"))


async def in_a_task(host: LocalBackgroundTaskHost, body: Callable[[], Awaitable[float]]) -> float:
    return await (await host.spawn_managed("s", SPEC, body)).wait()


async def report() -> float:
    task, start = current_task(), time.perf_counter()
    for number in range(LINES):
        await task.progress(done=number)
    return (time.perf_counter() - start) / LINES


async def write() -> float:
    task, start = current_task(), time.perf_counter()
    for _ in range(LINES):
        await task.write(LINE)
    return (time.perf_counter() - start) / LINES


async def writing(kind: str, open_host: Callable[[Path], LocalBackgroundTaskHost]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_host(Path(folder)) as host:
            found = await rounds(
                {"progress": partial(in_a_task, host, report), "write": partial(in_a_task, host, write)}
            )
    row(f"progress, {kind}", found["progress"], 1.0)
    row(f"write of a line, {kind}", found["write"], found["write"] / found["progress"], most=2.0)


async def noop() -> None:
    await anyio.lowlevel.checkpoint()


async def spawn(limits: Limits | None) -> float:
    async with LocalBackgroundTaskHost(limits=limits) as host:
        start = time.perf_counter()
        for _ in range(TASKS):
            await host.spawn_managed("s", SPEC, noop)
        await host.wait_all("s")
        return (time.perf_counter() - start) / TASKS


async def spawning() -> None:
    found = await rounds({"none": partial(spawn, None), "wide": partial(spawn, WIDE)})
    row("spawn to terminal, no limit", found["none"], 1.0)
    row("spawn to terminal, counted by a limit", found["wide"], found["wide"] / found["none"])


async def queued(count: int) -> float:
    """Return what it costs from the first to the last of `count` pending tasks to run, for each."""
    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    host = LocalBackgroundTaskHost(limits=Limits(total=1), retain_events=100, retain_terminal=100)
    async with host:
        go = anyio.Event()
        await host.spawn_managed("s", SPEC, go.wait)
        for number in range(count):
            await host.spawn_managed("s", SPEC, note, number)
        start = time.perf_counter()
        go.set()
        await host.wait_all("s")
        spent = time.perf_counter() - start
    assert order == list(range(count))
    return spent / count


async def queueing() -> None:
    few = statistics.median([await queued(1_000) for _ in range(3)])
    many = await queued(100_000)
    row("a pending task admitted, of 1,000", few, 1.0)
    row("a pending task admitted, of 100,000", many, many / few, most=2.0)


async def finish(host: LocalBackgroundTaskHost, count: int) -> None:
    async def some() -> None:
        for _ in range(count // 10):
            await host.spawn_managed("s", SPEC, noop)

    async with anyio.create_task_group() as callers:
        for _ in range(10):
            callers.start_soon(some)
    await host.wait_all("s")


async def drain(host: LocalBackgroundTaskHost) -> float:
    inbox = host.inbox("s")
    await finish(host, 10)
    costs = []
    for _ in range(3):  # the best of three: what was not touched for long comes from far away once
        start = time.perf_counter()
        notices = await inbox.drain()
        costs.append(time.perf_counter() - start)
        assert len(notices) == 10
    await inbox.ack(*notices)
    return min(costs)


async def draining(kind: str, acknowledged: int, folder: Path) -> LocalBackgroundTaskHost:
    journal = SqliteJournal(folder / f"{acknowledged}.sqlite3") if kind == "journal" else None
    host = LocalBackgroundTaskHost(journal, 100, 2 * acknowledged + 1_000, retain_bytes=2**40)
    await host.__aenter__()
    await finish(host, acknowledged)
    inbox = host.inbox("s")
    while notices := await inbox.drain(10_000):
        await inbox.ack(*notices)
    return host


async def inboxes(kind: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        beside = {name: await draining(kind, size, Path(folder)) for name, size in (("0", 0), ("n", count))}
        found = await rounds({name: partial(drain, host) for name, host in beside.items()}, 25)
        for host in beside.values():
            await host.__aexit__(None, None, None)
    row(f"10 new notices, {kind}", found["0"], 1.0)
    row(f"10 beside {count:,} acknowledged, {kind}", found["n"], found["n"] / found["0"], most=1.5)


async def rounds(
    measured: Mapping[str, Callable[[], Awaitable[float]]], count: int = ROUNDS
) -> dict[str, float]:
    """Return the median cost of each, measured in turns."""
    found: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(count):
        for name, measure in measured.items():
            gc.collect(0)
            found[name].append(await measure())
    return {name: statistics.median(costs) for name, costs in found.items()}


async def one_loop() -> None:
    for kind, open_host in hosts():
        await writing(kind, open_host)
    await spawning()
    await queueing()
    for kind, _ in hosts():
        await inboxes(kind, 100_000)


def row(name: str, cost: float, ratio: float, *, most: float | None = None) -> None:
    goal = "" if most is None else f"at most {most:g}{'' if ratio <= most else ', missed'}"
    print(f"{name:50}{cost * 1e6:>19,.1f} µs{ratio:>8.2f}   {goal}".rstrip(), flush=True)


def main() -> None:
    for loop in sys.argv[1:] or ("asyncio", "trio"):
        print(f"\n{loop}")
        anyio.run(one_loop, backend=loop)


if __name__ == "__main__":
    main()
