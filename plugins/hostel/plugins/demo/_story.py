"""The story of the demo, told on a real runtime, a real hub on loopback and a real pull."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from hostel.plugins.model_pull import DownloadManager
from hostel.plugins.model_pull.testing import Fault, LocalHub, Origin, sample_model
from hostel.runtime import Runtime
from hostel.sessions import TaskSpec, TaskState

from ._plugin import DemoPlugin
from ._screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostel.runtime import Session

REPO = "demo/tiny-chat"
BYTES_PER_SECOND = 2_000_000


async def tell() -> None:
    """Run the demo."""
    with _workshop() as hub:
        plugin = DemoPlugin()
        async with Runtime(plugins=[plugin], load_installed=False) as runtime:
            screen = Screen(runtime.tasks)
            events = runtime.tasks.subscribe()
            screen.say(f"a hub of models listens on {hub.endpoint}; two sessions open: research and writing")
            async with runtime.session("research") as research, runtime.session("writing") as writing:
                await _play(runtime, plugin, screen, research, writing)
        screen.say("everything has stopped; this is what happened (bytes of progress left out):")
        screen.history([event async for event in events])


async def _play(
    runtime: Runtime, plugin: DemoPlugin, screen: Screen, research: Session, writing: Session
) -> None:
    await research.start("watch_build", label="build")
    report = await writing.start("write_report", {"title": "Report"}, label="report")
    stopped = anyio.Event()
    subagent = await research.register_external(TaskSpec(kind="subagent", label="subagent"), stopped.set)
    await writing.spawn_hidden("notes", anyio.sleep, 0.2)
    screen.say("a managed task watches a build, another waits for an answer, a subagent runs elsewhere,")
    screen.say(f"a hidden task takes notes, and research pulls {REPO}:Q8_0, three shards, checked by sha256:")
    async with screen.live():
        pull = runtime.get(DownloadManager).pull(f"{REPO}:Q8_0", session_id="research")
        await anyio.sleep(1.5)
        await research.transfer([pull.request_id], to="writing")
        await anyio.sleep(1)
        plugin.inbox.put("friendly")
        await report.wait()
        await research.cancel(subagent.id, "no longer needed", actor="the demo")
        path = await pull
    await writing.await_hidden()
    screen.say(f"the model is at {path.name}, where huggingface_hub finds it offline")
    screen.say(
        f"the subagent was told to stop: {stopped.is_set()}; the build is watched until its session closes"
    )
    for record in await research.list():
        await research.cancel(record.id, "the demo is over", actor="the demo")
    ended = [record for record in await research.list(include_terminal=True) if record.is_terminal]
    screen.say(
        f"research: {len(ended)} tasks, {sum(r.state is TaskState.CANCELLED for r in ended)} cancelled"
    )


@contextmanager
def _workshop() -> Iterator[LocalHub]:
    """A hub with one model and a cache to pull it to; both are gone afterwards."""
    with LocalHub() as hub, tempfile.TemporaryDirectory(prefix="hostel-demo-") as folder:
        hub.add_repo(REPO, sample_model())
        hub.fault(Fault(origin=Origin.CDN, bps=BYTES_PER_SECOND))
        with _environment(
            HF_ENDPOINT=hub.endpoint,
            HF_HOME=str(Path(folder) / "huggingface"),
            HF_TOKEN="",
            HF_HUB_DISABLE_TELEMETRY="1",
            NO_PROXY="127.0.0.1,127.0.0.2",
        ):
            yield hub


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
