"""The keeper of one command: starts it, spools what it writes, ends it when told, and tells how it ended.

One thread waits for whatever comes next: output, a message of a host, the death of a child, a time. The
command is over when its status is known and nobody is left who came from it. On Linux that is everybody, for
orphans become children of the keeper; elsewhere it is its process group. When the command itself has ended,
the others are ended too. Output that was written until then is read to its end."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from contextlib import suppress
from time import monotonic

from . import command, files, processes
from .ending import AGAIN, Ending
from .files import Exit, State
from .links import Gone, Link, listen
from .pipes import Input, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NEWS_SECONDS = 0.02
"""How long the next word about new output waits after the last one."""
_DRAIN_SECONDS = 2.0
"""How long to wait for the end of the output when nobody is left to write, but somebody holds the pipe."""
_GOODBYE_SECONDS = 1.0


class Keeper:
    """Keeps the command that `request` describes, for the host at the other end of `link`. `adopts` tells
    whether orphans become children of this process.
    """

    def __init__(self, folder: str, request: dict[str, Any], link: Link, *, adopts: bool) -> None:
        self._adopts = adopts
        self._folder, self._request = folder, request
        self._links: list[Link] = []
        self._selector = selectors.DefaultSelector()
        self._ending: Ending | None = None
        self._why: str | None = None
        self._wait_status: int | None = None
        self._childless = False
        self._released = False
        self._quiet_until = 0.0
        self._drained_at: float | None = None
        self._fed_fd: int | None = None
        timeout = request["timeout"]
        self._deadline = monotonic() + timeout if timeout is not None else None
        self._watch_signals()
        self._server = listen(request["sockets"])
        self._watch(self._server, self._accept)
        self._add(link)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def run(self) -> None:
        """Work until the command is over and the host has been told."""
        while not self._over():
            self._watch_writers()
            for key, _ in self._selector.select(self._seconds()):
                key.data()
            self._act(monotonic())
        self._say_goodbye()

    def kill(self) -> None:
        """Kill whoever is left; for a keeper that cannot go on."""
        self._send(signal.SIGKILL)

    def _start(self) -> None:
        request = self._request
        self._command = started = command.start(
            request["argv"], request["cwd"], request["env"], terminal=request["pty"], stdin=request["stdin"]
        )
        try:
            self._output = Output(started.output, request["spool"], request["folder"])
            files.write(self._folder, files.STATE, self._state(started.pid))
        except BaseException:
            with suppress(ProcessLookupError, PermissionError):  # as macOS says of those that are dead
                os.killpg(started.pid, signal.SIGKILL)
            os.waitpid(started.pid, 0)
            raise
        self._input = Input(started.stdin, started.terminal)
        self._watch(started.output, self._pump)
        self._tell({"started": started.pid})

    def _state(self, pid: int) -> State:
        me = os.getpid()
        started, its = processes.start_of(me), processes.start_of(pid)
        path, loss = self._server.getsockname(), self._request["on_host_loss"]
        grace = self._request["graces"][1]
        return State(processes.boot_id(), me, started, pid, its, path, loss, grace)

    def _watch_signals(self) -> None:
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        self._woken, self._wake = woken, wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._end("stopped"))
        self._watch(woken, self._reap)

    def _watch(self, what: socket.socket | int, act: Callable[[], object]) -> None:
        self._selector.register(what, selectors.EVENT_READ, act)

    def _act(self, now: float) -> None:
        """Do what it is time for."""
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._end("timeout")
        if self._wait_status is not None and self._ending is None and self._anybody():
            self._ending = Ending(now, *self._request["graces"])
            self._ending.command_ended(now)
        if self._ending is not None and (due := self._ending.due(now)) and self._anybody():
            self._send(due)
        if self._wait_status is not None and self._drained_at is None and not self._anybody():
            self._drained_at = now + _DRAIN_SECONDS
        if now >= self._quiet_until:
            self._tell_output(now)

    def _seconds(self) -> float | None:
        """Return how long nothing is to be done, None if only a message can change that."""
        times = [self._deadline, self._drained_at]
        if self._ending is not None and self._drained_at is None:
            times.append(self._ending.at)
        if self._curious():
            times.append(self._quiet_until)
        if self._wait_status is not None and not self._adopts:
            times.append(monotonic() + AGAIN)
        due = [time for time in times if time is not None]
        return max(0.0, min(due) - monotonic()) if due else None

    def _over(self) -> bool:
        if self._drained_at is None:
            return False
        return self._output.fd is None or monotonic() >= self._drained_at

    def _pump(self) -> None:
        fd = self._output.fd
        if fd is not None and not self._output.pump():
            self._selector.unregister(fd)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                return
            if pid == 0:
                return
            if pid == self._command.pid:
                self._wait_status = status
                if self._ending is not None:
                    self._ending.command_ended(monotonic())

    def _anybody(self) -> bool:
        return not self._childless if self._adopts else bool(self._everybody())

    def _everybody(self) -> list[int]:
        """Return the pids of all that came from the command, itself included."""
        living = processes.table()
        below = processes.descendants(living, os.getpid())
        if self._adopts:
            return below
        group = self._command.pid
        return list({*below, *(process.pid for process in living.values() if process.group == group)})

    def _end(self, why: str) -> None:
        if self._ending is None:
            self._why = why
            self._ending = Ending(monotonic(), *self._request["graces"])

    def _send(self, number: int) -> None:
        """Send the next signal of an ending: SIGINT to the command's group, the others to everybody."""
        if number == signal.SIGINT:
            self._signal_group(number)
            return
        for pid in self._everybody():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # who is stopped would not notice

    def _signal_group(self, number: int) -> None:
        """Send a signal to the command's group, and to the one in the foreground of its terminal."""
        groups = {self._command.pid} if self._wait_status is None else set()
        if self._command.terminal and self._output.fd is not None:
            with suppress(OSError):
                groups.add(os.tcgetpgrp(self._output.fd))
        for group in groups - {0}:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    def _accept(self) -> None:
        with suppress(OSError):
            self._add(Link(self._server.accept()[0]))

    def _add(self, link: Link) -> None:
        self._released = False
        self._links.append(link)
        self._watch(link.sock, lambda: self._hear(link))

    def _hear(self, link: Link) -> None:
        try:
            link.flush()
            for message in link.receive():
                self._obey(link, message)
        except Gone:
            self._drop(link)

    def _obey(self, link: Link, message: dict[str, Any]) -> None:
        match message:
            case {"do": "text", "text": text}:
                self._input.put(text.encode(errors="replace"), link)
            case {"do": "eof"}:
                self._input.end()
            case {"do": "signal", "signal": number}:
                self._signal_group(number)
            case {"do": "end", "why": why}:
                self._end(why)
            case {"do": "release"}:
                self._released = True
        self._feed()

    def _feed(self) -> None:
        for link in self._input.flush():
            self._say(link, {"taken": True})

    def _watch_writers(self) -> None:
        """Wait for room where something is left to write."""
        for link in self._links:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.congested else 0)
            key = self._selector.get_key(link.sock)
            if key.events != events:
                self._selector.modify(link.sock, events, key.data)
        fd = self._input.fd if self._input.busy else None
        if fd != self._fed_fd:
            if self._fed_fd is not None:
                self._selector.unregister(self._fed_fd)
            if fd is not None:
                self._selector.register(fd, selectors.EVENT_WRITE, self._feed)
            self._fed_fd = fd

    def _drop(self, link: Link) -> None:
        if link not in self._links:
            return
        self._selector.unregister(link.sock)
        self._links.remove(link)
        link.sock.close()
        if not self._links and not self._released and self._request["on_host_loss"] == "kill":
            self._end("host_lost")

    def _tell(self, message: dict[str, object]) -> None:
        for link in list(self._links):
            self._say(link, message)

    def _say(self, link: Link, message: dict[str, object]) -> None:
        try:
            link.send(message)
        except Gone:
            self._drop(link)

    def _tell_output(self, now: float) -> None:
        for link in self._curious():
            link.told, self._quiet_until = self._output.total, now + _NEWS_SECONDS
            self._say(link, {"output": link.told})

    def _curious(self) -> list[Link]:
        """Return the hosts that have taken what they were told, and do not know of all output."""
        return [link for link in self._links if link.told != self._output.total and not link.congested]

    def _say_goodbye(self) -> None:
        assert self._wait_status is not None
        code = os.waitstatus_to_exitcode(self._wait_status)
        status, number = (code, None) if code >= 0 else (None, -code)
        left = Exit(status, number, self._output.total, self._why, self._output.problem)
        try:
            files.write(self._folder, files.EXIT, left)
        finally:
            for link in list(self._links):
                link.sock.settimeout(_GOODBYE_SECONDS)
                self._say(link, {"exited": left._asdict()})
            self.close()

    def close(self) -> None:
        """Listen no more."""
        path = self._server.getsockname()
        self._server.close()
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108


def main(folder: str) -> None:
    """Keep the command that the host at descriptor 0 asks for; `folder` is for the keeper's own files."""
    link = _settle()
    request = link.wait()
    if not files.lock(folder) or files.read_state(folder) or files.read_exit(folder):
        link.send({"taken": folder})
        return
    adopts = processes.adopt_orphans()
    try:
        keeper = Keeper(folder, request, link, adopts=adopts)
    except (command.NotStarted, OSError) as error:
        link.send({"refused": str(error)})
        return
    try:
        keeper.run()
    except BaseException:
        keeper.kill()
        raise


def _settle() -> Link:
    """Keep nothing of the host but the connection to it."""
    for fd in [int(name) for name in os.listdir("/dev/fd")]:  # noqa: PTH208
        if fd > 2:
            with suppress(OSError):  # that of the list itself
                os.close(fd)
    os.chdir("/")
    link = Link(socket.socket(fileno=os.dup(0)))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    return link
