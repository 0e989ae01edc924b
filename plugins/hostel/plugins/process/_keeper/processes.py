"""Who lives: the system's table of processes.

A pid alone names nobody, for it is used again. A pid, when its process started and the boot in which it did
name one process for ever."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import NamedTuple

_HAS_PROC = os.path.exists("/proc/self/stat")  # noqa: PTH110
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_COLUMNS = ("pid", "ppid", "pgid", "stat", "lstart")
_PR_SET_CHILD_SUBREAPER = 36


class Process(NamedTuple):
    """One living process; `started` is told in the system's own form and only good for comparing."""

    pid: int
    parent: int
    group: int
    session: int
    started: str


def find(pid: int) -> Process | None:
    """Return the living process of that pid; one that is dead and not yet waited for does not live."""
    return _stat(pid) if _HAS_PROC else table().get(pid)


def start_of(pid: int) -> str:
    """Return when a process started, in the form of `Process.started`; it may be dead and not waited for.

    Raises ProcessLookupError if there is none."""
    found = _stat(pid, dead=True) if _HAS_PROC else _ps(dead=True).get(pid)
    if found is None:
        raise ProcessLookupError(pid)
    return found.started


def table() -> dict[int, Process]:
    """Return all living processes by their pid."""
    if not _HAS_PROC:
        return _ps()
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    found = [_stat(pid) for pid in pids]
    return {process.pid: process for process in found if process is not None}


def descendants(processes: dict[int, Process], pid: int) -> list[int]:
    """Return the pids of the children of `pid`, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: list[int] = []
    waiting = children.get(pid, [])
    while waiting:
        found.extend(waiting)
        waiting = [grandchild for child in waiting for grandchild in children.get(child, ())]
    return found


def left_of(processes: dict[int, Process], leader: int, started: str) -> list[int]:
    """Return who is left of the session that the process `leader`, begun at `started`, led."""
    now = processes.get(leader)
    if now is not None and now.started != started:
        return []  # the pid is given again only when nobody of the old session lives
    return [process.pid for process in processes.values() if leader in (process.group, process.session)]


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent dies; tell whether the system has that."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    return prctl is not None and prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def boot_id() -> str:
    """Return what no other boot of a machine has, empty where the system does not tell."""
    with suppress(OSError), open(_BOOT_ID) as file:  # noqa: PTH123
        return file.read().strip()
    sysctl = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    if sysctl is None:
        return ""
    size = ctypes.c_size_t(64)
    text = ctypes.create_string_buffer(size.value)
    sysctl(b"kern.bootsessionuuid", text, ctypes.byref(size), None, 0)
    return text.value.decode()


def _stat(pid: int, *, dead: bool = False) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            # the name before the last bracket may hold anything
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if not dead and fields[0] in (b"Z", b"X"):
        return None
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[19].decode())


def _ps(*, dead: bool = False) -> dict[int, Process]:
    """The table where there is no /proc; `ps` does not tell sessions as numbers, so groups stand for them.
    It leaves itself out: a child of ours that lives would keep us waiting for its end for ever.
    """
    shown, theirs = os.pipe()
    columns = [word for name in _COLUMNS for word in ("-o", f"{name}=")]  # one list would be one heading
    try:
        actions = [(os.POSIX_SPAWN_DUP2, theirs, 1)]
        where = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}  # so that everybody is told the same time
        ps = os.posix_spawnp("ps", ["ps", "-A", *columns], where, file_actions=actions)
    finally:
        os.close(theirs)
        rows = os.fdopen(shown, errors="replace")
    with rows:
        found = [_row(line) for line in rows]
    with suppress(ChildProcessError):
        os.waitpid(ps, 0)
    return {it.pid: it for it, lives in found if it.pid != ps and (lives or dead)}


def _row(line: str) -> tuple[Process, bool]:
    pid, parent, group, state, *started = line.split()
    process = Process(int(pid), int(parent), int(group), int(group), " ".join(started))
    return process, "Z" not in state
