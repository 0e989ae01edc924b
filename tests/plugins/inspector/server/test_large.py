"""What is large: a result that lists leave out, and a list that takes long while others are answered."""

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
from hostel.sessions import LocalBackgroundTaskHost, TaskSpec

from ..conftest import Served, client
from .test_events import stream, take

pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")  # as there

LARGE = "x" * 70_000
SIZE = len(json.dumps(LARGE))


@asynccontextmanager
async def serving(data_dir: Path | None) -> AsyncIterator[Served]:
    inspector = Inspector()
    runtime = Runtime([inspector], data_dir=data_dir, load_installed=False, blocked=["model_pull", "batch"])
    async with runtime, client(inspector) as http:
        yield Served(runtime, inspector, http)


async def page_write() -> str:
    return LARGE


@pytest.mark.parametrize("is_kept", [False, True], ids=["memory", "journal"])
async def test_a_large_result_is_whole_in_its_task_and_a_size_elsewhere(
    is_kept: bool, tmp_path: Path
) -> None:
    async with serving(tmp_path / "data" if is_kept else None) as served:
        handle = await served.host.spawn_managed("s", TaskSpec(id="t", parent_task_id="up"), page_write)
        await handle.wait()
        await served.host.register("s", TaskSpec(id="up"))

        whole = (await served.http.get("/api/tasks/t")).json()
        (listed,) = (await served.http.get("/api/tasks?include_terminal=true&state=completed")).json()[
            "items"
        ]
        (child,) = (await served.http.get("/api/tasks/up")).json()["children"]
        async with stream(served.http, "after=start") as frames:
            told = [json.loads(frame.data) for frame in await take(frames, 3)]
        (streamed,) = (event for event in told if event["type"] == "completed")

    assert whole["result"]["value"] == LARGE
    for record in (listed, child, whole["history"][-1]["record"], streamed["record"]):
        assert (record["result"]["value"], record["result"]["size"]) == (None, SIZE)


class Held:
    """What the host reads long lists with, held until it is released."""

    def __init__(self, host: object) -> None:
        assert isinstance(host, LocalBackgroundTaskHost)
        journal = host._journal
        assert journal is not None
        self._connection = journal._open.lists.connection  # type: ignore[attr-defined]
        self.entered, self.release = threading.Event(), threading.Event()

    def __enter__(self) -> "Held":
        self._connection.set_progress_handler(self._hold, 1)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()

    def _hold(self) -> int:
        self.entered.set()
        self.release.wait()
        return 0


async def test_a_long_list_that_takes_its_time_holds_up_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as served, client(served.inspector) as other:
        await served.host.register("s", TaskSpec(id="parent"))
        await served.host.register("s", TaskSpec(id="child", parent_task_id="parent"))
        for task_id in ("child", "parent"):
            await served.host.complete(task_id, session_id="s")
        lists: list[set[str]] = []

        async def ask_for_all() -> None:
            items = (await other.get("/api/tasks?include_terminal=true")).json()["items"]
            lists.append({record["id"] for record in items})

        with Held(served.host) as held:
            async with anyio.create_task_group() as asking:
                asking.start_soon(ask_for_all)
                await anyio.to_thread.run_sync(held.entered.wait)

                shown = (await served.http.get("/api/tasks/parent")).json()
                await served.host.register("s", TaskSpec(id="new"))
                live = (await served.http.get("/api/tasks")).json()["items"]
                cancelled = await served.http.post("/api/tasks/new/cancel", json={})

                assert lists == []
                held.release.set()

    assert (shown["state"], [child["id"] for child in shown["children"]]) == ("completed", ["child"])
    assert [record["id"] for record in live] == ["new"]
    assert cancelled.status_code == 200
    assert lists[0] >= {"parent", "child"}
