"""The server below the API: what it does with bytes of any kind, and how it ends."""

import resource
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketAttribute, SocketStream

from hostel.plugins.inspector._http.heads import HEAD_BYTES
from hostel.plugins.inspector._server import http1
from hostel.runtime import AsgiApp, AsgiMessage

from ..program import SECONDS

GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n"


async def echo(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Answer with the method, the path and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    said = f"<{scope['method']} {scope['path']} ".encode() + body + b">"
    headers = [(b"x-query", scope["query_string"]), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def flood(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Send without end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})


async def broken(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
    raise RuntimeError("a bug")


async def silent(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
    return


async def deaf(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Answer without reading the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"deaf"})


class Server:
    def __init__(self, port: int) -> None:
        self.port = port
        self.stop = anyio.Event()
        self.stopped = anyio.Event()
        self.errors: list[Exception] = []

    async def connect(self) -> SocketStream:
        return await anyio.connect_tcp("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> bytes:
        """Send `request` and return all that comes until the server closes."""
        async with await self.connect() as stream:
            await stream.send(request)
            return await rest_of(stream)


async def rest_of(stream: SocketStream) -> bytes:
    data = b""
    while True:
        try:
            data += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return data


async def until(stream: SocketStream, end: bytes) -> bytes:
    data = b""
    while end not in data:
        data += await stream.receive()
    return data


@asynccontextmanager
async def serving(app: AsgiApp, limit: int = 100) -> AsyncIterator[Server]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server = Server(listener.extra(SocketAttribute.local_port))

    async def serve() -> None:
        await http1.serve(listener, app, server.stop, server.errors.append, limit)
        server.stopped.set()

    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(serve)
            yield server
            server.stop.set()


async def test_a_connection_is_kept_for_more_requests() -> None:
    async with serving(echo) as server, await server.connect() as stream:
        for _ in range(3):
            await stream.send(GET + b"\r\n")
            answer = await until(stream, b"<GET /a b >")

            assert answer.startswith(b"HTTP/1.1 200")
            assert b"x-query: c=d" in answer


async def test_requests_sent_ahead_are_answered_in_turn() -> None:
    async with serving(echo) as server:
        answer = await server.ask((GET + b"\r\n") * 3 + GET + CLOSE + b"\r\n")

    assert answer.count(b"<GET /a b >") == 4


async def test_a_body_may_come_in_chunks() -> None:
    chunks = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    async with serving(echo) as server:
        answer = await server.ask(POST + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)

    assert b"<POST / abcdefg>" in answer


async def test_whoever_waits_for_100_continue_gets_it() -> None:
    async with serving(echo) as server, await server.connect() as stream:
        await stream.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 100")
        await stream.send(b"abc")

        assert await until(stream, b"<POST / abc>")


async def test_head_gets_the_head() -> None:
    async with serving(echo) as server:
        answer = await server.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n")

    assert b"content-length: 9" in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


async def test_a_body_nobody_read_ends_the_connection_after_the_answer() -> None:
    async with serving(deaf) as server:
        answer = await server.ask(POST + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000)

    assert answer.endswith(b"deaf")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", b"501"),
        (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000, b"431"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
    ],
)
async def test_what_is_not_http_is_refused(request_bytes: bytes, status: bytes) -> None:
    async with serving(echo) as server:
        answer = await server.ask(request_bytes)
        again = await server.ask(GET + CLOSE + b"\r\n")

    assert answer.split(b" ")[1] == status
    assert b"<GET" in again
    assert server.errors == []


async def test_a_body_that_stops_short_harms_nobody() -> None:
    async with serving(echo) as server:
        async with await server.connect() as stream:
            await stream.send(POST + b"Content-Length: 10\r\n\r\nabc")
            await stream.send_eof()
            answer = await rest_of(stream)

        assert answer.startswith(b"HTTP/1.1 400")
        assert b"<GET" in await server.ask(GET + CLOSE + b"\r\n")


@pytest.mark.parametrize(
    "cut", [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"]
)
async def test_whatever_the_application_says_of_half_a_body_it_is_400(cut: bytes) -> None:
    async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"oh"})

    async with serving(app) as server, await server.connect() as stream:
        await stream.send(POST + cut)
        await stream.send_eof()
        answer = await rest_of(stream)

    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"\r\n\r\n")


async def test_an_answer_that_has_begun_before_a_body_is_cut_goes_on() -> None:
    async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"ended"})

    async with serving(app) as server, await server.connect() as stream:
        await stream.send(POST + b"Content-Length: 10\r\n\r\nabc")
        await stream.send_eof()
        answer = await rest_of(stream)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"begun" in answer
    assert b"ended" in answer


async def test_a_peer_that_resets_its_connection_has_gone_and_is_no_error() -> None:
    told: list[str] = []
    waits, gone = anyio.Event(), anyio.Event()

    async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        await receive()
        waits.set()
        told.append((await receive())["type"])
        gone.set()

    async with serving(app) as server:
        stream = await server.connect()
        await stream.send(GET + b"\r\n")
        await waits.wait()
        ends_in_reset = struct.pack("ii", 1, 0)
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ends_in_reset)
        await stream.aclose()
        await gone.wait()

    assert told == ["http.disconnect"]
    assert server.errors == []


async def test_a_bug_of_the_application_is_500_and_told() -> None:
    async with serving(broken) as server:
        answer = await server.ask(GET + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 500")
    assert [str(error) for error in server.errors] == ["a bug"]


async def test_an_application_that_says_nothing_is_500() -> None:
    async with serving(silent) as server:
        assert (await server.ask(GET + b"\r\n")).startswith(b"HTTP/1.1 500")


async def test_it_stops_at_once_when_connections_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "STOP_SECONDS", 2 * SECONDS)
    async with serving(echo) as server, await server.connect() as stream:
        await stream.send(GET + b"\r\n")
        await until(stream, b"<GET /a b >")
        server.stop.set()
        with anyio.fail_after(SECONDS):
            await server.stopped.wait()

        assert await rest_of(stream) == b""


