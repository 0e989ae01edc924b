"""What a runtime says of itself to whoever keeps an eye on it, over HTTP on both loops."""

import re
import time

import anyio
import pytest

from hostel.plugins.inspector import Inspector
from hostel.runtime import TaskKind, current_task, hookimpl
from hostel.sessions import CancelPolicy, Progress, TaskSpec

from ..conftest import Served, client, runtime_with

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (\d+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')
HIDDEN = "a kind that nobody registered"


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], int]:
    """Return what a text in Prometheus' form says; refuse any that is not one."""
    assert text.endswith("\n")
    values: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    typed: set[str] = set()
    described = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            described = line.split(" ", 3)[2]
            assert described not in typed
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == described
            assert kind in ("gauge", "counter")
            typed.add(name)
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == described
            assert sample[1] in typed
            key = sample[1], tuple(sorted(LABEL.findall(sample[2] or "")))
            assert key not in values
            values[key] = int(sample[3])
    return values


async def test_a_runtime_with_nothing_wrong_says_so(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="waits"))

    assert (await served.http.get("/api/lints")).json() == {
        "items": [],
        "next": None,
        "left_out": 0,
        "counts": [],
    }


async def test_a_silent_task_is_told_with_since_when(served: Served) -> None:
    await served.host.register_external("s", TaskSpec(id="a/b"))
    record = await served.host.update("a/b", progress=Progress("half"))
    while time.time() <= record.updated_at:
        await anyio.lowlevel.checkpoint()

    told = (await served.http.get("/api/lints?silent_after=0")).json()

    (item,) = told["items"]
    assert item.pop("text").startswith("no sign of it for ")
    assert item == {"lint": "silent", "task_id": "a/b", "session_id": "s", "since": record.updated_at}
    assert told["counts"] == [{"lint": "silent", "count": 1, "text": "run and show no sign: 1"}]


async def test_output_and_heartbeats_are_signs(served: Served) -> None:
    spec = TaskSpec(id="a", heartbeat_ttl=1_000)
    before = await served.host.register_external("s", spec)
    while time.time() <= before.updated_at:
        await anyio.lowlevel.checkpoint()

    await served.host.write_output("a", "hello")
    written = await served.host.get("a")
    assert written is not None
    assert written.updated_at > before.updated_at
    while time.time() <= written.updated_at:
        await anyio.lowlevel.checkpoint()
    await served.host.heartbeat("s", "a")
    after = await served.host.get("a")

    assert after is not None
    assert after.heartbeat_at == after.updated_at > written.updated_at
    assert after.heartbeat_ttl == 1_000


async def test_more_than_a_thousand_findings_are_counted_and_not_listed(served: Served) -> None:
    for number in range(1_050):
        await served.host.register_external("s", TaskSpec(id=f"t{number}"))
        await served.host.write_output(f"t{number}", "x")
    await served.host.register_external("s", TaskSpec(id="well"))

    told = (await served.http.get("/api/lints?silent_after=0")).json()

    assert (len(told["items"]), told["left_out"]) == (1_000, 50)
    assert [one["count"] for one in told["counts"]] == [1_050]


@pytest.mark.parametrize("after", ["-1", "soon", "1.5", "99999999999"])
async def test_a_senseless_silence_is_refused(served: Served, after: str) -> None:
    assert (await served.http.get("/api/lints", params={"silent_after": after})).status_code == 400


class Brings:
    name = "brings"

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        async def body() -> None:
            await current_task().progress("on")
            await anyio.sleep_forever()

        return [TaskKind("brought", body)]


async def test_metrics_count_live_tasks_lints_and_streams(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="a"))
    await served.host.register_external("s", TaskSpec(id="b", cancel_policy=CancelPolicy.COOPERATIVE))
    await served.host.register_external("secret", TaskSpec(id='"\n', kind=HIDDEN, label=HIDDEN))

    response = await served.http.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert HIDDEN not in response.text
    assert "secret" not in response.text
    told = samples(response.text)
    assert told["hostel_tasks_live", (("kind", "other"), ("state", "pending"))] == 1
    assert told["hostel_tasks_live", (("kind", "other"), ("state", "running"))] == 2
    assert told["hostel_lints", (("lint", "silent"),)] == 0
    assert told["hostel_streams_open", ()] == 0


async def test_metrics_name_the_kinds_of_plugins() -> None:
    inspector = Inspector()
    async with runtime_with(Brings(), inspector) as runtime, client(inspector) as http:
        await runtime.start("s", "brought", {}, id="x")
        async with http.stream("GET", "/api/events"):
            told = samples((await http.get("/metrics")).text)
            while told["hostel_streams_open", ()] != 1:
                told = samples((await http.get("/metrics")).text)

    counted = [key[1] for key in told if key[0] == "hostel_tasks_live"]
    assert [dict(labels)["kind"] for labels in counted] == ["brought"]


async def test_both_need_the_token(served: Served) -> None:
    for path in ("/api/lints", "/metrics"):
        assert (await served.http.get(path, headers={"authorization": ""})).status_code == 401
