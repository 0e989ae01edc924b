"""Downloads against curl, aria2c and huggingface_hub: `python benchmarks/downloads.py`, five minutes at most.

Every client is a process of its own that fetches from one local hub (another process) to the same file
system. Goals compare the seconds of the download: of the whole process for curl and aria2c, of the call for
the two Python libraries, whose imports a program pays once. CPU against curl is that of whole processes, and
against huggingface_hub that of the calls. Rounds are interleaved, so that a busy machine slows all; medians
of the rounds' ratios are held against the goals, and only ratios mean anything. Clients that are not
installed are left out. `--details` shows what each client took.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
from rich.console import Console
from rich.table import Table

from hostel.plugins.model_pull import RemoteFile
from hostel.plugins.model_pull._engine import fetch, partial_of
from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin

CLIENT = """
import sys, time
from pathlib import Path
import anyio
from hostel.plugins.model_pull._engine import ConnectionBudget, fetch
from hostel.plugins.model_pull import RemoteFile

async def main(connections, folder, size, sha256, *urls):
    budget = ConnectionBudget(int(connections))
    most = 1 if connections == "1" else None
    async def one(url):
        file = RemoteFile(url, int(size), sha256 or None, url)
        await fetch(file, Path(folder) / Path(url).name, budget=budget, connections=most)
    started, cpu = time.monotonic(), time.process_time()
    async with anyio.create_task_group() as tasks:
        for url in urls:
            tasks.start_soon(one, url)
    print(time.monotonic() - started, time.process_time() - cpu)

