"""Outputs of tasks: every byte is read once or said to be dropped, whatever keeps it, whoever writes it."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions._output.outputs import Outputs
from hostel.sessions._output.spooling import MAX_UNWRITTEN
from hostel.sessions._output.task_output import TaskOutput
from hostel.sessions.spool import SpoolWriter

TEXTS = st.text(st.sampled_from("aé€😀\n"), max_size=40)
STREAMS = st.sampled_from(["stdout", "stderr"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), TEXTS, STREAMS),
        st.tuples(st.just("read"), st.integers(-100, 900), st.integers(1, 60)),
        st.sampled_from([("flush", "", ""), ("reopen", "", "")]),
    ),
    max_size=30,
)


@asynccontextmanager
async def running(
    folder: Path | None, cap: int = 2**20, head: int = 20, tail: int = 50
) -> AsyncIterator[Outputs]:
    outputs = Outputs(folder, cap, head=head, tail=tail)
    async with anyio.create_task_group() as group:
        group.start_soon(outputs.run)
        yield outputs
        await outputs.close()


class Reader:
    """Follows an output and holds what it gets against all that was written."""

    def __init__(self) -> None:
        self.written = b""
        self.streams: list[str] = []
        self.at = 0
        self.text = ""
        self.dropped = 0
        self.ended = False

    def add(self, output: TaskOutput, text: str, stream: str) -> None:
        output.add(text, stream)
        self.written += text.encode()
        self.streams += [stream] * len(text.encode())
        assert output.total == len(self.written)

    async def read(self, outputs: Outputs, output: TaskOutput, after: int, limit: int) -> None:
        found = await outputs.read(output, after, limit)
        asked = after if after >= 0 else max(0, len(self.written) + after)
        assert found.start == asked + found.dropped
        assert found.start <= found.next <= max(len(self.written), asked)
        assert found.next - found.start <= max(4, limit)
        assert found.text == self.written[found.start : found.next].decode("utf-8", "replace")
        assert {found.stream} >= set(self.streams[found.start : found.next])
        if after == self.at:
            self.text += found.text
            self.dropped += found.dropped
            self.at = found.next
            self.ended = found.ended

    async def read_all(self, outputs: Outputs, output: TaskOutput) -> None:
        while not self.ended:
            before = self.at
            await self.read(outputs, output, self.at, 30)
            assert self.ended or self.at > before
        assert self.at == len(self.written)


@pytest.mark.parametrize("kept", ["in memory", "in small files", "in large files"])
@given(steps=STEPS, cap=st.integers(4, 300))
async def test_every_byte_is_read_once_or_said_to_be_dropped(
    kept: str, steps: list[tuple[str, str | int, str | int]], cap: int
) -> None:
    reader = Reader()
    with TemporaryDirectory() as temporary:
        folder = None if kept == "in memory" else Path(temporary)
        cap = 2**20 if kept == "in large files" else cap
        async with running(folder, cap) as outputs:
            output = outputs.open(1)
            for what, first, second in steps:
                if what == "add":
                    reader.add(output, str(first), str(second))
                elif what == "read":
                    after, limit = int(first), int(second)
                    await reader.read(outputs, output, after if after < 300 else reader.at, limit)
                elif what == "flush":
                    await outputs.flush(output)
                elif folder is not None:
                    await outputs.flush(output)
                    async with running(folder, cap) as again:
                        output = again.open(1)
                        await reader.read(again, output, reader.at, 30)
                    outputs._open.clear()
                    output = outputs.open(1)
            output.end()
            await reader.read_all(outputs, output)
    if kept == "in large files":
        assert reader.dropped == 0
        assert reader.text.count("\ufffd") == 0 or len(set(reader.streams)) > 1


async def test_what_is_only_in_files_is_read_from_there(tmp_path: Path) -> None:
    text = "".join(f"line {number} é€😀\n" for number in range(500))
    async with running(tmp_path) as outputs:
        output = outputs.open(7)
        for line in text.splitlines(keepends=True):
            output.add(line)
        output.end()
        got, at = "", 0
        while at < output.total:
            found = await outputs.read(output, at, 100)
            assert found.dropped == 0
            got, at = got + found.text, found.next

    assert got == text


async def test_without_files_the_middle_is_said_to_be_dropped() -> None:
    async with running(None) as outputs:
        output = outputs.open(1)
        output.add("x" * 100 + "y" * 50)
        first = await outputs.read(output)
        second = await outputs.read(output, first.next)

    assert (first.text, first.next, first.dropped) == ("x" * 20, 20, 0)
    assert (second.text, second.start, second.dropped) == ("y" * 50, 100, 80)


async def test_nothing_is_made_before_the_first_byte_and_all_is_written_at_the_close(tmp_path: Path) -> None:
    async with running(tmp_path) as outputs:
        quiet, loud = outputs.open(1), outputs.open(2)
        quiet.add("")
        await outputs.flush(quiet)
        assert list(tmp_path.iterdir()) == []
        loud.add("hello")

    assert await Outputs(tmp_path).numbers() == [2]
    assert (await Outputs(tmp_path).read(2, ended=True)).text == "hello"


async def test_a_new_host_goes_on_after_what_is_there(tmp_path: Path) -> None:
    async with running(tmp_path) as outputs:
        outputs.open(1).add("before ")
    async with running(tmp_path) as outputs:
        output = outputs.open(1)
        assert output.total == 7
        output.add("after")
        assert (await outputs.read(output)).text == "before after"


async def test_who_is_opened_anew_while_unwritten_is_the_same(tmp_path: Path) -> None:
    async with running(tmp_path) as outputs:
        outputs.open(1).add("one ")
        outputs.open(1).add("two")
        assert (await outputs.read(1)).text == "one two"


async def test_a_follower_hears_of_each_piece_and_of_the_end(tmp_path: Path) -> None:
    heard = list[str]()

    async def follow(outputs: Outputs, output: TaskOutput) -> None:
        at, ended = 0, False
        while not ended:
            found = await outputs.next(output, at)
            heard.append(found.text)
            at, ended = found.next, found.ended

    async with running(None) as outputs, anyio.create_task_group() as group:
        output = outputs.open(1)
        group.start_soon(follow, outputs, output)
        for text in ("one", "é", "three"):
            await anyio.wait_all_tasks_blocked()
            output.add(text)
        await anyio.wait_all_tasks_blocked()
        output.end()

    assert heard == ["one", "é", "three", ""]


async def test_writers_wait_while_the_disk_is_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as outputs:
        output = outputs.open(1)
        output.add("x" * (MAX_UNWRITTEN + 1))
        assert output.spool is not None
        await output.room()
        assert output.spool.unwritten <= MAX_UNWRITTEN


async def test_a_disk_that_refuses_stops_the_spool_with_one_warning_and_memory_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1").touch()
    async with running(tmp_path / "1") as outputs:
        output = outputs.open(1)
        for _ in range(3):
            output.add("x" * 100)
            await outputs.flush(output)
            await output.room()
        first = await outputs.read(output)
        second = await outputs.read(output, first.next)

    assert (first.text, second.text, second.dropped) == ("x" * 20, "x" * 50, 230)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_what_is_removed_is_gone_and_what_comes_later_stays_in_memory(tmp_path: Path) -> None:
    async with running(tmp_path) as outputs:
        output, other = outputs.open(1), outputs.open(2)
        output.add("gone" * 30)
        other.add("kept")
        await outputs.flush(output)
        await outputs.flush(other)
        output.add("never written")
        await outputs.remove([1, 5])
        output.add("late")
        await outputs.flush(output)
        assert await outputs.numbers() == [2]
        assert (await outputs.read(output, -4)).text == "late"


async def test_a_stream_has_a_name() -> None:
    async with running(None) as outputs:
        output = outputs.open(1)
        output.add("x", "a-stream_2")
        with pytest.raises(ValueError, match="a stream's name has"):
            output.add("x", "Two words")
        assert output.total == 1


@pytest.mark.parametrize("in_files", [True, False])
async def test_another_process_writes_and_the_host_reads_what_it_is_told_of(
    tmp_path: Path, in_files: bool
) -> None:
    async with running(tmp_path if in_files else None) as outputs:
        output = outputs.open(1)
        output.add("x" * 90 + "before ")
        place = await outputs.spool_folder(output)
        with pytest.raises(ValueError, match="another process"):
            output.add("x")
        writer = SpoolWriter(place)
        writer.append(b"after")
        writer.close()
        output.note_total(writer.total)
        output.end()
        found = await outputs.read(output, 90)
        assert found.text == ("before after" if in_files else "before ")
        assert (await outputs.read(output, 97)).text == "after"
        assert (await outputs.read(output, -5)).text == "after"
        assert (await outputs.read(output, 102)).ended

    assert place.exists() == in_files


FOREIGN = """
import os, sys
from hostel.sessions.spool import SpoolWriter
writer = SpoolWriter(sys.argv[1], 4096)
for number in range(20_000):
    writer.append(b"%07d\\n" % number, "stderr" if number // 1000 % 2 else "stdout")
    if number % 100 == 99:
        print(writer.total, flush=True)
"""


async def test_a_follower_of_another_process_hears_every_byte_or_that_it_is_gone() -> None:
    numbers = "".join(f"{number:07}\n" for number in range(20_000))
    at = dropped = read = 0
    async with running(None) as outputs, anyio.create_task_group() as group:
        output = outputs.open(1)
        place = await outputs.spool_folder(output)
        process = await anyio.open_process([sys.executable, "-c", FOREIGN, str(place)], stderr=None)

        async def note() -> None:
            assert process.stdout is not None
            async for chunk in process.stdout:
                if whole := chunk.rpartition(b"\n")[0].split(b"\n")[1:]:
                    output.note_total(int(whole[-1]))
            await process.wait()
            output.note_total(160_000)
            output.end()

        group.start_soon(note)
        ended = False
        while not ended:
            found = await outputs.next(output, at)
            assert found.text == numbers[found.start : found.next]
            dropped, read = dropped + found.dropped, read + len(found.text)
            at, ended = found.next, found.ended
        await process.aclose()

    assert dropped + read == at == 160_000


FULL = """
import resource, signal, sys
from pathlib import Path
import anyio
from hostel.sessions._output.outputs import Outputs

async def main():
    outputs = Outputs(Path(sys.argv[1]), 8000, head=200, tail=500)
    async with anyio.create_task_group() as group:
        group.start_soon(outputs.run)
        output, at = outputs.open(1), 0
        output.add("a" * 3000)
        output.end()
        while at < 3000:
            found = await outputs.read(output, at, 5000)
            print(found.start, found.next, found.dropped)
            at = found.next
        await outputs.close()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
anyio.run(main)
"""


async def test_what_a_full_disk_did_not_take_is_told_as_dropped(tmp_path: Path) -> None:
    done = await anyio.run_process([sys.executable, "-c", FULL, str(tmp_path)])

    assert done.stdout.decode().splitlines() == ["0 1000 0", "2500 3000 1500"]
    assert done.stderr.decode().count("output is no longer kept in") == 1
