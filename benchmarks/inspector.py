"""What an inspector costs, in one run: `python benchmarks/inspector.py [asyncio] [trio] [page]`.

Readers of event streams run in a process of their own. `page` opens the page with 10,000 tasks in Chromium
(extra `test`, and Chromium installed) and reads the times from the browser's trace."""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
from anyio.streams.buffered import BufferedByteReceiveStream

from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
from hostel.sessions import BackgroundTaskHost, Progress, TaskSpec

if TYPE_CHECKING:
    from anyio.abc import ByteSendStream

READERS = 1_000
TASKS = 100
SECONDS = 4.0
ROUNDS = 3
MANY = 100_000
REQUESTS = 300

READER = """
import asyncio, os, sys
host, port, token, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
events = opened = 0
async def read():
    global events, opened
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    head = f"Host: {host}:{port}\\r\\nAuthorization: Bearer {token}"
    writer.write(f"GET /api/events HTTP/1.1\\r\\n{head}\\r\\n\\r\\n".encode())
    await reader.read(10)
    opened += 1
    while data := await reader.read(1 << 18):
        events += data.count(b"\\nevent: ")
def tell():
    os.read(0, 1)
    print(events, flush=True)
async def main():
    tasks = [asyncio.create_task(read()) for _ in range(count)]
    while opened < count:
        await asyncio.sleep(0.01)
    asyncio.get_running_loop().add_reader(0, tell)
    print("open", flush=True)
    await asyncio.gather(*tasks)
asyncio.run(main())
"""


CATCHING_UP = """
import socket, sys, time
host, port, token, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
peer = socket.create_connection((host, port))
head = f"Host: {host}:{port}\\r\\nAuthorization: Bearer {token}"
begun, events, tail = time.perf_counter(), 0, b""
peer.sendall(f"GET /api/events?after=start HTTP/1.1\\r\\n{head}\\r\\n\\r\\n".encode())
while events < count:
    data = peer.recv(1 << 18)
    assert data, "the stream has ended"
    data = tail + data
    events += data.count(b"\\nevent: ")
    tail = data[-7:]  # a frame may be cut anywhere
print(time.perf_counter() - begun, flush=True)
"""


def row(*cells: str) -> None:
    print("  ".join(f"{cell:>18}" if place else f"{cell:<54}" for place, cell in enumerate(cells)))


async def publish(host: BackgroundTaskHost, seconds: float) -> float:
    """Publish progress as fast as it goes, letting others run after each; return how often in a second of a
    processor, so that other programs on the machine do not count.
    """
    count, start, begun = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        await host.update(f"t{count % TASKS}", progress=Progress(f"step {count}", count, 1 << 40))
        count += 1
        await anyio.lowlevel.checkpoint()
    return count / (time.process_time() - begun)


async def streams() -> None:
    inspector = Inspector()
    async with Runtime(plugins=[inspector], load_installed=False, blocked=["model_pull"]) as runtime:
        for number in range(TASKS):
            await runtime.tasks.register("s", TaskSpec(id=f"t{number}"))
        for readers in (1, READERS):
            slowdowns, rates = [], []
            for _ in range(ROUNDS):
                alone = await publish(runtime.tasks, SECONDS / 2)
                beside, delivered = await _publish_to(readers, inspector, runtime.tasks)
                slowdowns.append(alone / beside)
                rates.append(delivered)
            row(
                f"{readers:,} readers of everything",
                f"{statistics.median(rates):,.0f} events/s",
                f"publisher / {statistics.median(slowdowns):.2f}",
                "at most 1.5",
            )


async def catching_up() -> None:
    """Let one reader read all that is kept while nobody else wants the loop."""
    inspector = Inspector()
    async with Runtime(
        plugins=[inspector],
        load_installed=False,
        blocked=["model_pull"],
        retain_events=2 * MANY,
        retain_bytes=1 << 32,
    ) as runtime:
        for number in range(TASKS):
            await runtime.tasks.register("s", TaskSpec(id=f"t{number}"))
        for number in range(MANY - TASKS):
            progress = Progress(f"step {number}", number, MANY)
            await runtime.tasks.update(f"t{number % TASKS}", progress=progress)
        rates, used = [], []
        for _ in range(ROUNDS):
            begun = time.process_time()
            rates.append(MANY / await _caught_up(inspector))
            used.append((time.process_time() - begun) / MANY)
    row(
        f"one reader catches up {MANY:,} events",
        f"{statistics.median(rates):,.0f} events/s",
        f"{statistics.median(used) * 1e6:.0f} us each",
        "at least 20,000/s",
    )