async def test_it_stops_although_a_peer_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "WRITE_SECONDS", 2 * SECONDS)
    async with serving(flood) as server:
        stuck = socket.create_connection(("127.0.0.1", server.port))
        stuck.sendall(GET + b"\r\n")
        await anyio.lowlevel.checkpoint()
        async with await server.connect() as reading:
            await reading.send(GET + b"\r\n")
            await reading.receive()
        server.stop.set()
        with anyio.fail_after(SECONDS):
            await server.stopped.wait()
        stuck.close()


async def test_a_peer_that_never_reads_is_dropped_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "WRITE_SECONDS", 0.2)
    dropped = anyio.Event()

    async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        try:
            await flood(scope, receive, send)
        except OSError:
            dropped.set()
            raise

    async with serving(app) as server, await server.connect() as stuck:
        await stuck.send(GET + b"\r\n")
        await dropped.wait()

        assert not (await rest_of(stuck)).endswith(b"0\r\n\r\n")


async def test_there_are_only_so_many_connections_and_the_longest_idle_makes_room() -> None:
    async with serving(echo, limit=3) as server:
        silent = await server.connect()
        begun = await server.connect()
        await begun.send(b"GET / HT")
        kept = await server.connect()
        await kept.send(GET + b"\r\n")
        await until(kept, b"<GET /a b >")
        for first in (silent, begun):
            async with await server.connect() as late:
                await late.send(GET + b"\r\n")
                assert b"200" in await until(late, b"<GET /a b >")
                assert await rest_of(first) == b""
        await kept.send(GET + CLOSE + b"\r\n")
        assert b"<GET /a b >" in await rest_of(kept)
        for stream in (silent, begun, kept):
            await stream.aclose()


async def test_whoever_comes_when_all_are_busy_is_told_so() -> None:
    busy, go_on = anyio.Event(), anyio.Event()

    async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        busy.set()
        await go_on.wait()
        await echo(scope, receive, send)

    async with serving(app, limit=1) as server, await server.connect() as first:
        await first.send(GET + CLOSE + b"\r\n")
        await busy.wait()
        async with await server.connect() as second:
            refused = await rest_of(second)
        go_on.set()
        assert b"<GET /a b >" in await rest_of(first)

    assert refused.startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize(("files", "places"), [(1_024, 256), (256, 64), (2, 1), (1 << 20, 1_200)])
def test_a_server_takes_a_small_part_of_what_its_process_may_open(files: int, places: int) -> None:
    limit = f"resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))"
    module = http1.__name__
    code = f"import resource; from {module} import connection_limit; {limit}; print(connection_limit())"
    if files > resource.getrlimit(resource.RLIMIT_NOFILE)[1]:
        pytest.skip("the system does not let this process open so many files")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout == f"{places}\n"


async def test_half_open_connections_leave_the_application_its_files() -> None:
    async with serving(echo, limit=20) as server:
        crowd = [await server.connect() for _ in range(200)]
        for stream in crowd[:100]:
            await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answered = await server.ask(GET + CLOSE + b"\r\n")
        ends = open_sockets_at(server.port)
        for stream in crowd:
            await stream.aclose()

    assert b"<GET /a b >" in answered
    assert ends <= 25


def open_sockets_at(port: int) -> int:
    """Return how many connections that came to `port` this process has open."""
    ours = {str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    local = f":{port:04X}"
    return sum(row[1].endswith(local) and row[3] != "0A" and f"socket:[{row[9]}]" in ours for row in rows)


async def test_a_head_that_is_never_finished_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "HEAD_SECONDS", 0.05)
    async with serving(echo) as server:
        assert await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n") == b""


async def test_a_body_that_drips_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(http1, "BODY_RATE", 1 << 40)
    async with serving(echo) as server, await server.connect() as stream:
        await stream.send(POST + b"Content-Length: 100000000\r\n\r\n")
        async with anyio.create_task_group() as group:
            group.start_soon(drip, stream)
            answer = await rest_of(stream)
            group.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 408")


async def drip(stream: SocketStream) -> None:
    with suppress(anyio.BrokenResourceError):
        while True:
            await stream.send(b"x")


async def test_what_is_sent_ahead_of_an_answer_is_bounded() -> None:
    told: list[str] = []

    async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        told.extend([(await receive())["type"], (await receive())["type"]])

    async with serving(app) as server, await server.connect() as stream:
        await stream.send(GET + b"\r\n" + b"x" * HEAD_BYTES + b"x" * 1_000)
        await rest_of(stream)

    assert told == ["http.request", "http.disconnect"]


async def test_running_out_of_files_does_not_end_the_server() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(echo) as server:
        highest = socket.socket()
        waiting = socket.socket()
        waiting.setblocking(False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno() + 1, hard))
        highest.close()
        try:
            with pytest.raises(BlockingIOError):
                waiting.connect(("127.0.0.1", server.port))
            fillers = fill()
            await anyio.wait_writable(waiting)
            waiting.send(GET + CLOSE + b"\r\n")
            for filler in fillers:
                filler.close()
            await anyio.wait_readable(waiting)
            answer = waiting.recv(4_096)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            waiting.close()

    assert b"<GET" in answer


def fill() -> list[socket.socket]:
    fillers: list[socket.socket] = []
    while True:
        try:
            fillers.append(socket.socket())
        except OSError:
            return fillers
