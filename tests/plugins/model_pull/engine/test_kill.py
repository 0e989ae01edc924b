"""kill -9 at any moment loses about a second of bytes, and the next process continues."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from hostel.plugins.model_pull import RemoteFile
from hostel.plugins.model_pull._cache.layout import part_path
from hostel.plugins.model_pull._engine import FetchPhase, FetchProgress, fetch
from hostel.plugins.model_pull._engine.part_file import sidecar_path
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

Publish = Callable[[Blob | bytes], RemoteFile]
RATE = 10 * MIB
CHUNK = 16 * MIB

PULLER = """
import sys, anyio
from pathlib import Path
from hostel.plugins.model_pull._engine import fetch
from hostel.plugins.model_pull._sources.remote_file import RemoteFile
url, size, sha256, blob = sys.argv[1:]
anyio.run(fetch, RemoteFile("m.gguf", int(size), sha256, url), Path(blob))
"""


def pulling(file: RemoteFile, blob: Path) -> "subprocess.Popen[bytes]":
    arguments = [file.url, str(file.size), str(file.sha256), str(blob)]
    return subprocess.Popen([sys.executable, "-c", PULLER, *arguments])


@pytest.mark.parametrize("earliest", [0.02, 0.3, 0.6])
def test_after_kill_9_no_half_file_and_a_chunk_per_connection_and_a_second_are_fetched_again(
    earliest: float, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(100 * MIB, seed=4)
    moment = random.uniform(earliest, earliest + 0.3)
    file = publish(content)
    slow = hub.fault(Fault(origin=Origin.CDN, bps=RATE))
    with pulling(file, blob) as process:
        assert hub.wait_until_sent(int(moment * content.size), timeout=300)
        process.kill()
    assert not blob.exists()
    slow.disarm()
    sent = hub.bytes_sent(origin=Origin.CDN)
    owner = json.loads(part_path(blob).with_name(f"{part_path(blob).name}.owner").read_text())
    fetched = anyio.run(fetch, file, blob)

    assert owner["pid"] == process.pid
    assert blob.read_bytes() == content.read()
    again = hub.bytes_sent(origin=Origin.CDN) - content.size
    assert again <= 4 * CHUNK + 4 * RATE, moment
    assert fetched.resumed >= sent - 4 * CHUNK - 4 * RATE, moment
    assert [path.name for path in blob.parent.iterdir()] == ["blob"]


def test_two_processes_fetch_one_file_once(hub: LocalHub, blob: Path, publish: Publish) -> None:
    content = Blob(60 * MIB, seed=4)
    file = publish(content)
    hub.fault(Fault(origin=Origin.CDN, bps=20 * MIB))
    with pulling(file, blob) as one, pulling(file, blob) as two:
        assert one.wait(60) == two.wait(60) == 0

    assert blob.read_bytes() == content.read()
    assert hub.bytes_sent(origin=Origin.CDN) <= content.size + 4 * MIB
    assert [path.name for path in blob.parent.iterdir()] == ["blob"]


def test_who_waits_for_a_process_that_is_killed_continues_its_work(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(60 * MIB, seed=4)
    file = publish(content)
    slow = hub.fault(Fault(origin=Origin.CDN, bps=10 * MIB))
    with pulling(file, blob) as process:
        assert hub.wait_for(lambda: sidecar_path(part_path(blob)).exists(), timeout=300)

        def kill_when_locked_out(progress: FetchProgress) -> None:
            if progress.phase is FetchPhase.LOCKED_OUT:
                slow.disarm()
                process.kill()

        anyio.run(lambda: fetch(file, blob, on_progress=kill_when_locked_out))

    assert blob.read_bytes() == content.read()
    assert hub.bytes_sent(origin=Origin.CDN) < 1.8 * content.size


@pytest.mark.parametrize(
    "damage", ["no sidecar", "torn sidecar", "other content", "too short", "newer version"]
)
def test_a_partial_that_cannot_be_believed_is_begun_anew(
    damage: str, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(20 * MIB, seed=4)
    file = publish(content)
    part = part_path(blob)
    row = {
        "v": 1,
        "content": f"sha256:{content.sha256}",
        "size": content.size,
        "etag": None,
        "modified": None,
        "done": [[0, 10 * MIB]],
    }
    part.write_bytes(bytes(content.size if damage != "too short" else 5 * MIB))
    if damage == "other content":
        row["content"] = "sha256:" + "0" * 64
    if damage == "newer version":
        row["v"] = 2
    text = json.dumps(row)
    if damage != "no sidecar":
        sidecar_path(part).write_text(text[:40] if damage == "torn sidecar" else text)
    fetched = anyio.run(fetch, file, blob)

    assert blob.read_bytes() == content.read()
    assert (fetched.resumed, fetched.fetched, fetched.attempts) == (0, content.size, 1)
    assert [path.name for path in blob.parent.iterdir()] == ["blob"]


def test_a_partial_that_was_damaged_on_disk_is_noticed_and_begun_anew(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(20 * MIB, seed=4)
    file = publish(content)
    hub.fault(Fault(origin=Origin.CDN, close_after=10 * MIB, times=1))
    hub.fault(Fault(origin=Origin.CDN, status=500, nth=2, times=1))
    with pytest.raises(Exception, match="not complete"):
        anyio.run(lambda: fetch(file, blob, retry_seconds=0))
    with part_path(blob).open("r+b") as part:
        part.seek(5 * MIB)
        part.write(b"damage")
    fetched = anyio.run(fetch, file, blob)

    assert blob.read_bytes() == content.read()
    assert (fetched.resumed, fetched.attempts) == (10 * MIB, 2)
