"""A command as a task: its result, its messages, its end, and runtimes that come and go."""

import json
import logging
import os
import signal
from pathlib import Path

import pytest

from hostel.runtime import InvalidParams, Runtime
from hostel.sessions import (
    CancelPolicy,
    FailureKind,
    JsonValue,
    TaskFilter,
    TaskHandle,
    TaskRecord,
    TaskState,
)

from .conftest import killed, marked
from .host import COMMANDS

HOST = Path(__file__).with_name("host.py")
IGNORES = "trap '' INT TERM; echo up; while :; do sleep 0.01; done"
GRACE: dict[str, JsonValue] = {"interrupt_grace": 0.05, "terminate_grace": 0.05}


def runtime_at(folder: Path | None = None) -> Runtime:
    return Runtime(data_dir=folder, load_installed=False)


@pytest.fixture(params=["memory", "journal"])
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Runtime:
    return runtime_at(tmp_path / "data" if request.param == "journal" else None)


async def start(runtime: Runtime, shell: str, **params: JsonValue) -> TaskHandle[object]:
    return await runtime.start("s", "process", {"shell": shell, **params}, id="t")


async def shows(runtime: Runtime, wanted: str, task_id: str = "t") -> str:
    """Wait until the output has `wanted`, and return it all."""
    text = ""
    async for piece in runtime.tasks.follow_output(task_id):
        text += piece.text
        if wanted in text:
            return text
    raise AssertionError(f"ended after {text!r}")


async def now(runtime: Runtime) -> TaskRecord:
    record = await runtime.tasks.get("t")
    assert record is not None
    return record


async def ended(runtime: Runtime, task_id: str = "t") -> TaskRecord:
    return await runtime.tasks.wait(task_id)


def failure(record: TaskRecord) -> str:
    assert record.state is TaskState.FAILED
    assert record.failure is not None
    return record.failure.message


async def test_a_command_that_succeeds_completes_its_task(runtime: Runtime) -> None:
    async with runtime:
        task = await start(runtime, "echo hello")
        result = await task.wait()
        output = await runtime.tasks.read_output("t")
        record = await now(runtime)

    assert result == {"exit_status": 0, "signal": None, "output_bytes": 6}
    assert (output.text, output.ended) == ("hello\n", True)
    assert record.output_bytes == 6


async def test_a_command_that_fails_tells_its_status_and_its_last_lines(runtime: Runtime) -> None:
    async with runtime:
        await start(runtime, "seq 10000; echo no such thing >&2; exit 3")
        message = failure(await ended(runtime))
    lines = message.splitlines()

    assert "ProcessFailed: exit status 3: " in message
    assert lines[1:] == [*map(str, range(int(lines[1]), 10_001)), "no such thing"]
    assert len(lines) > 100


async def test_a_command_that_a_signal_ends_tells_its_name(runtime: Runtime) -> None:
    async with runtime:
        await start(runtime, "echo last; kill -SEGV $$")

        assert failure(await ended(runtime)).endswith("ProcessFailed: ended by SIGSEGV: last")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "InvalidCommand: argv: give either argv or shell"),
        ({"argv": ["nonsense-of-a-name"]}, "ProgramNotFound: argv: there is no program 'nonsense-of-a-name'"),
        ({"argv": ["ls"], "cwd": "/gone"}, "FolderNotFound: cwd: there is no folder '/gone'"),
    ],
)
async def test_a_command_that_cannot_be_started_fails_in_one_sentence(
    runtime: Runtime, params: dict[str, JsonValue], sentence: str
) -> None:
    async with runtime:
        await runtime.start("s", "process", params, id="t")

        assert failure(await ended(runtime)).endswith(sentence)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"argv": "ls"}, "'argv' must be a list or null"),
        ({"argv": ["ls", 1]}, "'argv' must be a list of which each is a text or null"),
        ({"shell": "ls", "env": {"A": 1}}, "'env' must be an object of which each is a text or null"),
        ({"shell": "ls", "on_host_loss": "keep"}, "'on_host_loss' must be one of 'adopt', 'kill' or null"),
        ({"command": "ls"}, "it takes no 'command'"),
    ],
)
async def test_params_of_a_wrong_type_register_nothing(
    runtime: Runtime, params: dict[str, JsonValue], sentence: str
) -> None:
    async with runtime:
        with pytest.raises(InvalidParams, match=sentence):
            await runtime.start("s", "process", params)
        assert await runtime.tasks.list(TaskFilter(include_terminal=True)) == []