anyio.run(main, *sys.argv[1:])
"""
HUGGINGFACE = """
import sys, time
from huggingface_hub import hf_hub_download
started, cpu = time.monotonic(), time.process_time()
hf_hub_download(sys.argv[1], "whole.gguf", cache_dir=sys.argv[2])
print(time.monotonic() - started, time.process_time() - cpu)
"""

MIB = 1 << 20
SHARDS = 8
REPO = "bench/m"
INTERRUPTIONS = "interrupted at 200 MB/s"


@attrs.frozen
class Site:
    """A hub in another process: one whole file and the same number of bytes in shards."""

    endpoint: str
    size: int
    sha256: str

    def url(self, name: str = "whole.gguf") -> str:
        return f"{self.endpoint}/{REPO}/resolve/main/{name}"

    @property
    def shards(self) -> list[str]:
        return [f"shard-{number}.gguf" for number in range(SHARDS)]


@attrs.frozen
class Cost:
    """What one run took: seconds and processor seconds of the download and of the process, bytes of memory."""

    seconds: float
    cpu: float
    process: float
    process_cpu: float
    memory: int


Round = dict[str, Cost]


@attrs.frozen
class Goal:
    """`ours` must reach `least` of `theirs`, or at most `most` of it."""

    text: str
    ratio: Callable[[Round], float]
    least: float | None = None
    most: float | None = None

    def met(self, ratio: float) -> bool:
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)


@attrs.frozen
class Scenario:
    """`clients` are run in turn, those in `rarely` in the first two rounds only."""

    title: str
    bps: int | None
    clients: dict[str, Callable[[Site, Path], list[str]]]
    goals: list[Goal]
    rarely: frozenset[str] = frozenset()
    warm_up: bool = False


@attrs.frozen
class Verdict:
    scenario: str
    goal: str
    measured: str
    target: str
    met: bool | None


def ours(*, connections: int, verify: bool, shards: bool = False) -> Callable[[Site, Path], list[str]]:
    def command(site: Site, folder: Path) -> list[str]:
        names = site.shards if shards else ["whole.gguf"]
        size = site.size // len(names)
        sha256 = site.sha256 if verify else ""
        options = [str(connections), str(folder), str(size), sha256]
        return [sys.executable, "-c", CLIENT, *options, *(site.url(name) for name in names)]

    return command


def curl(site: Site, folder: Path) -> list[str]:
    return ["curl", "-sfL", "-o", str(folder / "out"), site.url()]


def curl_parallel(site: Site, folder: Path) -> list[str]:
    files = [part for name in site.shards for part in ("-o", str(folder / name), site.url(name))]
    return ["curl", "-sfL", "--no-progress-meter", "--parallel", "--parallel-max", str(SHARDS), *files]


def aria2(site: Site, folder: Path) -> list[str]:
    options = ["-x8", "-s8", "-k1M", "--file-allocation=none", "-q", "-d", str(folder), "-o", "out"]
    return ["aria2c", *options, site.url()]


def huggingface(_: Site, folder: Path) -> list[str]:
    return [sys.executable, "-c", HUGGINGFACE, REPO, str(folder)]


def speed(one: str, other: str) -> Callable[[Round], float]:
    return lambda costs: costs[other].seconds / costs[one].seconds


def cpu(one: str, other: str) -> Callable[[Round], float]:
    return lambda costs: costs[one].cpu / costs[other].cpu


def process_cpu(one: str, other: str) -> Callable[[Round], float]:
    return lambda costs: costs[one].process_cpu / costs[other].process_cpu


def memory_per_connection(costs: Round) -> float:
    """Return MiB that each of the eight connections takes beyond a process that fetches nothing."""
    return (costs["hostel"].memory - costs["idle"].memory) / 8 / MIB


def idle(site: Site, folder: Path) -> list[str]:
    return [sys.executable, "-c", CLIENT, "8", str(folder), str(site.size), ""]


SCENARIOS = [
    Scenario(
        "one connection, unthrottled",
        None,
        {"hostel": ours(connections=1, verify=False), "curl": curl, "huggingface_hub": huggingface},
        [
            Goal("speed over curl", speed("hostel", "curl"), least=0.9),
            Goal("CPU over curl", process_cpu("hostel", "curl"), most=1.4),
            Goal("speed over huggingface_hub", speed("hostel", "huggingface_hub"), least=3),
            Goal("CPU over huggingface_hub", cpu("hostel", "huggingface_hub"), most=1 / 3),
        ],
        warm_up=True,
    ),
    Scenario(
        "8 connections of 50 MB/s",
        50 * 1000**2,
        {
            "hostel": ours(connections=8, verify=False),
            "aria2c -x8": aria2,
            "huggingface_hub": huggingface,
            "idle": idle,
        },
        [
            Goal("speed over aria2c -x8", speed("hostel", "aria2c -x8"), least=0.93),
            Goal("speed over huggingface_hub", speed("hostel", "huggingface_hub"), least=6.5),
            Goal("MiB per connection", memory_per_connection, most=2),
        ],
        rarely=frozenset({"huggingface_hub"}),
    ),
    Scenario(
        "8 shards, 8 connections of 50 MB/s",
        50 * 1000**2,
        {"hostel": ours(connections=8, verify=False, shards=True), "curl --parallel": curl_parallel},
        [Goal("speed over curl --parallel", speed("hostel", "curl --parallel"), least=0.9)],
    ),
    Scenario(
        "verified, 4 connections of 50 MB/s",
        50 * 1000**2,
        {"verified": ours(connections=4, verify=True), "not verified": ours(connections=4, verify=False)},
        [
            Goal(
                "time over not verified",
                lambda costs: costs["verified"].seconds / costs["not verified"].seconds,
                most=1.05,
            )
        ],
    ),
]


def main() -> None:
    options = parsed()
    if options.serve:
        serve(*options.serve)
    else:
        compare(options)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--size", default="1G", help="bytes of the file (M, G)")
    parser.add_argument("--only", default="", help="run the scenarios whose title contains this")
    parser.add_argument("--details", action="store_true", help="show what each client took")
    parser.add_argument("--folder", type=Path, help="where to write; default: memory, if there is /dev/shm")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(options: argparse.Namespace) -> None:
    size = int(options.size[:-1]) * {"M": 1 << 20, "G": 1 << 30}[options.size[-1].upper()]
    memory = Path("/dev/shm")
    base = options.folder or (memory if memory.is_dir() else Path(tempfile.gettempdir()))
    console, verdicts = Console(width=120), list[Verdict]()
    for scenario in SCENARIOS:
        if options.only in scenario.title:
            with serving(size, scenario.bps) as site, tempfile.TemporaryDirectory(dir=base) as folder:
                rounds = measured(scenario, site, Path(folder), options.rounds)
            verdicts += judged(scenario, rounds)
            if options.details:
                console.print(costs_table(scenario, rounds, size))
    if options.only in INTERRUPTIONS:
        verdicts += interruptions(base, options.rounds)
    console.print(verdicts_table(verdicts))


def measured(scenario: Scenario, site: Site, folder: Path, rounds: int) -> list[Round]:
    """Run each client that is there once per round."""
    runs: list[Round] = []
    for number in range(-1 if scenario.warm_up else 0, rounds):
        costs: Round = {}
        for name, command in scenario.clients.items():
            target = folder / "run"
            target.mkdir()
            words = command(site, target)
            if shutil.which(words[0]) and (number < 2 or name not in scenario.rarely):
                costs[name] = run(words, site)
            shutil.rmtree(target)
        if number >= 0:
            runs.append(costs)
    return runs


def run(words: Sequence[str], site: Site) -> Cost:
    environment = {**os.environ, "HF_ENDPOINT": site.endpoint, "HF_HUB_DISABLE_XET": "1"}
    environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    started = time.monotonic()
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        told = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - started
    if process.returncode:
        raise RuntimeError(f"{words[0]} failed with {process.returncode}")
    effort = usage.ru_utime + usage.ru_stime
    seconds, cpu = map(float, told.split()) if words[0] == sys.executable else (took, effort)
    return Cost(seconds, cpu, took, effort, usage.ru_maxrss * 1024)


def judged(scenario: Scenario, rounds: list[Round]) -> Iterator[Verdict]:
    """Hold the median of the rounds' ratios against each goal."""
    for goal in scenario.goals:
        ratios = []
        for costs in rounds:
            with suppress(KeyError):
                ratios.append(goal.ratio(costs))
        target = f">= {goal.least:.2f}" if goal.least is not None else f"<= {goal.most:.2f}"
        if ratios:
            ratio = statistics.median(ratios)
            yield Verdict(scenario.title, goal.text, f"{ratio:.2f}", target, goal.met(ratio))
        else:
            yield Verdict(scenario.title, goal.text, "not installed", target, None)


def verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    shown = Table("scenario", "goal", "measured", "target", "verdict")
    for verdict in verdicts:
        word = "-" if verdict.met is None else "met" if verdict.met else "MISSED"
        shown.add_row(verdict.scenario, verdict.goal, verdict.measured, verdict.target, word)
    return shown


def costs_table(scenario: Scenario, rounds: list[Round], size: int) -> Table:
    """Show the medians of each client."""
    head = ("client", "seconds", "process s", "MB/s", "CPU s/GiB", "process CPU s/GiB", "memory MiB")
    shown = Table(*head, title=scenario.title, title_justify="left")
    for name in rounds[0]:
        costs = [costs[name] for costs in rounds if name in costs]
        seconds = statistics.median(cost.seconds for cost in costs)
        process = statistics.median(cost.process for cost in costs)
        efforts = [statistics.median(cost.cpu for cost in costs)]
        efforts.append(statistics.median(cost.process_cpu for cost in costs))
        memory = max(cost.memory for cost in costs) / MIB
        shown.add_row(
            name,
            f"{seconds:.2f}",
            f"{process:.2f}",
            f"{size / seconds / 1e6:.0f}" if seconds > 0.01 else "-",
            *(f"{effort / size * (1 << 30):.2f}" for effort in efforts),
            f"{memory:.0f}",
        )
    return shown


@contextmanager
def serving(size: int, bps: int | None) -> Iterator[Site]:
    command = [sys.executable, __file__, "--serve", str(size), str(bps or 0)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the hub has no pipes")
        yield Site(**json.loads(process.stdout.readline()))
        process.stdin.close()


def serve(size: str, bps: str) -> None:
    whole = Blob(int(size), seed=1)
    files: dict[str, bytes | Blob] = {"whole.gguf": whole}
    files |= {f"shard-{number}.gguf": Blob(int(size) // SHARDS, seed=number) for number in range(SHARDS)}
    with LocalHub() as hub:
        hub.add_repo(REPO, files)
        if int(bps):
            hub.fault(Fault(origin=Origin.CDN, bps=int(bps)))
        card = {"endpoint": hub.endpoint, "size": int(size), "sha256": whole.sha256}
        print(json.dumps(card), flush=True)
        sys.stdin.read()


def interruptions(base: Path, rounds: int) -> Iterator[Verdict]:
    """Measure what cancelling and killing cost, at 4 x 50 MB/s; the worst of all rounds counts."""
    with LocalHub() as hub:
        content = Blob(400 * MIB, seed=3)
        hub.add_repo(REPO, {"whole.gguf": content})
        hub.fault(Fault(origin=Origin.CDN, bps=50 * 1000**2))
        file = RemoteFile("m", content.size, content.sha256, f"{hub.endpoint}/{REPO}/resolve/main/whole.gguf")
        late, again = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(dir=base) as folder:
                late.append(anyio.run(cancelled, hub, file, Path(folder) / "blob") * 1000)
            with tempfile.TemporaryDirectory(dir=base) as folder:
                again.append(killed(hub, file, Path(folder) / "whole.gguf") / MIB)
    for goal, found, most in (
        ("cancel to the last byte, worst (ms)", max(late), 100),
        ("fetched again after SIGKILL, worst (MiB)", max(again), 4 * 16 + 200 * 1000**2 / MIB),
    ):
        yield Verdict(INTERRUPTIONS, goal, f"{found:.0f}", f"<= {most:.0f}", found <= most)


async def cancelled(hub: LocalHub, file: RemoteFile, blob: Path) -> float:
    """Return the seconds from cancelling to the moment that the hub has ended every answer."""
    hub.clear_log()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch, file, blob)
        await anyio.to_thread.run_sync(lambda: hub.wait_until_sent(100 * MIB))
        started = time.monotonic()
        tasks.cancel_scope.cancel()
    hub.wait_for(lambda: all(one.finished for one in hub.exchanges()))
    return time.monotonic() - started


def killed(hub: LocalHub, file: RemoteFile, blob: Path) -> int:
    """Return how many of the bytes that had left the hub before SIGKILL are not continued from."""
    hub.clear_log()
    arguments = ["4", str(blob.parent), str(file.size), str(file.sha256), file.url]
    with subprocess.Popen([sys.executable, "-c", CLIENT, *arguments]) as process:
        hub.wait_until_sent(250 * MIB)
        process.kill()
    partial = partial_of(file, blob)
    return hub.bytes_sent(origin=Origin.CDN) - (partial.done if partial else 0)


if __name__ == "__main__":
    main()
