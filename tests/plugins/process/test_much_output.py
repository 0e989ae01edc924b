"""Much output: what is kept is bounded on the disk and in memory, and nothing stands still because of it."""

import sys
from pathlib import Path

import anyio
import pytest

from hostel.plugins.process._keeper.files import read_state
from hostel.runtime import Runtime
from hostel.sessions.spool import CAP, read_spool

from .conftest import Running

HOST = Path(__file__).with_name("writing_host.py")
TELLS_MEMORY = Path("/proc/self/status").exists()

GIB = 1 << 30
MIB = 1 << 20


def most_memory(pid: int) -> int:
    """Return the bytes that a process has used at most."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line), 0)


async def test_a_gibibyte_of_output_is_counted_and_its_ends_are_kept(
    running: Running, tmp_path: Path
) -> None:
    memory = 0
    script = f"echo first; head -c {GIB} /dev/zero; echo last"
    async with running(script) as scene:
        state = read_state(str(tmp_path / "keeper"))
        assert state is not None
        while scene.exit is None and scene.error is None:
            memory = max(memory, most_memory(state.keeper))
            await scene.news()
        ended = await scene.ended()

    kept = sum(path.stat().st_size for path in tmp_path.glob("*.out"))
    assert (ended.status, ended.total) == (0, GIB + len("first\nlast\n"))
    assert memory < 40 * MIB
    assert memory > 0 or not TELLS_MEMORY
    assert CAP // 2 < kept <= CAP
    assert read_spool(tmp_path, 0, 6).data == b"first\n"
    assert read_spool(tmp_path, -5, 5).data == b"last\n"


async def test_a_disk_that_takes_no_more_is_told_and_does_not_stop_the_command(
    running: Running, tmp_path: Path
) -> None:
    async with running(f"echo ready; read x; head -c {8 * MIB} /dev/zero; exit 3", stdin=True) as scene:
        await scene.shows("ready")
        (tmp_path / f"{CAP // 4:016d}.out").mkdir()  # where the next segment would be
        await scene.process.write(do="text", text="go\n")
        ended = await scene.ended()

    assert ended.status == 3
    assert ended.total == CAP // 4
    assert ended.not_kept is not None
    assert "Is a directory" in ended.not_kept


@pytest.mark.skipif(not TELLS_MEMORY, reason="the system does not tell its memory use")
@pytest.mark.parametrize("follows", ["nobody", "somebody"])
async def test_the_memory_of_the_host_does_not_grow_with_what_a_command_writes(
    tmp_path: Path, anyio_backend: tuple[str, object], follows: str
) -> None:
    command = [sys.executable, str(HOST), str(tmp_path / "data"), anyio_backend[0], follows]

    told = (await anyio.run_process(command, stderr=None)).stdout.split()

    before, most, written = map(int, told)
    assert written == 200_000_000
    assert 0 < before <= most < before + 30 * MIB


@pytest.mark.parametrize("kept_in", ["memory", "journal"])
async def test_a_reader_that_is_slow_gets_every_byte_or_is_told_that_it_is_gone(
    tmp_path: Path, kept_in: str
) -> None:
    data_dir = tmp_path / "data" if kept_in == "journal" else None
    shell = f"read x; head -c {10 * MIB} /dev/zero; read x; head -c {40 * MIB} /dev/zero; echo last"
    read = dropped = 0
    async with Runtime(data_dir=data_dir, load_installed=False) as runtime:
        await runtime.start("s", "process", {"shell": shell, "stdin": True}, id="t")
        await runtime.tasks.send("t", "begin")
        async for piece in runtime.tasks.follow_output("t"):
            assert piece.start == read + dropped + piece.dropped
            read, dropped = read + len(piece.text.encode()), dropped + piece.dropped
            if piece.start == 0:
                await runtime.tasks.send("t", "go on")
                await runtime.tasks.wait("t")  # all of it is written while the reader does something else
        record = await runtime.tasks.get("t")

    assert record is not None
    assert piece.text.endswith("last\n")
    assert dropped > 20 * MIB
    assert read + dropped == record.output_bytes == 50 * MIB + len("last\n")