async def test_a_command_may_be_started_from_outside() -> None:
    async with runtime_at() as runtime:
        (kind,) = [kind for kind in runtime.kinds if kind.name == "process"]

    assert kind.exposed
    assert kind.summary == "Run a command to its end in a task, whose output is what it writes."


async def test_without_a_data_dir_nobody_could_adopt(tmp_path: Path) -> None:
    async with runtime_at() as runtime:
        await start(runtime, "exit 0", on_host_loss="adopt")

        assert "nobody could adopt it" in failure(await ended(runtime))


async def test_messages_are_the_input(runtime: Runtime) -> None:
    async with runtime:
        task = await start(runtime, "while read x; do echo got $x; done; echo over", stdin=True)
        await runtime.tasks.send("t", "one")
        await runtime.tasks.send("t", {"text": "tw"})
        await runtime.tasks.send("t", {"text": "o\n"})
        await runtime.tasks.send("t", {"eof": True})
        await task.wait()

        assert (await runtime.tasks.read_output("t")).text == "got one\ngot two\nover\n"


async def test_a_message_may_be_a_signal_and_others_are_told_in_the_log(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    async with runtime:
        await start(runtime, "trap 'echo heard; exit 4' USR1; echo up; while :; do sleep 0.01; done")
        await shows(runtime, "up")
        with caplog.at_level(logging.WARNING, "hostel.process"):
            wrongs: list[JsonValue] = [1, {"signal": "NOTHING"}, {"eof": False}, ["x"]]
            for wrong in wrongs:
                await runtime.tasks.send("t", wrong)
            await runtime.tasks.send("t", {"signal": "USR1"})
            assert "exit status 4" in failure(await ended(runtime))

    assert len([line for line in caplog.messages if "takes text, eof or a signal" in line]) == 4


@pytest.mark.parametrize("policy", [CancelPolicy.ABORT_LOCAL, CancelPolicy.COOPERATIVE])
async def test_a_task_is_cancelled_when_nobody_is_left(runtime: Runtime, policy: CancelPolicy) -> None:
    async with runtime:
        shell = f'(setsid sh -c "{IGNORES}" &) ; {IGNORES}'
        await runtime.start("s", "process", {"shell": shell, **GRACE}, id="t", cancel_policy=policy)
        await shows(runtime, "up\nup\n")
        await runtime.tasks.request_cancel("t", "no longer needed")
        record = await ended(runtime)

        assert record.state is TaskState.CANCELLED
        assert marked(os.environ["HOSTEL_TEST_FOLDER"]) == []


async def test_cancel_managed_returns_before_a_command_with_long_graces_has_ended(runtime: Runtime) -> None:
    async with runtime:
        await start(runtime, f"echo $$; {IGNORES}", interrupt_grace=1_000)
        shown = await shows(runtime, "up")
        await runtime.tasks.cancel_managed("s", "t", "enough", grace=0.01)
        before = (await now(runtime)).state
        os.kill(int(shown.split()[0]), signal.SIGKILL)

        assert before is TaskState.CANCEL_REQUESTED
        assert (await ended(runtime)).state is TaskState.CANCELLED


async def test_time_that_is_over_fails_the_task(runtime: Runtime) -> None:
    async with runtime:
        await start(runtime, "echo up; exec sleep 1000", timeout=0.2)
        message = failure(await ended(runtime))

    assert "ProcessTimedOut: ended by SIGINT (its time was over)" in message


async def test_the_timeout_of_a_task_ends_its_command(runtime: Runtime) -> None:
    async with runtime:
        await runtime.start("s", "process", {"shell": "exec sleep 1000"}, id="t", timeout=0.2)
        record = await ended(runtime)

    assert record.failure is not None
    assert record.failure.kind is FailureKind.TIMEOUT


async def test_a_retry_starts_the_command_again_and_its_output_goes_on(
    runtime: Runtime, tmp_path: Path
) -> None:
    async with runtime:
        shell = f"echo run; test -e {tmp_path}/mark && exit 0; touch {tmp_path}/mark; exit 1"
        task = await runtime.start("s", "process", {"shell": shell}, id="t", max_attempts=3)
        result = await task.wait()
        output = await runtime.tasks.read_output("t")

    assert result == {"exit_status": 0, "signal": None, "output_bytes": 8}
    assert output.text == "run\nrun\n"


async def test_a_runtime_in_memory_ends_its_commands_when_it_stops() -> None:
    async with runtime_at() as runtime:
        await start(runtime, "echo up; exec sleep 1000")
        await shows(runtime, "up")


async def test_a_command_goes_on_when_its_runtime_stops_and_the_next_one_adopts_it(tmp_path: Path) -> None:
    async with runtime_at(tmp_path / "data") as first:
        await start(first, "echo up; read x; echo got $x; exit 5", stdin=True)
        await shows(first, "up")
    async with runtime_at(tmp_path / "data") as second:
        assert (await now(second)).attempt.attempt == 2
        await second.tasks.send("t", "word")
        message = failure(await ended(second))
        output = await second.tasks.read_output("t")

    assert "exit status 5" in message
    assert output.text == "up\ngot word\n"


async def test_a_command_is_adopted_though_its_program_and_folder_are_gone(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    async with runtime_at(tmp_path / "data") as first:
        await start(first, "echo up; read x", stdin=True, cwd=str(tmp_path / "here"))
        await shows(first, "up")
    (tmp_path / "here").rmdir()
    async with runtime_at(tmp_path / "data") as second:
        await second.tasks.send("t", "word")

        assert (await ended(second)).state is TaskState.COMPLETED


async def test_a_command_that_ended_between_two_runtimes_ends_its_task(tmp_path: Path) -> None:
    async with runtime_at(tmp_path / "data") as first:
        await start(first, f"echo up; until test -e {tmp_path}/go; do sleep 0.01; done; exit 6")
        await shows(first, "up")
    (tmp_path / "go").touch()
    async with runtime_at(tmp_path / "data") as second:
        assert "exit status 6" in failure(await ended(second))


async def test_a_command_that_is_not_to_outlive_its_runtime_is_ended_and_fails_in_the_next(
    tmp_path: Path,
) -> None:
    async with runtime_at(tmp_path / "data") as first:
        await start(first, "echo up; exec sleep 1000", on_host_loss="kill")
        await shows(first, "up")
    assert marked(str(tmp_path)) == []
    async with runtime_at(tmp_path / "data") as second:
        assert "(its host was lost): up" in failure(await ended(second))


async def test_a_command_whose_task_was_given_up_is_ended_by_the_next_runtime(tmp_path: Path) -> None:
    async with runtime_at(tmp_path / "data") as first:
        await start(first, "echo up; exec sleep 1000")
        await shows(first, "up")
    (entry,) = (tmp_path / "data/process").iterdir()
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"task": "another"}))
    async with runtime_at(tmp_path / "data") as second:
        assert "(its host was lost): up" in failure(await ended(second))


