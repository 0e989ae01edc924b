"""A command under its keeper: what comes out, what goes in, and that nothing of it stays."""

import json
import os
import signal
from pathlib import Path

import pytest
from anyio import to_thread

from hostel.plugins.process import OnHostLoss, ProcessLost, ProcessRefused, check
from hostel.plugins.process._keeper.files import read_state
from hostel.plugins.process._kept import kept

from .conftest import Running, wait_for_keeper

IGNORES = "trap '' INT TERM; echo ready; while :; do read x </dev/zero; done"
GRACE: dict[str, float] = {"interrupt_grace": 0.05, "terminate_grace": 0.05}


async def test_a_command_tells_its_output_and_its_status(running: Running) -> None:
    async with running("echo out; echo err >&2; echo out again; exit 3") as scene:
        ended = await scene.ended()

    assert (ended.status, ended.signal, ended.total) == (3, None, len("out\nerr\nout again\n"))
    assert await scene.text() == "out\nerr\nout again\n"


async def test_a_command_that_a_signal_ends_tells_which(running: Running) -> None:
    async with running("kill -KILL $$") as scene:
        ended = await scene.ended()

    assert (ended.status, ended.signal) == (None, signal.SIGKILL)


async def test_without_stdin_the_input_is_empty(running: Running) -> None:
    async with running("cat; echo over") as scene:
        assert (await scene.ended()).status == 0

    assert await scene.text() == "over\n"


async def test_stdin_goes_there_and_back(running: Running) -> None:
    async with running('while read line; do echo "got $line"; done; echo over', stdin=True) as scene:
        await scene.process.write(do="text", text="one\n")
        await scene.shows("got one\n")
        await scene.process.write(do="text", text="two\nthree\n")
        await scene.shows("got three\n")
        await scene.process.send(do="eof")
        assert (await scene.ended()).status == 0

    assert (await scene.text()).endswith("over\n")


async def test_input_waits_for_a_command_that_does_not_read_yet(running: Running, tmp_path: Path) -> None:
    size = 300_000
    async with running(
        f"until test -e {tmp_path}/go; do sleep 0.01; done; head -c {size} | wc -c", stdin=True
    ) as scene:
        (tmp_path / "go").touch()
        await scene.process.write(do="text", text="x" * size)
        assert (await scene.ended()).status == 0

    assert int(await scene.text()) == size


async def test_input_for_a_command_that_has_closed_it_is_lost_and_nothing_hangs(running: Running) -> None:
    async with running("exec 0<&-; echo ready; exec sleep 1000", stdin=True) as scene:
        await scene.shows("ready")
        await scene.process.write(do="text", text="x" * 200_000)
        await scene.process.send(do="end", why="cancel")
        assert (await scene.ended()).signal == signal.SIGINT


async def test_a_signal_reaches_the_command(running: Running) -> None:
    async with running("trap 'echo heard' USR1; echo ready; while :; do sleep 0.01; done") as scene:
        await scene.shows("ready")
        await scene.process.send(do="signal", signal=int(signal.SIGUSR1))
        await scene.shows("heard")
        await scene.process.send(do="end", why="cancel")
        assert (await scene.ended()).why == "cancel"


async def test_what_a_command_leaves_in_the_background_is_ended_with_it(running: Running) -> None:
    async with running("sleep 1000 & (sleep 1000 &) ; setsid sleep 1000 & exit 5") as scene:
        assert (await scene.ended()).status == 5


async def test_a_daemon_that_ignores_everything_is_ended_too(running: Running, tmp_path: Path) -> None:
    daemon = f"trap '' INT TERM HUP; touch {tmp_path}/up; while :; do sleep 0.01; done"
    daemon = f'setsid sh -c "{daemon}" >/dev/null 2>&1 &'
    async with running(
        f"{daemon} until test -e {tmp_path}/up; do sleep 0.01; done; exit 0", **GRACE
    ) as scene:
        assert (await scene.ended()).status == 0


async def test_the_output_of_children_that_write_until_they_are_ended_is_kept(running: Running) -> None:
    async with running(
        "(trap 'echo last words; exit' TERM; echo up; while :; do sleep 0.01; done) & read x; exit 0",
        stdin=True,
    ) as scene:
        await scene.shows("up")
        await scene.process.send(do="eof")
        await scene.ended()

    assert "last words" in await scene.text()


async def test_an_interrupt_is_enough_for_most(running: Running) -> None:
    async with running("echo ready; exec sleep 1000") as scene:
        await scene.shows("ready")
        await scene.process.send(do="end", why="cancel")
        ended = await scene.ended()

    assert (ended.signal, ended.why) == (signal.SIGINT, "cancel")


async def test_a_command_that_ignores_signals_is_killed_after_the_graces(running: Running) -> None:
    async with running(IGNORES, **GRACE) as scene:
        await scene.shows("ready")
        await scene.process.send(do="end", why="cancel")
        ended = await scene.ended()

    assert ended.signal == signal.SIGKILL


async def test_a_stopped_command_is_ended_as_well(running: Running) -> None:
    async with running("echo ready; kill -STOP $$; exec sleep 1000", **GRACE) as scene:
        await scene.shows("ready")
        await scene.process.send(do="end", why="cancel")
        assert (await scene.ended()).signal is not None


async def test_a_command_that_closes_its_output_lives_on(running: Running) -> None:
    async with running("echo ready; exec >&- 2>&-; read x; exit 7", stdin=True) as scene:
        await scene.shows("ready")
        await scene.process.write(do="text", text="go\n")
        assert (await scene.ended()).status == 7