async def _caught_up(inspector: Inspector) -> float:
    """Return the seconds it took; there may be events of other tasks too."""
    url = httpx.URL(inspector.url)
    command = [sys.executable, "-c", CATCHING_UP, url.host, str(url.port), inspector.token, str(MANY)]
    return float((await anyio.run_process(command, stderr=None)).stdout)


async def _publish_to(readers: int, inspector: Inspector, host: BackgroundTaskHost) -> tuple[float, float]:
    url = httpx.URL(inspector.url)
    command = [sys.executable, "-c", READER, url.host, str(url.port), inspector.token, str(readers)]
    async with await anyio.open_process(command) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = BufferedByteReceiveStream(process.stdout)
        await told.receive_until(b"\n", 100)
        start, before = time.perf_counter(), await _count(process.stdin, told)
        rate = await publish(host, SECONDS)
        after = await _count(process.stdin, told)
        seconds = time.perf_counter() - start
        process.kill()
    return rate, (after - before) / seconds


async def _count(asked: ByteSendStream, told: BufferedByteReceiveStream) -> int:
    await asked.send(b"?")
    return int(await told.receive_until(b"\n", 100))


async def a_million_past_a_reader_that_never_reads() -> None:
    inspector = Inspector()
    async with Runtime(plugins=[inspector], load_installed=False, blocked=["model_pull"]) as runtime:
        await runtime.tasks.register("s", TaskSpec(id="a"))
        url = httpx.URL(inspector.url)
        head = f"Host: localhost\r\nAuthorization: Bearer {inspector.token}"
        async with await anyio.connect_tcp(url.host, url.port or 80) as stuck:
            await stuck.send(f"GET /api/events HTTP/1.1\r\n{head}\r\n\r\n".encode())
            used = [await _memory_after(runtime.tasks, count) for count in (100_000, 900_000)]
    row("a reader that never reads, 1,000,000 events", f"{(used[1] - used[0]) / 2**20:+.1f} MiB", "")


async def _memory_after(host: BackgroundTaskHost, count: int) -> int:
    for number in range(count):
        await host.update("a", progress=Progress(f"step {number}", number, count))
        if number % 20 == 0:
            await anyio.lowlevel.checkpoint()
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def lists() -> None:
    inspector = Inspector()
    async with Runtime(plugins=[inspector], load_installed=False, blocked=["model_pull"]) as runtime:
        headers = {"authorization": f"Bearer {inspector.token}"}
        async with httpx.AsyncClient(base_url=inspector.url, headers=headers, trust_env=False) as http:
            for number in range(100):
                await runtime.tasks.register("s", TaskSpec(id=f"t{number}"))
            few = await _times(http)
            for number in range(100, MANY):
                await runtime.tasks.register(f"s{number % 100}", TaskSpec(id=f"t{number}"))
            gc.collect()
            many = await _times(http)
    for name, times in (("100 tasks out of 100", few), (f"100 tasks out of {MANY:,}", many)):
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        row(f"list of {name}", f"p50 {p50 * 1e3:.1f} ms", f"p99 {p99 * 1e3:.1f} ms")
    row("", "", f"p99 x {many[int(len(many) * 0.99)] / few[int(len(few) * 0.99)]:.2f}", "at most 3")


async def _times(http: httpx.AsyncClient) -> list[float]:
    times = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        await http.get("/api/tasks", params={"limit": 100})
        times.append(time.perf_counter() - start)
    return sorted(times)


