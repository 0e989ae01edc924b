"""Starting tasks and talking with them from the command line, as a user types it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..program import HOSTEL, SECONDS, Program, running, started
from .test_commands import has_controls, hostel, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def program(request: pytest.FixtureRequest, folder: Path) -> Iterator[Program]:
    with running(request.param, folder) as program:
        yield program


def record(folder: Path, task: str) -> dict[str, object]:
    shown: dict[str, object] = json.loads(hostel(folder, "show", task, "--json").stdout)
    return shown


def test_kinds_lists_what_may_be_started(program: Program, folder: Path) -> None:
    found = {row[0]: row for row in rows(hostel(folder, "kinds"))}
    [echo] = [kind for kind in json.loads(hostel(folder, "kinds", "--json").stdout) if kind["name"] == "echo"]

    assert "secret" not in found
    assert found["echo"][1:4] == ["text [times] [stream]", "no", "Write a text, so many times."]
    assert echo["params"]["required"] == ["text"]


def test_start_prints_the_id_of_the_task(program: Program, folder: Path) -> None:
    task = hostel(folder, "start", "echo", "text=7", "times=2", "--label", "Seven").stdout.strip()
    hostel(folder, "wait", task)
    told = record(folder, task)

    assert (told["session_id"], told["label"], told["state"]) == ("terminal", "Seven", "completed")
    assert hostel(folder, "logs", task).stdout == "77"


def test_start_follows_a_task_to_its_end(program: Program, folder: Path) -> None:
    done = hostel(folder, "start", "echo", "text=hello", "--follow")
    command = "shell=echo oh no >&2; exit 3"
    failed = hostel(folder, "start", "process", command, "--follow", code=1)

    assert (done.stdout, done.stderr) == ("hello", "")
    assert failed.stdout == "oh no\n"
    assert failed.stderr.endswith("ProcessFailed: exit status 3: oh no\n")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["echo"], 1, "'text' is missing"),
        (["echo", "text=a", "times=often"], 1, "'times' must be a whole number"),
        (["echo", "text=a", "colour=red"], 1, "it takes no 'colour'; there is text, times, stream"),
        (["nothing"], 1, "no runtime lets a 'nothing' task be started; there is alone, choose,"),
        (["secret"], 1, "no runtime lets a 'secret' task be started"),
        (["echo", "text"], 2, "'text' is not KEY=VALUE"),
        (["echo", "text=a", "--not-before", "soon"], 2, "'soon' is neither a time from now"),
        (["echo", "text=a", "--priority", "high"], 1, "priority is one of interactive, normal"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_sentence(
    program: Program, folder: Path, arguments: list[str], code: int, told: str
) -> None:
    done = hostel(folder, "start", *arguments, code=code)

    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def test_show_and_ps_say_what_a_task_waits_for(program: Program, folder: Path) -> None:
    for name in ("alone-1", "alone-2"):
        hostel(folder, "start", "alone", "--id", name, "--session", "queue", "--priority", "batch")
    hostel(folder, "start", "choose", 'choices=["red","blue"]', "--id", "which", "--session", "queue")
    wait_until_asked(folder, "which")
    second, asking = hostel(folder, "show", "alone-2").stdout, hostel(folder, "show", "which").stdout
    listed = {row[0]: row for row in rows(hostel(folder, "ps", "--session", "queue"))}

    assert "number 1: limit of 1" in second
    assert ["priority", "batch"] in [line.split() for line in second.splitlines()]
    assert "asks: Which one?" in asking
    assert "red | blue" in asking
    assert listed["which"][8] == "asks: Which one?"
    hostel(folder, "cancel", "alone-1", "alone-2", "which")


def wait_until_asked(folder: Path, task: str) -> None:
    while record(folder, task)["question"] is None:
        pass


def test_logs_print_each_stream_where_it_belongs(program: Program, folder: Path) -> None:
    hostel(folder, "start", "echo", "text=right\n", "--id", "right", "--follow")
    hostel(folder, "start", "echo", "text=wrong\n", "stream=stderr", "--id", "wrong", "--follow")
    [part] = [json.loads(line) for line in hostel(folder, "logs", "--json", "wrong").stdout.splitlines()]

    assert [hostel(folder, "logs", "right").stdout, hostel(folder, "logs", "right").stderr] == ["right\n", ""]
    assert [hostel(folder, "logs", "wrong").stdout, hostel(folder, "logs", "wrong").stderr] == ["", "wrong\n"]
    assert (part["stream"], part["start"], part["next"], part["ended"]) == ("stderr", 0, 6, True)


def test_run_leaves_a_command_that_is_detached(program: Program, folder: Path) -> None:
    task = hostel(folder, "run", "--detach", "sh", "-c", "pwd; echo done").stdout.strip()
    hostel(folder, "wait", task)

    assert hostel(folder, "logs", task).stdout == f"{Path.cwd()}\ndone\n"


def test_logs_show_the_last_lines_or_what_follows_an_offset(program: Program, folder: Path) -> None:
    hostel(folder, "start", "echo", "text=é1\né2\né3\n", "--id", "lines", "--follow")

    assert hostel(folder, "logs", "lines", "--tail", "2").stdout == "é2\né3\n"
    assert hostel(folder, "logs", "lines", "--tail", "0").stdout == ""
    assert hostel(folder, "logs", "lines", "--tail", "9").stdout == "é1\né2\né3\n"
    assert hostel(folder, "logs", "lines", "--after", "4").stdout == "é2\né3\n"
    assert hostel(folder, "logs", "lines", "--after", "-4").stdout == "é3\n"
    assert "--tail" in hostel(folder, "logs", "lines", "--tail", "1", "--after", "1", code=2).stderr


def test_logs_say_what_is_gone(program: Program, folder: Path) -> None:
    hostel(folder, "start", "echo", f"text={'x' * 50_000}", "times=12", "--id", "much")
    hostel(folder, "wait", "much")
    done = hostel(folder, "logs", "much")
    last = hostel(folder, "logs", "much", "--tail", "1")

    gone = int(done.stderr.split()[1])
    assert done.stderr == f"hostel: {gone} bytes of the output are gone\n"
    assert len(done.stdout) + gone == 600_000
    assert set(last.stdout) == {"x"}


def test_logs_into_a_pipe_that_closes_end_quietly(program: Program, folder: Path) -> None:
    hostel(folder, "start", "echo", f"text={'y' * 50_000}", "times=3", "--id", "pipe", "--follow")
    command = f"{HOSTEL} logs -f pipe | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.stdout == "y" * 10
    assert "Traceback" not in done.stderr


def test_messages_are_read_by_the_task_and_logs_follow_it(program: Program, folder: Path) -> None:
    hostel(folder, "start", "talk", "--id", "talking")
    with started([HOSTEL, "logs", "-f", "talking"], folder) as following:
        hostel(folder, "send", "talking", "hello")
        assert following.line() == "hello"
        hostel(folder, "send", "talking", "[1, 2]", "--json-message")
        assert following.line() == "[1, 2]"
        hostel(folder, "send", "talking", "stop")
        assert following.wait() == (0, "")
    assert record(folder, "talking")["result"]["value"] == ["hello", [1, 2]]  # type: ignore[index]
    assert "not JSON" in hostel(folder, "send", "talking", "{", "--json-message", code=2).stderr
    assert "has ended" in hostel(folder, "send", "talking", "more", code=1).stderr


def test_answers_are_texts_or_the_json_of_a_form(program: Program, folder: Path) -> None:
    hostel(folder, "start", "choose", 'choices=["red","blue"]', "--id", "colour")
    hostel(folder, "start", "form", "--id", "branch")
    wait_until_asked(folder, "colour")
    wait_until_asked(folder, "branch")
    wrong = hostel(folder, "answer", "colour", "green", code=1)
    missing = hostel(folder, "answer", "branch", '{"name": "main"}', code=1)
    no_json = hostel(folder, "answer", "branch", "main", code=2)
    nobody = hostel(folder, "answer", "colour", code=2)
    stale = hostel(folder, "answer", "colour", "red", "--question", "old", code=1)
    hostel(folder, "answer", "colour", "blue")
    answered = hostel(folder, "answer", "branch", '{"name": "main", "remote": "fork"}', "--json")
    hostel(folder, "wait", "colour", "branch")
    nothing = hostel(folder, "answer", "colour", "red", code=1)

    assert wrong.stderr == "hostel: that is no answer to task 'colour': it is one of 'red', 'blue'\n"
    assert "remote" in missing.stderr
    assert "name, depth, force, remote" in " ".join(no_json.stderr.split())
    assert nobody.stderr == "hostel: give the VALUE: there is no terminal to ask for it\n"
    assert "does not ask question 'old' any more" in stale.stderr
    assert json.loads(answered.stdout)["question"] is None
    assert nothing.stderr == "hostel: task 'colour' asks nothing\n"
    assert record(folder, "branch")["result"]["value"] == {"name": "main", "remote": "fork"}  # type: ignore[index]


def test_wait_tells_how_tasks_ended(program: Program, folder: Path) -> None:
    for name in ("stays-1", "stays-2"):
        hostel(folder, "start", "stay", "--id", name, "--session", name)
    hostel(folder, "start", "echo", "text=a", "--id", "quick")
    some = hostel(folder, "wait", "quick", "stays-1", "--any", "--json")
    late = hostel(folder, "wait", "quick", "stays-1", "--timeout", "0s", code=124)
    hostel(folder, "cancel", "stays-1", "stays-2")
    both = hostel(folder, "wait", "stays-1", "stays-2", code=1)

    assert [one["id"] for one in json.loads(some.stdout)] == ["quick"]
    assert late.stderr == "hostel: not ended in time: 'stays-1'\n"
    assert sorted(row[0] for row in rows(both)) == ["stays-1", "stays-2"]
    assert "no runtime has a task 'nope'" in hostel(folder, "wait", "nope", code=1).stderr


def test_an_inbox_is_told_until_it_is_acknowledged(program: Program, folder: Path) -> None:
    hostel(folder, "start", "echo", "text=news", "--session", "told", "--id", "first", "--follow")
    seen = [rows(hostel(folder, "inbox", "told", *more)) for more in ([], ["--ack"], [])]
    other = json.loads(hostel(folder, "inbox", "told", "--consumer", "page", "--json").stdout)

    assert [[row[1:] for row in found] for found in seen] == [
        [["ended", "first", "completed", "news"]],
        [["ended", "first", "completed", "news"]],
        [],
    ]
    assert other[0]["output"] == "news"
    assert other[0]["runtime"] == program.page_url.partition("/#")[0]


def test_run_looks_as_if_the_command_ran_here(program: Program, folder: Path, tmp_path: Path) -> None:
    done = hostel(folder, "run", "--", "echo", "a", "-x", "--help")
    options = ["--cwd", str(tmp_path), "--env", "A=1", "--env", "B=x=y"]
    there = hostel(folder, "run", *options, "sh", "-c", "pwd; echo $A $B >&2")
    terminal = hostel(folder, "run", "--pty", "sh", "-c", "test -t 1 && echo a terminal")

    assert (done.stdout, done.stderr) == ("a -x --help\n", "")
    assert there.stdout == f"{tmp_path}\n1 x=y\n"
    assert terminal.stdout.strip() == "a terminal"
    assert "NAME=VALUE" in hostel(folder, "run", "--env", "A", "x", code=2).stderr


def test_run_ends_with_the_exit_code_of_the_command(program: Program, folder: Path) -> None:
    assert hostel(folder, "run", "sh", "-c", "echo oh no >&2; exit 3", code=3).stdout == "oh no\n"
    hostel(folder, "run", "sh", "-c", "kill -9 $$", code=128 + signal.SIGKILL)
    missing = hostel(folder, "run", "there-is-no-such-command", code=1)
    hostel(folder, "run", "there is no exit status 7", code=1)

    assert "there-is-no-such-command" in missing.stderr


def test_messages_are_the_input_of_a_command(program: Program, folder: Path) -> None:
    with started(
        [HOSTEL, "run", "--session", "reads", "sh", "-c", "echo go; read x; echo got $x"], folder
    ) as process:
        assert process.line() == "go"
        [task] = json.loads(hostel(folder, "ps", "--session", "reads", "--json").stdout)
        hostel(folder, "send", task["id"], "this\n")

        assert process.wait() == (0, "got this\n")


def test_interrupting_run_cancels_its_command(program: Program, folder: Path) -> None:
    with started(
        [HOSTEL, "run", "--session", "mine", "sh", "-c", "echo up; exec sleep 9999"], folder
    ) as process:
        assert process.line() == "up"
        code, told, _ = process.end(signal.SIGINT)
    [task] = json.loads(hostel(folder, "ps", "--all", "--session", "mine", "--json").stdout)[-1:]

    assert (code, told) == (130, "")
    assert (task["state"], task["cancel_reason"]) == ("cancelled", "Ctrl-C")
    assert task["label"] == "sh -c echo up; exec sleep 9999"


def test_interrupting_run_again_leaves_its_command(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with running("trio", tmp_path, env={"SCENARIO_STUBBORN": "1"}):
        command = [HOSTEL, "run", "--session", "kept", "stubborn"]
        with started(command, tmp_path, errors=subprocess.PIPE) as process:
            assert process.line() == "stubborn"
            process.process.send_signal(signal.SIGINT)
            [task] = json.loads(hostel(tmp_path, "ps", "--session", "kept", "--json").stdout)
            while record(tmp_path, task["id"])["state"] != "cancel_requested":
                pass
            code, _, errors = process.end(signal.SIGINT)

    assert code == 130
    assert errors == f"hostel: task '{task['id']}' goes on: `hostel cancel {task['id']}` ends it\n"


def test_without_a_runtime_each_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    missing = hostel(tmp_path, "run", "--", "true", code=1)

    assert missing.stderr.startswith("hostel: no runtime lets a 'process' task be started; there is none")
    assert hostel(tmp_path, "kinds").stdout == ""
    assert hostel(tmp_path, "inbox", "s", "--json").stdout == "[]\n"


def test_logs_go_on_where_they_were_after_a_restart_of_the_runtime(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    env = {"SCENARIO_DATA": str(tmp_path / "data")}
    with running("asyncio", tmp_path, env=env) as program:
        hostel(tmp_path, "start", "outlast", "--id", "one")
        following = started([HOSTEL, "logs", "-f", "one"], tmp_path)
        with following as logs:
            assert logs.line() == "run 1"
            while not any(b"run 1" in path.read_bytes() for path in (tmp_path / "data").rglob("*.out")):
                pass
            program.process.kill()
            program.process.wait()
            with running("trio", tmp_path, env=env):
                assert logs.line() == "run 2"
                hostel(tmp_path, "send", "one", "stop")
                assert logs.wait()[0] == 0


def test_no_output_reaches_a_terminal_as_a_command(program: Program, folder: Path) -> None:
    nasty = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202eend"
    hostel(folder, "start", "echo", f"text={nasty}", "--id", "nasty", "--follow")

    assert hostel(folder, "logs", "nasty").stdout == nasty
    assert not has_controls(hostel(folder, "inbox", "terminal").stdout)
