"""`hostel pull` and `hostel downloads` as a user types them."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import typer
from huggingface_hub import hf_hub_download

from hostel.plugins.model_pull import DownloadRequest
from hostel.plugins.model_pull._cli.commands import amount
from hostel.plugins.model_pull._queue.persistence import QueueStore
from hostel.plugins.model_pull._queue.queue import Queue, QueueItem
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

COMMAND = [str(Path(sys.executable).parent / "hostel")]
SHARDS: dict[str, bytes | Blob] = {f"m-Q8_0-0000{i}-of-00003.gguf": Blob(size=MIB, seed=i) for i in (1, 2, 3)}
FILES: dict[str, bytes | Blob] = {**SHARDS, "m-Q4_K_M.gguf": Blob(size=MIB, seed=9), "config.json": b"{}"}


def hostel(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def json_lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until_moving(process: subprocess.Popen[str], done: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "progress" and event["downloaded"] >= done:
            return
    raise AssertionError("it ended before it moved")


def test_a_sharded_model_is_pulled_and_found_offline(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES)

    done = hostel("pull", "org/m:Q8_0")

    assert done.stdout.splitlines()[-1].endswith("m-Q8_0-00001-of-00003.gguf")
    assert "4 files, 3.0 MiB" in done.stdout
    for name in SHARDS:
        assert Path(
            hf_hub_download("org/m", name, cache_dir=own_home / "hub", local_files_only=True)
        ).exists()


def test_json_is_one_object_a_line_and_ends_with_the_path(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    events = json_lines(hostel("pull", "--json", "org/m:Q8_0"))

    assert events[0]["type"] == "status_changed"
    progress = [event for event in events if event["type"] == "progress"]
    assert (progress[-1]["downloaded"], progress[-1]["total"]) == (3 * MIB + 2, 3 * MIB + 2)
    assert events[-1]["type"] == "completed"
    assert Path(events[-1]["path"]).exists()
    assert all("rate" not in event or event["rate"] is not None for event in events)


def test_several_models_are_pulled_at_once_and_one_failure_is_an_exit_code(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.add_repo("org/n", {"config.json": b"{}"})

    done = hostel("pull", "org/m", "org/nope", "org/n", code=1)

    assert "hostel: org/nope does not exist or is private" in done.stderr
    assert sum("/snapshots/" in line for line in done.stdout.splitlines()) == 2


BAD = [
    (["org/nope"], "org/nope does not exist or is private"),
    (["org/m@nope"], "org/m has no revision 'nope'"),
    (["org/m:Q2_K"], "there is no 'Q2_K', did you mean Q4_K_M? It has Q4_K_M (1.0 MiB), Q8_0 (3.0 MiB)"),
    (["org/gated"], "org/gated is gated: accept its conditions"),
    (["org/evil"], "The name '../../evil' is refused: it climbs out of its folder"),
    (["org/case"], "differs from"),
    (["org/m", "--cache-dir", "/dev/null/x"], "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(
    hub: LocalHub, own_home: Path, arguments: list[str], sentence: str
) -> None:
    hub.add_repo("org/m", FILES)
    hub.add_repo("org/gated", FILES, gated=True)
    hub.add_repo("org/evil", {"../../evil": b"x"})
    hub.add_repo("org/case", {"README.md": b"x", "readme.md": b"y"})

    done = hostel("pull", "--json", *arguments, code=1)

    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (own_home / "hub").exists()
    last = json_lines(done)[-1]
    assert last["type"] == "failed"
    assert sentence in last["error"]


def test_without_a_network_it_says_who_did_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    assert "127.0.0.1:9 cannot be reached" in hostel("pull", "org/m", code=1).stderr


def test_what_cannot_be_a_model_is_bad_usage() -> None:
    assert "is not the name of a repository" in hostel("pull", "a/b/c", code=2).stderr
    assert "amount of bytes" in hostel("pull", "org/m", "--limit-rate", "fast", code=2).stderr


def test_ctrl_c_keeps_the_partial_and_the_next_run_goes_on(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(size=16 * MIB, seed=1)})
    slow = hub.fault(Fault(origin=Origin.CDN, bps=4 * MIB))
    with started("pull", "--json", "org/m") as process:
        read_until_moving(process, 2 * MIB)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)

    assert process.returncode == 130
    assert err == "hostel: interrupted; run the same command again and it goes on from there.\n"
    assert json.loads(out.splitlines()[-1])["type"] == "failed"
    slow.disarm()
    hub.clear_log()
    assert hostel("pull", "org/m").stdout.splitlines()[-1].endswith("m-Q8_0.gguf")
    assert hub.bytes_sent(origin=Origin.CDN) < 15 * MIB


def test_after_sigkill_what_is_here_is_not_fetched_again(hub: LocalHub) -> None:
    hub.add_repo("org/m", SHARDS)
    hub.fault(Fault(origin=Origin.CDN, path="00003-of", bps=MIB // 4))
    with started("pull", "--json", "org/m") as process:
        read_until_moving(process, 2 * MIB + 1)
        process.kill()
    hub.clear_faults()
    hub.clear_log()

    hostel("pull", "org/m")

    assert hub.bytes_sent(origin=Origin.CDN, path="0000[12]-of") == 0


def test_two_commands_for_one_model_fetch_it_once(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(size=8 * MIB, seed=1)})
    hub.fault(Fault(origin=Origin.CDN, bps=4 * MIB))
    with started("pull", "--json", "org/m") as one:
        read_until_moving(one, MIB)
        with started("pull", "--json", "org/m") as other:
            ends = [
                json.loads(process.communicate(timeout=300)[0].splitlines()[-1]) for process in (one, other)
            ]

    assert [end["type"] for end in ends] == ["completed", "completed"]
    assert hub.bytes_sent(origin=Origin.CDN) == 8 * MIB


def test_bars_are_drawn_on_a_terminal(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(origin=Origin.CDN, bps=2 * MIB))
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, "pull", "org/m:Q8_0"], stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # the other end is closed when the command has ended
    finally:
        os.close(ours)

    assert process.wait(20) == 0
    text = shown.decode()
    assert "━" in text
    assert "of 3.0 MiB" in text
    assert "m-Q8_0-00001-of-00003.gguf" in text


def test_a_failed_pull_is_listed_retried_and_forgotten(hub: LocalHub) -> None:
    hub.add_repo("org/m", SHARDS)
    broken = hub.fault(Fault(origin=Origin.CDN, path="00002-of", corrupt_at=5, bps=4 * MIB))
    hostel("pull", "org/m", code=1)

    [line] = hostel("downloads").stdout.splitlines()
    assert line.split("\t")[1:3] == ["org/m:Q8_0", "failed"]
    [row] = json.loads(hostel("downloads", "list", "--json").stdout)["recent_failures"]
    assert (row["id"], row["kind"], row["attempts"]) == ("org/m:Q8_0", "IntegrityFailed", 1)

    broken.disarm()
    assert hostel("downloads", "retry", "org/m:Q8_0").stdout.splitlines()[-1].endswith(".gguf")
    assert hostel("downloads").stdout == ""
    assert (
        "'org/m:Q8_0' is waiting or has failed" in hostel("downloads", "retry", "org/m:Q8_0", code=1).stderr
    )


def test_failures_are_cleared_and_cancelled_with_what_they_left(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", SHARDS)
    hub.fault(Fault(origin=Origin.CDN, path="00003-of", corrupt_at=5, bps=4 * MIB))
    hostel("pull", "org/m", code=1)
    assert list(own_home.rglob("blobs/*"))

    hostel("downloads", "cancel", "org/m:Q8_0", "--clear-cache")

    assert [path for path in own_home.rglob("blobs/*") if path.suffix != ".lock"] == []
    assert hostel("downloads").stdout == ""
    hostel("pull", "org/m", code=1)
    hostel("downloads", "clear")
    assert hostel("downloads").stdout == ""
    assert hostel("downloads", "cancel", "nope", code=1).stderr.startswith("hostel: No download 'nope'")
    assert hostel("downloads", "reorder", "nope", "1", code=1).stderr.startswith("hostel: No download 'nope'")


def test_a_quantization_may_be_named_or_left_to_a_budget(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    assert "m-Q4_K_M" in hostel("pull", "org/m", "--quant", "q4_k_m").stdout
    assert "the best that fits in 3.5 MiB" in hostel("pull", "org/m", "--budget", "3.5Mi").stdout
    assert "config.json" in hostel("pull", "org/m", "--include", "*.json").stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500k", 500_000), ("10M", 10**7), ("1.5Gi", 3 << 29), ("7", 7), ("2MB/s", 2 * 10**6)],
)
def test_amounts_are_read(text: str, expected: int) -> None:
    assert amount(text) == expected


@pytest.mark.parametrize("text", ["", "fast", "0", "-1k", "1x", "0.1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        amount(text)


def test_the_queue_of_another_process_is_shown_and_left_alone(tmp_path: Path) -> None:
    item = QueueItem("org/m:Q8_0", "g", DownloadRequest("org/m"), 1.0, total=2 * MIB)
    store = QueueStore(tmp_path / "data")
    assert store.claim()
    store.save(Queue().add(item).add(attrs.evolve(item, id="org/n:Q8_0", group_id="h")).start("g", 2.0))

    states = [line.split("\t")[1:3] for line in hostel("downloads").stdout.splitlines()]
    assert states == [["org/m:Q8_0", "downloading"], ["org/n:Q8_0", "queued"]]
    assert "Another process of hostel owns the queue" in hostel("downloads", "clear", code=1).stderr

    store.release()
    assert hostel("downloads", "reorder", "org/n:Q8_0", "1").stdout == "2\n"
    hostel("downloads", "cancel", "org/n:Q8_0")
    assert [line.split("\t")[2] for line in hostel("downloads").stdout.splitlines()] == ["queued"]