PAGE = """
import sys, anyio
from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
from hostel.sessions import Progress, TaskSpec
async def start(tasks, n, parent=None):
    spec = TaskSpec(id=f"t{n}", label=f"Task {n}", parent_task_id=parent)
    await tasks.register_external(f"s{n // 500 % 20}", spec)
async def change(tasks):
    n = 10_000
    while True:
        for step in range(50):
            if step % 10 == 0:
                await start(tasks, n)
                await tasks.complete(f"t{n - 10_000}")
                n += 1
            else:
                done = step * 2
                await tasks.update(f"t{n - 1 - step * 97}", progress=Progress(f"step {n}", done, 100))
        await anyio.sleep(0.1)
async def main():
    inspector = Inspector()
    async with Runtime(plugins=[inspector], load_installed=False, blocked=["model_pull"]) as runtime:
        for n in range(10_000):
            await start(runtime.tasks, n, f"t{n - n % 10}" if n % 10 else None)
        print(inspector.page_url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        await change(runtime.tasks)
anyio.run(main)
"""
"""10,000 tasks; told to, half a thousand of them change each second: nine tenths report, others come and end."""

LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
"""
CHANGING_SECONDS = 10
SCRIPTS = ("FunctionCall", "EvaluateScript", "v8.run", "RunMicrotasks")


def page() -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    command = [sys.executable, "-c", PAGE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            tab.add_init_script(LONG_TASKS)
            browser.start_tracing(page=tab, categories=TRACED)
            start = time.perf_counter()
            tab.goto(url)
            tab.wait_for_selector('.pill[data-state="live"] i:text-is("10,000")', timeout=60_000)
            loaded = time.perf_counter() - start
            events = json.loads(browser.stop_tracing())["traceEvents"]
            until_then = tab.evaluate("longTasks.splice(0)")
            browser.start_tracing(page=tab, categories=TRACED)
            program.stdin.write("\n")
            program.stdin.flush()
            tab.wait_for_timeout(CHANGING_SECONDS * 1_000)
            changing = json.loads(browser.stop_tracing())["traceEvents"]
            while_changing = tab.evaluate("longTasks.splice(0)")
            browser.close()
        program.kill()
    begun = min(event["ts"] for event in events if event["name"] == "navigationStart")
    painted = next(event for event in events if event["name"] == "firstContentfulPaint")
    row("page with 10,000 tasks: first paint", f"{(painted['ts'] - begun) / 1e3:.0f} ms", "at most 300 ms")
    row("page with 10,000 tasks: all of them there", f"{loaded * 1e3:.0f} ms", "at most 1500 ms")
    _scripts("page with 10,000 tasks: script until then", events, painted, until_then)
    _scripts(f"500 changes/s for {CHANGING_SECONDS} s: script", changing, painted, while_changing)


TRACED = ["blink.user_timing", "devtools.timeline", "loading", "v8", "disabled-by-default-devtools.timeline"]


def _scripts(name: str, events: list[Any], painted: Any, long_tasks: list[float]) -> None:
    """Say how long scripts took in the page's thread, in its own time and, the longest, by the clock."""
    own = [e for e in events if e["pid"] == painted["pid"] and e.get("tid") == painted["tid"] and "dur" in e]
    scripts = [(e.get("tdur", e["dur"]) / 1e3, e["dur"] / 1e3) for e in own if e["name"] in SCRIPTS]
    own_time, by_clock = (max((one[place] for one in scripts), default=0.0) for place in (0, 1))
    row(name, f"longest {own_time:.0f} ms", f"by the clock {by_clock:.0f} ms", "at most 50 ms")
    told = f"{max(long_tasks, default=0):.0f} ms" if long_tasks else ""
    row("  tasks of the browser over 50 ms", str(len(long_tasks)), told)


def main() -> None:
    wanted = sys.argv[1:] or ["asyncio", "trio", "page"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        for loop in ("asyncio", "trio"):
            if loop in wanted:
                row(f"on {loop}", "", "")
                anyio.run(catching_up, backend=loop)
                anyio.run(streams, backend=loop)
                anyio.run(a_million_past_a_reader_that_never_reads, backend=loop)
                anyio.run(lists, backend=loop)
        if "page" in wanted:
            page()


if __name__ == "__main__":
    main()
