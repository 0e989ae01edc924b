"""`hostel batch` as a user runs it, in processes of its own; the endpoint answers from a thread."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from hostel.plugins.batch.testing import Answer, Upstream

HOSTEL = [sys.executable, "-c", "from hostel.runtime.cli import main; main()"]


class Shell:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"HOSTEL_DATA_DIR": str(folder / "data")}
        self.environment.pop("HOSTEL_UPSTREAM", None)

    def __call__(self, *arguments: str, code: int = 0, **more: str) -> str:
        command = [*HOSTEL, "batch", *arguments]
        done = subprocess.run(
            command, env=self.environment | more, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == code, done.stderr
        self.errors = done.stderr
        return done.stdout

    def file(self, *names: str, tail: str = "") -> str:
        path = self.folder / "in.jsonl"
        lines = [
            {
                "custom_id": name,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": name}]},
            }
            for name in names
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
        return str(path)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Upstream.serve()) as upstream:
        yield upstream


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_file_is_submitted_worked_on_and_read(shell: Shell, upstream: Upstream) -> None:
    shown = json.loads(
        shell("submit", shell.file("a", "b"), "--upstream", upstream.url, "--json", HOSTEL_UPSTREAM_KEY="k")
    )

    assert (shown["status"], shown["request_counts"]["completed"]) == ("completed", 2)
    assert {call.headers["authorization"] for call in upstream.calls} == {"Bearer k"}
    listed = json.loads(shell("ls", "--json"))
    assert [each["id"] for each in listed] == [shown["id"]]
    lines = [json.loads(line) for line in (shell("results", shown["id"])).splitlines()]
    assert {line["custom_id"] for line in lines} == {"a", "b"}
    assert shell("errors", shown["id"]) == ""
    assert "completed" in shell("show", shown["id"])


def test_failed_lines_give_exit_code_one_and_can_be_retried(shell: Shell, upstream: Upstream) -> None:
    upstream.script = lambda call: Answer(400, "no") if call.prompt == "b" else Answer()

    shown = json.loads(shell("submit", shell.file("a", "b"), "--upstream", upstream.url, "--json", code=1))

    (line,) = (shell("errors", shown["id"])).splitlines()
    assert json.loads(line)["response"]["status_code"] == 400
    again = json.loads(shell("retry", shown["id"], "--json"))
    assert again["status"] == "in_progress"


def test_a_file_that_is_not_valid_gives_exit_code_two_and_the_line(shell: Shell, upstream: Upstream) -> None:
    shell("submit", shell.file("a", tail="oops\n"), "--upstream", upstream.url, code=2)

    assert "line 2: This line is not parseable as valid JSON." in shell.errors
    assert upstream.calls == []


def test_a_batch_can_be_left_to_a_server_and_cancelled(shell: Shell) -> None:
    shown = json.loads(shell("submit", shell.file("a"), "--detach", "--json"))
    assert shown["status"] == "in_progress"

    cancelled = json.loads(shell("cancel", shown["id"], "--json"))

    assert cancelled["status"] == "cancelled"


def test_what_cannot_be_done_is_one_sentence(shell: Shell) -> None:
    shell("submit", shell.file("a"), code=2)
    assert shell.errors.startswith("hostel: say where requests go")
    shell("show", "batch_unknown", code=1)
    assert shell.errors == "hostel: There is no batch batch_unknown.\n"
    shell("submit", shell.file("a"), "--detach", "--window", "soon", code=1)
    assert "no window" in shell.errors
