"""Where commands print to: a pipe nobody reads, a disk that is full, an encoding that lacks characters."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from ..program import HOSTEL, SECONDS, Program, environment, running

TASK = "spoken"
WORDS = "wörter € 界 ░"
COMMANDS = [
    "ps --tree --all",
    "ps --all --json",
    f"show {TASK}",
    f"logs -f {TASK}",
    f"wait {TASK}",
    "inbox chat",
    "kinds",
    f"history {TASK}",
    "run -- printf words",
    "start choose choices=[] --id {number}",
    "plugins",
    "--help",
    "--version",
]
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    with running("asyncio", folder, env={"SCENARIO_DATA": str(folder / "data")}) as program:
        program.tell(f"speak {TASK}")
        yield program


class Asked:
    """One command, asked in several ways at once."""

    def __init__(self, folder: Path, command: str) -> None:
        self._folder, self._command = folder, command
        self._number = 0
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, out: int | IO[bytes], **env: str) -> subprocess.Popen[bytes]:
        self._number += 1
        words = self._command.format(number=f"{os.getpid()}-{self._number}").split()
        env = {"HOSTEL_DATA_DIR": str(self._folder / "data"), **env}
        process = subprocess.Popen(
            [HOSTEL, *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(self._folder, env),
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        for process in self._started:
            with process:
                process.kill()


@contextmanager
def asked(folder: Path, command: str) -> Iterator[Asked]:
    one = Asked(folder, command)
    try:
        yield one
    finally:
        one.close()


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, errors = process.communicate(timeout=SECONDS)
    return process.returncode, out or b"", errors.decode()


@contextmanager
def closed_pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_sentence_and_a_closed_pipe_is_none(
    program: Program, folder: Path, command: str
) -> None:
    with asked(folder, command) as ask, FULL.open("wb") as full, closed_pipe() as pipe:
        on_full, on_pipe = ask.start(full), ask.start(pipe)

        assert end(on_full) == (1, b"", "hostel: the output cannot be written: No space left on device\n")
        assert end(on_pipe) == (141, b"", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_an_encoding_lacks_is_replaced(program: Program, folder: Path, command: str) -> None:
    ways = [
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ]
    with asked(folder, command) as ask:
        told = [end(process) for process in [ask.start(subprocess.PIPE, **env) for env in ways]]

    for code, out, errors in told:
        assert (code, errors) == (0, "")
        assert out
    if command.startswith(("ps --tree", f"show {TASK}", "history")) and "--json" not in command:
        assert r"wörter \u20ac \u754c \u2591" in told[0][1].decode("latin-1")
        assert rb"w\xf6rter \u20ac \u754c \u2591" in told[1][1]


def test_output_that_is_piped_is_as_the_task_wrote_it_whatever_the_encoding(
    program: Program, folder: Path
) -> None:
    with asked(folder, f"logs {TASK}") as ask:
        assert end(ask.start(subprocess.PIPE, PYTHONIOENCODING="ascii"))[1] == f"{WORDS}\n".encode()


def test_whoever_watches_ends_with_the_reader_of_the_pipe(program: Program, folder: Path) -> None:
    with asked(folder, "watch") as ask:
        process = ask.start(subprocess.PIPE)
        assert process.stdout is not None
        program.tell("work told")
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(SECONDS)
    program.tell("finish told")

    assert (process.returncode, errors) == (141, b"")


def test_a_command_whose_output_was_closed_before_it_began_does_its_work(
    program: Program, folder: Path
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{HOSTEL} ps >&-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env=environment(folder),
    )

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["downloads", "batch ls", "history", "serve"])
@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_data_folder_that_is_none_is_one_sentence(tmp_path: Path, command: str, place: str) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "file").write_text("no folder")
    with asked(tmp_path, command) as ask:
        code, out, errors = end(ask.start(subprocess.PIPE, HOSTEL_DATA_DIR=str(tmp_path / place)))

    assert (code, out) == (1, b"")
    assert errors.startswith("hostel: ")
    assert errors.count("\n") == 1
    assert str(tmp_path / place) in errors
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_detached_batch_that_nobody_will_work_on_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    request = '{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}\n'
    (tmp_path / "in.jsonl").write_text(request)
    with asked(tmp_path, f"batch submit --detach --json {tmp_path / 'in.jsonl'}") as ask:
        code, out, errors = end(ask.start(subprocess.PIPE))

    assert (code, b"in_progress" in out) == (0, True)
    assert errors.startswith("hostel: no runtime serves: batch ")
