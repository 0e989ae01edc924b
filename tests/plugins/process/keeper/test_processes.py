"""Who lives, and who came from whom."""

import os
import signal
import subprocess
import sys

import pytest

from hostel.plugins.process._keeper import processes
from hostel.plugins.process._keeper.processes import Process


def test_a_process_is_known_by_its_start() -> None:
    me = processes.find(os.getpid())

    assert me is not None
    assert (me.parent, me.group, me.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert processes.table()[os.getpid()] == me
    assert processes.start_of(os.getpid()) == me.started


def test_one_that_is_dead_does_not_live_but_has_a_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        living = processes.find(process.pid)
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert living is not None
        assert processes.find(process.pid) is None
        assert processes.start_of(process.pid) == living.started


def test_the_names_of_programs_may_hold_anything() -> None:
    name = "a) R 1 1 (b"
    script = (
        f"import ctypes; ctypes.CDLL(None).prctl(15, {name.encode()!r}, 0, 0, 0); print(flush=True); input()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = processes.find(process.pid)
        process.communicate(b"\n")

    assert found is not None
    assert found.parent == os.getpid()


def test_descendants_are_found_through_everybody_in_between() -> None:
    rows = [
        Process(2, 1, 2, 2, ""),
        Process(3, 2, 2, 2, ""),
        Process(4, 3, 4, 4, ""),
        Process(5, 1, 5, 5, ""),
    ]

    assert sorted(processes.descendants({row.pid: row for row in rows}, 2)) == [3, 4]


def test_what_is_left_of_a_session_is_found_without_its_leader() -> None:
    left, other = Process(3, 1, 2, 2, "20"), Process(5, 1, 5, 5, "20")

    assert processes.left_of({3: left, 5: other}, 2, "10") == [3]


def test_a_pid_that_was_given_again_is_nobody_of_ours() -> None:
    stranger, child = Process(2, 1, 2, 2, "30"), Process(3, 2, 2, 2, "31")

    assert processes.left_of({2: stranger, 3: child}, 2, "10") == []


def test_the_boot_has_a_name() -> None:
    assert len(processes.boot_id()) > 10


@pytest.mark.needs("ps")
def test_where_there_is_no_proc_ps_tells_the_same() -> None:
    told, mine = processes._ps(), processes.table()[os.getpid()]

    assert told[os.getpid()][:3] == mine[:3]
    assert told[os.getpid()].started == processes._ps()[os.getpid()].started


@pytest.mark.needs("ps")
def test_ps_leaves_itself_out_and_knows_when_those_started_who_are_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        living = processes._ps()
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert processes.descendants(living, os.getpid()) == [process.pid]
        assert process.pid not in processes._ps()
        assert processes._ps(dead=True)[process.pid].started == living[process.pid].started


@pytest.mark.needs("ps")
def test_ps_tells_a_start_alike_wherever_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = processes._ps()[os.getpid()]
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    assert processes._ps()[os.getpid()] == before