async def test_ten_commands_of_a_killed_runtime_are_adopted(tmp_path: Path, loop: str) -> None:
    await killed(HOST, tmp_path / "data", "adopt", loop)
    async with runtime_at(tmp_path / "data") as runtime:
        for number in range(COMMANDS):
            await runtime.tasks.send(f"task-{number}", "word")
        records = [await ended(runtime, f"task-{number}") for number in range(COMMANDS)]
        outputs = [(await runtime.tasks.read_output(record.id)).text for record in records]

    assert records[0].state is TaskState.COMPLETED
    assert [f"exit status {number}" in failure(records[number]) for number in range(1, COMMANDS)] == [
        True
    ] * 9
    assert set(outputs) == {"up\ngot word\n"}


async def test_ten_commands_of_a_killed_runtime_are_ended(tmp_path: Path, loop: str) -> None:
    await killed(HOST, tmp_path / "data", "kill", loop)
    async with runtime_at(tmp_path / "data") as runtime:
        records = [await ended(runtime, f"task-{number}") for number in range(COMMANDS)]

    assert ["(its host was lost): up" in failure(record) for record in records] == [True] * COMMANDS


async def test_ten_commands_whose_runtime_is_killed_four_times_end_well_in_the_fifth(
    tmp_path: Path, loop: str
) -> None:
    for loss in ("adopt", "resume", "resume", "resume"):
        await killed(HOST, tmp_path / "data", loss, loop)
    async with runtime_at(tmp_path / "data") as runtime:
        for number in range(COMMANDS):
            await runtime.tasks.send(f"task-{number}", "word")
        records = [await ended(runtime, f"task-{number}") for number in range(COMMANDS)]

    attempts = [record.attempt for record in records]
    assert records[0].state is TaskState.COMPLETED
    assert all(f"exit status {number}" in failure(records[number]) for number in range(1, COMMANDS))
    assert {(it.attempt, it.interruptions, it.counted) for it in attempts} == {(5, 4, 1)}