async def test_time_that_is_over_ends_a_command(running: Running) -> None:
    async with running("exec sleep 1000", timeout=0.2) as scene:
        ended = await scene.ended()

    assert (ended.why, ended.signal) == ("timeout", signal.SIGINT)


async def test_a_terminal_is_one(running: Running) -> None:
    async with running(
        "test -t 0 && test -t 1 && test -t 2 && stty size && tty </dev/tty", pty=True
    ) as scene:
        assert (await scene.ended()).status == 0

    assert "24 80" in await scene.text()


async def test_control_c_goes_through_the_terminal(running: Running) -> None:
    async with running(
        "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.01; done", pty=True
    ) as scene:
        await scene.shows("ready")
        await scene.process.write(do="text", text="\x03")
        assert (await scene.ended()).status == 9

    assert "interrupted" in await scene.text()


async def test_the_end_of_the_input_of_a_terminal(running: Running) -> None:
    async with running("cat; echo over", pty=True) as scene:
        await scene.process.write(do="text", text="line\n")
        await scene.shows("line\r\nline\r\n")
        await scene.process.send(do="eof")
        assert (await scene.ended()).status == 0


async def test_a_program_that_goes_away_after_the_check_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o755)
    command = check({"argv": [str(program)]})
    program.unlink()

    with pytest.raises(ProcessRefused, match=r"program: No such file or directory$"):
        async with kept(tmp_path / "out", lambda: (command, OnHostLoss.KILL)):
            pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["keeper"]


async def test_a_folder_that_goes_away_after_the_check_is_refused(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    command = check({"shell": "echo", "cwd": str(tmp_path / "here")})
    (tmp_path / "here").rmdir()

    with pytest.raises(ProcessRefused, match=r"here: No such file or directory$"):
        async with kept(tmp_path / "out", lambda: (command, OnHostLoss.KILL)):
            pass


async def test_a_command_goes_on_when_its_host_lets_go_and_the_next_one_finds_it(
    running: Running, tmp_path: Path
) -> None:
    async with running("echo ready; read x; echo got $x; exit 4", OnHostLoss.ADOPT, stdin=True) as first:
        await first.shows("ready")
    async with running("exit 99") as second:
        await second.process.write(do="text", text="word\n")
        assert (await second.ended()).status == 4

    assert await second.text() == "ready\ngot word\n"


async def test_a_command_that_ends_while_no_host_is_there_tells_its_true_status(
    running: Running, tmp_path: Path
) -> None:
    async with running(
        f"echo ready; until test -e {tmp_path}/go; do sleep 0.01; done; exit 6", OnHostLoss.ADOPT
    ) as first:
        await first.shows("ready")
    (tmp_path / "go").touch()
    await to_thread.run_sync(wait_for_keeper, tmp_path)
    async with running("exit 99") as second:
        assert (await second.ended()).status == 6


async def test_a_command_that_is_not_to_outlive_its_host_is_ended_when_that_is_gone(running: Running) -> None:
    async with running("echo ready; exec sleep 1000", OnHostLoss.KILL) as first:
        await first.shows("ready")
    async with running("exit 99") as second:
        ended = await second.ended()

    assert (ended.why, ended.signal) == ("host_lost", signal.SIGINT)


async def test_the_end_of_a_killed_keeper_is_told_and_its_command_is_ended(
    running: Running, tmp_path: Path
) -> None:
    async with running(IGNORES + " & wait", **GRACE) as scene:
        await scene.shows("ready")
        state = read_state(str(tmp_path / "keeper"))
        assert state is not None
        os.kill(state.keeper, signal.SIGKILL)
        with pytest.raises(ProcessLost, match="its keeper was killed"):
            await scene.ended()


async def test_what_a_killed_keeper_has_left_is_ended_by_the_next_host(
    running: Running, tmp_path: Path
) -> None:
    async with running(IGNORES, OnHostLoss.ADOPT, **GRACE) as first:
        await first.shows("ready")
    state = read_state(str(tmp_path / "keeper"))
    assert state is not None
    os.kill(state.keeper, signal.SIGKILL)
    await to_thread.run_sync(wait_for_keeper, tmp_path)
    async with running("exit 99") as second:
        with pytest.raises(ProcessLost, match="its keeper was killed"):
            await second.ended()


async def test_a_keeper_whose_folder_has_a_long_path_listens_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    command = check({"shell": "echo ready; read x; exit 8", "stdin": True})
    async with kept(folder, lambda: (command, OnHostLoss.ADOPT)):
        state = read_state(str(folder / "keeper"))
    assert state is not None
    assert state.socket.startswith(os.environ["XDG_RUNTIME_DIR"])
    async with kept(folder, lambda: (command, OnHostLoss.ADOPT)) as process:
        await process.send(do="text", text="go\n")
        assert (await process.ended(lambda _: None)).status == 8


async def test_a_restart_of_the_machine_is_told(running: Running, tmp_path: Path) -> None:
    async with running("exit 0") as scene:
        await scene.ended()
    (tmp_path / "keeper/exit.json").unlink()
    state = json.loads((tmp_path / "keeper/state.json").read_text())
    (tmp_path / "keeper/state.json").write_text(
        json.dumps(state | {"boot": "another", "keeper": 1, "command": 1})
    )

    async with running("exit 0") as scene:
        with pytest.raises(ProcessLost, match="the machine was restarted"):
            await scene.ended()


async def test_a_keeper_that_is_asked_to_end_ends_its_command_first(running: Running, tmp_path: Path) -> None:
    async with running("echo ready; exec sleep 1000") as scene:
        await scene.shows("ready")
        state = read_state(str(tmp_path / "keeper"))
        assert state is not None
        os.kill(state.keeper, signal.SIGTERM)
        assert (await scene.ended()).why == "stopped"
