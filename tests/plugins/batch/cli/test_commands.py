"""`hostel batch` as a user runs it, in processes of its own; the endpoint answers from a thread."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
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
            command, env=self.environment | more, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, done.stderr
        self.errors = done.stderr
        return done.stdout

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        command = [*HOSTEL, "batch", *arguments]
        with subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

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
    assert shell.errors == "hostel: failed requests that are to be sent again: 1\n"

    upstream.script = lambda _: Answer()
    done = json.loads(shell("retry", shown["id"], "--upstream", upstream.url, "--json"))
    assert (done["status"], done["request_counts"]["completed"]) == ("completed", 2)


def test_an_interrupted_batch_says_how_to_go_on_and_does(shell: Shell, upstream: Upstream) -> None:
    with shell.started("submit", shell.file("a"), "--upstream", "http://127.0.0.1:9") as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("hostel: a request was not answered (ConnectionRefusedError")
        assert said.endswith("trying again until the window ends\n")
        process.send_signal(signal.SIGINT)
        _, last = process.communicate(timeout=120)
    assert process.returncode == 130
    (shown,) = json.loads(shell("ls", "--json"))
    assert f"`hostel batch retry {shown['id']} --upstream URL`" in last

    done = json.loads(shell("retry", shown["id"], "--upstream", upstream.url, "--json"))

    assert done["status"] == "completed"


def test_a_batch_whose_process_was_killed_keeps_its_answers(shell: Shell, upstream: Upstream) -> None:
    upstream.script = lambda call: Answer() if call.prompt == "a" else Answer(hold=anyio.Event())
    with shell.started("submit", shell.file("a", "b"), "--upstream", upstream.url, "--detach") as process:
        process.communicate(timeout=120)
    (shown,) = json.loads(shell("ls", "--json"))
    with shell.started("retry", shown["id"], "--upstream", upstream.url) as process:
        while json.loads(shell("show", shown["id"], "--json"))["request_counts"]["completed"] == 0:
            assert process.poll() is None
        process.kill()

    assert [json.loads(line)["custom_id"] for line in shell("results", shown["id"]).splitlines()] == ["a"]
    cancelled = json.loads(shell("cancel", shown["id"], "--json"))
    assert cancelled["status"] == "cancelling"


def test_a_file_that_is_not_valid_gives_exit_code_two_and_the_line(shell: Shell, upstream: Upstream) -> None:
    shell("submit", shell.file("a", tail="oops\n"), "--upstream", upstream.url, code=2)

    assert "line 2: This line is not parseable as valid JSON." in shell.errors
    assert upstream.calls == []


def test_a_batch_can_be_left_to_a_server_and_cancelled(shell: Shell) -> None:
    shown = json.loads(shell("submit", shell.file("a"), "--detach", "--json"))
    assert shown["status"] == "in_progress"

    cancelled = json.loads(shell("cancel", shown["id"], "--json"))

    assert cancelled["status"] == "cancelled"


@pytest.mark.parametrize("command", ["submit --detach", "submit --upstream http://127.0.0.1:9", "ls"])
@pytest.mark.parametrize(
    ("store", "said", "code"),
    [
        ("text", "The batch store {folder}/text cannot be opened: file is not a database", 1),
        ("folder", "The batch store {folder}/folder cannot be opened: Is a directory", 1),
        (
            "postgresql://me:secret@127.0.0.1:1/x",
            "The batch store postgresql://me:***@127.0.0.1:1/x cannot",
            1,
        ),
        ("mysql://me:secret@h/x", "'mysql:…' names no batch store: give a file, or a URL", 2),
        ("postgresql://me:secret@h:port/x", "'postgresql:…' names no batch store", 2),
        ("sqlite://", "'sqlite:…' names no batch store", 2),
    ],
)
def test_a_store_that_cannot_be_opened_is_named_in_one_sentence(
    shell: Shell, command: str, store: str, said: str, code: int
) -> None:
    (shell.folder / "text").write_text("a shopping list, and no database at all")
    (shell.folder / "folder").mkdir()
    verb, *options = command.split()
    if verb == "submit":
        options.append(shell.file("a"))
    place = store if ":" in store else str(shell.folder / store)

    shell(verb, *options, "--store", place, code=code)

    assert shell.errors.startswith("hostel: " + said.format(folder=shell.folder))
    assert shell.errors.count("\n") == 1
    assert "secret" not in shell.errors


def test_what_cannot_be_done_is_one_sentence(shell: Shell) -> None:
    shell("submit", shell.file("a"), code=2)
    assert shell.errors.startswith("hostel: say where requests go")
    shell("show", "batch_unknown", code=1)
    assert shell.errors == "hostel: There is no batch batch_unknown.\n"
    shell("submit", shell.file("a"), "--detach", "--window", "soon", code=2)
    assert "no window" in shell.errors
