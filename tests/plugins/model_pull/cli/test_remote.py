"""The queue of a runtime that serves, steered from another process over HTTP."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from hostel.plugins.inspector import Inspector
from hostel.plugins.model_pull import (
    DownloadManager,
    DownloadRequest,
    DownloadStatus,
    NotInQueue,
    PullCancelled,
    PullError,
    to_json,
)
from hostel.plugins.model_pull._cli.remote import RemoteQueue, RemoteQueues, remote_queues
from hostel.plugins.model_pull._queue.snapshot import snapshot_from_json
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.runtime import Runtime, cards
from hostel.sessions import JsonValue

T = TypeVar("T")
HOSTEL = str(Path(sys.executable).parent / "hostel")


@pytest.fixture
def slow_hub(hub: LocalHub) -> LocalHub:
    """A hub that holds back what it was asked for: no download ends."""
    for seed, name in enumerate("mnop", 1):
        hub.add_repo(f"org/{name}", {"m-Q8_0.gguf": Blob(8 * MIB, seed=seed)})
    hub.fault(Fault(origin=Origin.CDN, stall_after=64 << 10))
    return hub


async def ask(verb: Callable[..., T], *given: object, **named: object) -> T:
    with anyio.fail_after(60):
        return await anyio.to_thread.run_sync(partial(verb, *given, **named))


@asynccontextmanager
async def serving(data_dir: Path | None = None) -> AsyncIterator[tuple[DownloadManager, RemoteQueue]]:
    async with Runtime([Inspector()], data_dir=data_dir, load_installed=False) as runtime:
        found = await ask(remote_queues, data_dir or Path("nowhere"))
        yield runtime.get(DownloadManager), found.queues[0]


async def test_what_is_added_from_outside_is_queued_where_it_is_served(slow_hub: LocalHub) -> None:
    async with serving() as (manager, queue):
        requests = [DownloadRequest(f"org/{name}", session_id="s", limit=MIB) for name in "mno"]
        places = [await ask(queue.add, request) for request in requests]

        assert places == [("org/m:Q8_0", 1), ("org/n:Q8_0", 2), ("org/o:Q8_0", 3)]
        assert await manager.pending_count() == 1
        shown = await ask(queue.snapshot)
        assert [row.status for row in shown.items][2] is DownloadStatus.QUEUED
        assert {group.limiter.rate for group in manager._scheduler.groups.values()} == {MIB}
        await manager.cancel_all()


async def test_every_verb_reaches_the_queue(slow_hub: LocalHub) -> None:
    async with serving() as (manager, queue):
        handles = {name: manager.pull(f"org/{name}:Q8_0") for name in "mnop"}
        async with manager.subscribe() as events:
            async for _ in events:
                if await manager.pending_count() == 2:
                    break

        last = (await manager.get_queue_snapshot()).items[-1].id
        assert await ask(queue.reorder, last, 1) == 3
        assert (await manager.get_queue_snapshot()).items[2].id == last
        await ask(queue.cancel, last, clear_cache=True)
        with pytest.raises(PullCancelled):
            await handles[last[4]]
        assert not await manager.has_download(last)
        await manager.cancel_all()


async def test_failures_are_retried_and_cleared_from_outside(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB)})
    fault = hub.fault(Fault(origin=Origin.CDN, corrupt_at=5))
    async with serving() as (manager, queue):
        for _ in range(2):
            with pytest.raises(PullError):
                await manager.pull("org/m")
            [failure] = (await ask(queue.snapshot)).recent_failures
            await ask(queue.clear)
            assert (await ask(queue.snapshot)).recent_failures == ()
        assert failure.kind == "IntegrityFailed"
        with pytest.raises(PullError):
            await manager.pull("org/m")
        fault.disarm()
        async with manager.subscribe() as events:
            assert await ask(queue.retry, "org/m:Q8_0") == 1
            async for event in events:
                if event.terminal:
                    break
        assert event.type == "completed"


REFUSED: list[tuple[str, JsonValue, str]] = [
    ("/reorder", {"id": 5}, "id is to be given as str"),
    ("/reorder", {"id": "x"}, "position is to be given as int"),
    ("/reorder", {"id": "x", "position": True}, "position is to be given as int"),
    ("", {"repo_id": "org/m", "colour": 1}, "colour"),
    ("", {"repo_id": 5}, "must be <class 'str'>"),
    ("", {"repo_id": "org/m", "include": [5]}, "must be <class 'str'>"),
    ("", {"repo_id": "org/m", "limit": -1}, "a rate is a number"),
    ("", {"repo_id": "org/m", "limit": 10**400}, "a rate is a number"),
    ("", {"repo_id": "org/m", "budget": True}, "budget is a positive"),
    ("", {"repo_id": "org/m", "session_id": 5}, "session_id is to be given as str"),
    ("", [], "the body is a JSON object"),
]


async def test_a_refusal_comes_back_as_the_sentence(slow_hub: LocalHub) -> None:
    async with serving() as (_, queue):
        with pytest.raises(PullError, match="org/nope does not exist or is private"):
            await ask(queue.add, DownloadRequest("org/nope"))
        for verb in (
            queue.retry,
            partial(queue.reorder, position=1),
            partial(queue.cancel, clear_cache=False),
        ):
            with pytest.raises(NotInQueue, match="No download 'nope'"):
                await ask(verb, "nope")
        for path, body, why in REFUSED:
            with pytest.raises(PullError, match=why):
                await ask(queue._ask, "POST", path, body)


async def test_a_snapshot_survives_the_wire(slow_hub: LocalHub) -> None:
    async with serving() as (manager, queue):
        await ask(queue.add, DownloadRequest("org/m"))
        await ask(queue.add, DownloadRequest("org/n"))
        await ask(queue.cancel, "org/n:Q8_0", clear_cache=False)

        ours = await manager.get_queue_snapshot()

        assert snapshot_from_json(json.loads(json.dumps(to_json(ours)))) == ours
        theirs = await ask(queue.snapshot)
        assert [row.id for row in theirs.items] == ["org/m:Q8_0"]
        assert theirs.last_run is not None
        assert theirs.last_run.attempts == {"cancelled": 1}
        await manager.cancel_all()


async def test_the_runtime_that_keeps_the_queue_of_the_folder_comes_first(
    hub: LocalHub, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    async with (
        serving(),
        serving(folder) as (manager, _),
        Runtime([Inspector()], load_installed=False, blocked=["model_pull"]),
    ):
        found = await ask(remote_queues, folder)

        assert len(found.queues) == 2
        assert found.owns_stored
        assert manager.stored_in == folder
        assert await ask(found.queues[0].stored_in) == folder


async def test_a_runtime_that_does_not_answer_is_named_and_passed_over(hub: LocalHub, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
    cards.leave(url, "t" * 20, time.time())
    async with serving():
        found: RemoteQueues = await ask(remote_queues, tmp_path)

    assert len(found.queues) == 1
    assert not found.owns_stored
    [trouble] = found.troubles
    assert str(trouble).startswith(f"The runtime at {url} does not answer")


def hostel(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([HOSTEL, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def serve() -> Iterator[str]:
    with subprocess.Popen([HOSTEL, "serve"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("serving at ").strip()
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
        finally:
            process.kill()


def names(queue: str) -> list[str]:
    return [line.split("\t")[1] for line in queue.splitlines()]


def test_the_commands_steer_the_process_that_serves(slow_hub: LocalHub, tmp_path: Path) -> None:
    with serve() as url:
        done = hostel("pull", "--detach", "org/m", "org/n", "org/o", "org/p", "org/nope", code=1)
        assert f"org/o:Q8_0 has place 3 in the runtime at {url}" in done.stdout
        assert "hostel: org/nope does not exist" in done.stderr
        assert names(hostel("downloads").stdout) == [f"org/{name}:Q8_0" for name in "mnop"]

        assert hostel("downloads", "reorder", "org/p:Q8_0", "1").stdout == "3\n"
        hostel("downloads", "cancel", "org/o:Q8_0")
        assert names(hostel("downloads").stdout) == [f"org/{name}:Q8_0" for name in "mnp"]
        [shown] = map(json.loads, hostel("downloads", "--json").stdout.splitlines())
        assert shown["runtime"] == url
        assert "waiting or has failed" in hostel("downloads", "cancel", "org/o:Q8_0", code=1).stderr
        hostel("downloads", "clear")

    assert names(hostel("downloads").stdout) == [f"org/{name}:Q8_0" for name in "mnp"]
    slow_hub.clear_faults()
    with serve():
        hostel("pull", "org/m")
        [line] = map(json.loads, hostel("pull", "--detach", "--json", "org/m").stdout.splitlines())
        assert (line["id"], line["position"]) == ("org/m:Q8_0", 0)


def test_a_detached_pull_means_the_same_in_another_folder(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "model").mkdir(parents=True)
    (here / "model" / "m.gguf").write_bytes(b"GGUF")
    with serve():
        monkeypatch.chdir(here)
        hostel("pull", "--detach", "./model", "--cache-dir", "cache")
        assert hostel("pull", "./model", "--cache-dir", "cache").stdout.splitlines()[-1].startswith(str(here))


def test_without_a_runtime_there_is_nobody_to_leave_a_pull_to(hub: LocalHub) -> None:
    done = hostel("pull", "--detach", "org/m", code=1)

    assert done.stderr == "hostel: No runtime serves: start one with `hostel serve`, or leave out --detach.\n"
