"""Much output: what is kept is bounded on the disk and in memory, and nothing stands still because of it."""

from pathlib import Path

from hostel.plugins.process._keeper.files import read_state
from hostel.sessions.spool import CAP, read_spool

from .conftest import Running

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
        while scene.exit is None:
            memory = max(memory, most_memory(state.keeper))
            await scene.news()
        ended = await scene.ended()

    kept = sum(path.stat().st_size for path in tmp_path.glob("*.out"))
    assert (ended.status, ended.total) == (0, GIB + len("first\nlast\n"))
    assert 0 < memory < 40 * MIB
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
