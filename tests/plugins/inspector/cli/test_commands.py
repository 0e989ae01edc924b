"""The commands as a user types them, against a program that embeds hostel."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ..program import HOSTEL, SECONDS, Program, environment, running, started
from ..stranger import stranger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    with running("trio", folder) as program:
        yield program


def hostel(folder: Path, *arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [HOSTEL, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(folder, env),
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_ps_lists_the_tasks_of_every_runtime(program: Program, folder: Path) -> None:
    found = {row[0]: row for row in rows(hostel(folder, "ps"))}

    assert set(found) >= {"parent", "child", "hostile"}
    assert found["parent"][1:4] == ["build", "subagent", "waiting"]
    assert found["parent"][7:] == ["Build it all", "May I?", "", program.page_url.partition("/#")[0]]


def test_ps_lets_no_text_of_a_task_reach_the_terminal_as_a_command(program: Program, folder: Path) -> None:
    done = hostel(folder, "ps", "--session", "chat")
    found = next(row for row in rows(done) if row[0] == "hostile")

    assert "\x1b" not in done.stdout
    assert len(found) == 11


NASTY = "\x1b[31m\x07\x9b2J\u202e\u2066\r"
"""What is in every text of the tasks that the scenario calls hostile."""


def has_controls(text: str) -> bool:
    return any(not char.isprintable() and char not in "\t\n" for char in text)


@pytest.mark.parametrize(
    "command", [["ps"], ["ps", "--tree"], ["show", f"rude{NASTY}"], ["cancel", f"rude{NASTY}"], ["plugins"]]
)
def test_no_text_of_a_task_or_a_plugin_reaches_the_terminal_as_a_command(
    program: Program, folder: Path, command: list[str]
) -> None:
    program.tell("hostile rude")
    done = hostel(folder, *command)

    assert "rude" in done.stdout
    assert not has_controls(done.stdout + done.stderr)


def test_watch_and_errors_obey_no_text_either(program: Program, folder: Path) -> None:
    name = f"seen{NASTY}"
    program.tell("work beside")
    with started([HOSTEL, "watch"], folder) as watching:
        lines = [watching.line()]
        program.tell("hostile seen")
        while "seen�" not in lines[-1] or "progress" not in lines[-1]:
            lines.append(watching.line())
        watching.end(signal.SIGINT)
    program.tell("finish beside")
    refused = hostel(folder, "show", f"un{name}known", code=1)

    assert any("registered" in line for line in lines)
    assert not has_controls("\n".join([*lines, refused.stderr]))


def test_ps_json_is_a_list_of_records_with_their_runtime(program: Program, folder: Path) -> None:
    listed = json.loads(hostel(folder, "ps", "--json", "--all", "--session", "chat").stdout)
    broken = next(record for record in listed if record["id"] == "broken")

    assert broken["runtime"] == program.page_url.partition("/#")[0]
    assert broken["state"] == "failed"
    assert broken["failure"]["message"] == "RuntimeError: the disk is made of paper"
    assert program.page_url.partition("token=")[2] not in json.dumps(listed)


def test_ps_shows_finished_tasks_only_when_asked(program: Program, folder: Path) -> None:
    assert "broken" not in {row[0] for row in rows(hostel(folder, "ps"))}
    assert "broken" in {row[0] for row in rows(hostel(folder, "ps", "--all"))}


def test_ps_puts_tasks_below_those_that_started_them(program: Program, folder: Path) -> None:
    names = [row[0] for row in rows(hostel(folder, "ps", "--tree", "--session", "build"))]

    assert names == ["parent", "  child"]


def test_ps_warns_of_what_looks_wrong(program: Program, folder: Path) -> None:
    program.tell("silence quiet")

    assert "quiet" not in {row[0] for row in rows(hostel(folder, "ps", "--warn", "--silent-after", "1h"))}
    found = {row[0]: row for row in rows(hostel(folder, "ps", "--warn", "--silent-after", "0s"))}
    told = json.loads(hostel(folder, "ps", "--json", "--warn", "--silent-after", "0s").stdout)

    assert "parent" not in found  # it waits, and may
    assert found["quiet"][-2].startswith("no sign of it for ")
    assert {one["lint"] for record in told if record["id"] == "quiet" for one in record["lints"]} == {
        "silent"
    }
    assert "--silent-after" in hostel(folder, "ps", "--silent-after", "soon", code=2).stderr


def test_show_tells_a_task_from_its_beginning(program: Program, folder: Path) -> None:
    shown = hostel(folder, "show", "broken").stdout
    facts, timeline, traceback = shown.split("\n\n")

    assert ["state", "failed"] in [line.split() for line in facts.splitlines()]
    assert "the disk is made of paper" in facts
    assert [line.split()[1] for line in timeline.splitlines()] == ["registered", "failed"]
    assert "Traceback" in traceback


def test_show_json_has_history_and_children(program: Program, folder: Path) -> None:
    shown = json.loads(hostel(folder, "show", "parent", "--json").stdout)

    assert shown["history"][0]["type"] == "registered"
    assert [child["id"] for child in shown["children"]] == ["child"]


@pytest.mark.parametrize("command", [["show"], ["cancel"], ["watch"], ["transfer", "--to", "x"]])
def test_an_unknown_task_is_one_sentence_and_exit_code_1(
    program: Program, folder: Path, command: list[str]
) -> None:
    done = hostel(folder, command[0], "nope", *command[1:], code=1)

    assert done.stderr == "hostel: no runtime has a task 'nope'\n"


@pytest.mark.parametrize("task_id", [".", "..", "a/..", "%2e"])
def test_a_task_may_be_called_as_places_in_a_path_are(program: Program, folder: Path, task_id: str) -> None:
    program.tell(f"work {task_id}")
    shown = json.loads(hostel(folder, "show", task_id, "--json").stdout)
    cancelled = rows(hostel(folder, "cancel", task_id))

    assert shown["id"] == task_id
    assert [row[0] for row in cancelled] == [task_id]


def test_cancel_keeps_who_and_why(program: Program, folder: Path) -> None:
    program.tell("work to-cancel")
    done = hostel(folder, "cancel", "to-cancel", "--reason", "too slow", "--json")
    watched = hostel(folder, "watch", "to-cancel", code=1)
    record = json.loads(hostel(folder, "show", "to-cancel", "--json").stdout)

    assert json.loads(done.stdout)[0]["cancel_reason"] == "too slow"
    assert watched.stderr == ""
    assert (record["state"], record["cancel_reason"]) == ("cancelled", "too slow")
    assert record["cancel_actor"]


def test_cancelling_a_finished_task_says_so(program: Program, folder: Path) -> None:
    done = hostel(folder, "cancel", "broken", code=1)

    assert done.stderr == "hostel: task 'broken' has ended: it is failed\n"


def test_transfer_moves_tasks_that_go_on(program: Program, folder: Path) -> None:
    for task_id in ("move-1", "move-2"):
        program.tell(f"work {task_id}")
    done = hostel(folder, "transfer", "move-1", "move-2", "--to", "afterwards")
    shown = json.loads(hostel(folder, "show", "move-1", "--json").stdout)
    for task_id in ("move-1", "move-2"):
        program.tell(f"finish {task_id}")

    assert rows(done) == [["move-1", "afterwards", "running"], ["move-2", "afterwards", "running"]]
    assert shown["session_id"] == "afterwards"
    assert "transferred" in [event["type"] for event in shown["history"]]
    hostel(folder, "watch", "move-1")


def test_watching_one_task_ends_with_it_and_tells_how_it_ended(program: Program, folder: Path) -> None:
    program.tell("work to-watch")
    with started([HOSTEL, "watch", "to-watch"], folder) as watching:
        assert "chat/to-watch  progress" in watching.line()
        program.tell("finish to-watch")
        code, told = watching.wait()

    assert "chat/to-watch  completed" in told.splitlines()[-1]
    assert code == 0


def test_watching_prints_one_json_event_a_line(program: Program, folder: Path) -> None:
    program.tell("work to-watch-2")
    with started([HOSTEL, "watch", "to-watch-2", "--json"], folder) as watching:
        first = json.loads(watching.line())
        program.tell("finish to-watch-2")
        code, told = watching.wait()

    events = [first, *map(json.loads, told.splitlines())]
    assert events[-1]["type"] == "completed"
    assert {event["task_id"] for event in events} == {"to-watch-2"}
    assert code == 0


def test_interrupting_watch_is_130_without_a_trace(program: Program, folder: Path) -> None:
    program.tell("work on-and-on")
    with started([HOSTEL, "watch"], folder, errors=subprocess.PIPE) as watching:
        assert "on-and-on  progress" in watching.line()
        code, _, errors = watching.end(signal.SIGINT)
    program.tell("finish on-and-on")

    assert (code, errors) == (130, "")


def test_watch_follows_a_runtime_that_starts_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    urls = set()
    with started([HOSTEL, "watch", "--json"], tmp_path) as watching:
        for name in ("first", "second"):
            with running("asyncio", tmp_path) as program:
                program.tell(f"work {name}")
                event = json.loads(watching.line())
                while event["task_id"] != name:
                    event = json.loads(watching.line())
                urls.add(event["runtime"])
        code, _, _ = watching.end(signal.SIGINT)

    assert len(urls) == 2
    assert code == 130


def test_plugins_names_what_fails_in_runtimes_that_run(program: Program, folder: Path) -> None:
    url = program.page_url.partition("/#")[0]
    [noisy] = [row for row in rows(hostel(folder, "plugins")) if row[0] == "noisy"]
    told = json.loads(hostel(folder, "plugins", "--json").stdout)

    assert noisy[3:] == ["on_session_opened: ValueError: too loud", "on_session_opened", url]
    assert {one["runtime"] for one in told if one["name"] == "noisy"} == {url}
    assert {one["runtime"] for one in told if one["name"] == "inspector"} == {None}


def test_plugins_says_which_runtime_does_not_answer(folder: Path, nobody: str) -> None:
    assert f"the runtime at {nobody} does not answer" in hostel(folder, "plugins").stderr


def test_without_a_runtime_the_list_is_empty(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    assert hostel(tmp_path, "ps").stdout == ""
    assert json.loads(hostel(tmp_path, "ps", "--json").stdout) == []


@pytest.fixture
def nobody(program: Program, folder: Path) -> Iterator[str]:
    """The address of a runtime whose process lives and which does not answer."""
    dead = folder / "hostel" / "0-dead.json"
    card = json.loads(next((folder / "hostel").glob("[1-9]*.json")).read_text())
    with socket.create_server(("127.0.0.1", 0)) as once:
        url = f"http://127.0.0.1:{once.getsockname()[1]}"
    dead.write_text(json.dumps({**card, "url": url}))
    dead.chmod(0o600)
    yield url
    dead.unlink()


def test_a_runtime_that_does_not_answer_is_named_and_the_others_are_shown(folder: Path, nobody: str) -> None:
    done = hostel(folder, "ps")

    assert f"the runtime at {nobody} does not answer" in done.stderr
    assert "parent" in {row[0] for row in rows(done)}


def test_watch_does_not_wait_for_a_runtime_that_does_not_answer(folder: Path, nobody: str) -> None:
    done = hostel(folder, "watch", "nope", code=1)

    assert done.stderr.splitlines() == [
        f"hostel: the runtime at {nobody} does not answer",
        "hostel: no runtime has a task 'nope'",
    ]


@pytest.mark.parametrize("command", [["ps"], ["plugins"], ["watch", "nope"]])
def test_nothing_secret_is_sent_to_a_program_that_took_the_port_of_a_runtime(
    program: Program, folder: Path, command: list[str]
) -> None:
    card = json.loads(next((folder / "hostel").glob("[1-9]*.json")).read_text())
    with stranger() as (heard, url):
        taken = folder / "hostel" / "0-taken.json"
        taken.write_text(json.dumps({**card, "url": url}))
        taken.chmod(0o600)
        done = hostel(folder, *command, code=1 if "watch" in command else 0)
        taken.unlink()

    assert f"the runtime at {url} does not answer" in done.stderr
    assert heard.heard
    assert card["token"] not in str(heard.heard)
    assert "authorization" not in str(heard.heard).lower()


def test_serve_goes_by_the_names_it_is_given(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "a-token-of-the-user", "HOSTEL_DATA_DIR": str(tmp_path / "data")}
    names = ["--allowed-host", "one.example", "--allowed-host", "two.example"]
    with started([HOSTEL, "serve", *names], tmp_path, env) as serving:
        url = serving.line().split()[-1]
        answers = [
            httpx.get(f"{url}/health", headers={"host": name}, trust_env=False, timeout=SECONDS).status_code
            for name in ("one.example", "two.example:8443", "three.example")
        ]
        serving.end(signal.SIGTERM)

    assert answers == [200, 200, 421]


def test_a_name_that_cannot_be_one_is_one_sentence(tmp_path: Path) -> None:
    done = hostel(tmp_path, "serve", "--allowed-host", "https://a.example", code=1)

    assert done.stderr.startswith("hostel: 'https://a.example' is neither a host name nor an address")


def test_what_a_stop_interrupted_is_shown_as_that(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    env = {"SCENARIO_DATA": str(tmp_path / "data")}
    with started([HOSTEL, "watch", "--json"], tmp_path) as watching:
        with running("asyncio", tmp_path, env=env) as program:
            program.tell("work first")
            watching.line()
            program.tell("steady stay")
            while '"waiting"' not in watching.line():
                pass
            program.quit()
        with running("asyncio", tmp_path, env=env) as program:
            shown = hostel(tmp_path, "show", "stay").stdout
            program.tell("work again")
            while '"again"' not in watching.line():
                pass
        code, _, _ = watching.end(signal.SIGINT)

    assert "interrupted       its host stopped; it goes on with the next" in shown
    assert "interrupted  1 times" in shown
    assert code == 130


@pytest.mark.parametrize(("stop", "expected"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_serve_serves_until_it_is_told_to_stop(tmp_path: Path, stop: int, expected: int) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "a-token-of-the-user", "HOSTEL_DATA_DIR": str(tmp_path / "data")}
    with started([HOSTEL, "serve"], tmp_path, env, errors=subprocess.PIPE) as serving:
        url = serving.line().split()[-1]
        headers = {"authorization": "Bearer a-token-of-the-user"}
        answer = httpx.get(f"{url}/api/tasks", headers=headers, trust_env=False, timeout=SECONDS)
        code, told, errors = serving.end(stop)

    assert answer.status_code == 200
    assert (code, errors) == (expected, "")
    assert "HOSTEL_TOKEN" in told
    assert "a-token-of-the-user" not in told
    assert list((tmp_path / "hostel").iterdir()) == []


def test_serve_on_a_port_in_use_is_one_sentence_that_names_the_holder(program: Program, folder: Path) -> None:
    port = str(httpx.URL(program.page_url).port)
    done = hostel(folder, "serve", "--port", port, code=1)

    assert len(done.stderr.splitlines()) == 1
    assert f"the hostel runtime with pid {program.process.pid}" in done.stderr


def test_a_weak_token_is_one_sentence(tmp_path: Path) -> None:
    done = hostel(tmp_path, "serve", code=1, HOSTEL_TOKEN="short")

    assert done.stderr == "hostel: the token needs at least 16 printable ASCII characters and no spaces\n"
