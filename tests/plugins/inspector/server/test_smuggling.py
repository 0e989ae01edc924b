"""Requests that hide in others: what a proxy and a server could read in two ways is read in none.

Each case is sent over a socket of its own, followed by a request for `/smuggled`. It is answered with a
status and the connection is closed; nothing behind it reaches the application."""

import pytest
from anyio.abc import SocketAttribute

from hostel.plugins.inspector._http.chunks import BESIDE_BYTES, LINE_BYTES
from hostel.plugins.inspector._http.heads import HEAD_BYTES
from hostel.runtime import AsgiMessage

from .test_http1 import rest_of, serving

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
EMPTY = b"0\r\n\r\n"


class Application:
    """Notes what reaches it, and answers each request whose body it could read."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.hosts: list[bytes] = []

    async def __call__(self, scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        self.seen.append(f"{scope['method']} {scope['path']}{query} {body.decode()}".strip())
        self.hosts += [value for name, value in scope["headers"] if name == b"host"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


def head(*fields: bytes, first: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: x", *fields, b"", b""])


def chunked(body: bytes) -> bytes:
    return head(b"Transfer-Encoding: chunked") + body


TWO_LENGTHS = {
    "a length and chunks": head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + EMPTY,
    "chunks and a length": head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + EMPTY,
    "chunks and no length": head(b"Transfer-Encoding: chunked", b"Content-Length: 0") + EMPTY,
    "a length twice": head(b"Content-Length: 0", b"Content-Length: 0"),
    "two lengths": head(b"Content-Length: 0", b"Content-Length: 5"),
    "lengths in one line": head(b"Content-Length: 0, 0"),
    "chunks as in the days before them": head(
        b"Transfer-Encoding: chunked", b"Connection: keep-alive", first=b"POST / HTTP/1.0"
    )
    + EMPTY,
}
NO_LENGTH = {
    f"the length {length!r}": head(b"Content-Length:" + length)
    for length in (
        b"",
        b" -1",
        b" +5",
        b" 0x5",
        b" 5 5",
        b" 5.0",
        b" 1e1",
        b" 5_0",
        b" \xb2",
        b" " + b"9" * 19,
    )
}
ILL_FORMED = {
    "lines that end in LF": b"GET / HTTP/1.1\nHost: x\n\n",
    "one line that ends in LF": b"GET / HTTP/1.1\r\nHost: x\nContent-Length: 5\r\n\r\n",
    "an end of LF": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "lines that end in CR": b"GET / HTTP/1.1\rHost: x\r\r",
    "CR within a line": head(b"A: b\rContent-Length: 5"),
    "a folded line": head(b"A: b", b" c"),
    "a folded line with a tab": head(b"A: b", b"\tTransfer-Encoding: chunked"),
    "a folded first field": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "a folded coding": head(b"Transfer-Encoding:", b" chunked") + EMPTY,
    "NUL": head(b"A: b\0"),
    "a space before the colon": head(b"Transfer-Encoding : chunked") + EMPTY,
    "a length with a space before the colon": head(b"Content-Length : 5"),
    "no name": head(b": b"),
    "no colon": head(b"Content-Length 5"),
    "a name of two words": head(b"A Content-Length: 5"),
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": head(b"Host: y"),
    "two Hosts of old": head(b"Host: y", first=b"GET / HTTP/1.0"),
    "an old request": b"GET /\r\n\r\n",
    "two spaces": head(first=b"GET  / HTTP/1.1"),
    "a tab": head(first=b"GET\t/ HTTP/1.1"),
    "a space in the target": head(first=b"GET /a /b HTTP/1.1"),
    "a space at the end": head(first=b"GET / HTTP/1.1 "),
    "a version in small letters": head(first=b"GET / http/1.1"),
    "a long version": head(first=b"GET / HTTP/1.10"),
    "an empty line too many": b"\r\n\r\n" + head(first=b"GET / HTTP/1.1"),
    "an empty line of LF": b"\n" + head(first=b"GET / HTTP/1.1"),
    "a fragment": head(first=b"GET /a#b HTTP/1.1"),
    "an address with a user": head(first=b"GET http://x@y/ HTTP/1.1"),
    "an address of another kind": head(first=b"GET ftp://x/ HTTP/1.1"),
    "an address without a host": head(first=b"GET http:///a HTTP/1.1"),
    "a tunnel": head(first=b"CONNECT x:80 HTTP/1.1"),
    "a control character in a coding": head(b"Transfer-Encoding: \x0bchunked") + EMPTY,
}
ILL_CHUNKED = {
    f"the chunk {chunk[:20]!r}": chunked(chunk + EMPTY)
    for chunk in (
        b"0x1\r\na\r\n",
        b"+1\r\na\r\n",
        b"-1\r\na\r\n",
        b" 1\r\na\r\n",
        b"1 \r\na\r\n",
        b"\r\n",
        b"g\r\n",
        b"1\na\r\n",
        b"1\ra\r\n",
        b"1\r\na\n",
        b"1\r\nab\r\n",
        b"1\r\na",
        b"1" + b"0" * 16 + b"\r\na\r\n",
        b"1;a\rb\r\na\r\n",
        b"1;a\0\r\na\r\n",
        b"1;" + b"a" * LINE_BYTES + b"\r\na\r\n",
    )
} | {
    f"the trailer {trailer[:20]!r}": chunked(b"0\r\n" + trailer + b"\r\n")
    for trailer in (b"a: b\n", b"a: b\r\n c\r\n", b"a\r\n", b"a b: c\r\n", b": a\r\n", b"a: b\rc\r\n", b"\n")
}
UNKNOWN_CODINGS = {
    f"the coding {coding!r}": head(b"Transfer-Encoding: " + coding) + EMPTY
    for coding in (
        b"xchunked",
        b"chunked, identity",
        b"identity",
        b"gzip, chunked",
        b'"chunked"',
        b"chunked;q=1",
    )
} | {"two codings": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + EMPTY}
TOO_LARGE = {
    "a head in one piece": head(b"A: " + b"a" * HEAD_BYTES),
    "a head of many fields": head(*[b"A: a"] * (HEAD_BYTES // 6)),
    "a target": head(first=b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1"),
    "extensions": chunked(b"1;" + b"a" * 4_000 + b"\r\na\r\n")
    + (b"1;" + b"a" * 4_000 + b"\r\na\r\n") * 5
    + EMPTY,
    "trailers": chunked(b"0\r\n" + b"a: b\r\n" * (BESIDE_BYTES // 5) + b"\r\n"),
}
REFUSED = [
    *((400, name, data) for name, data in {**TWO_LENGTHS, **NO_LENGTH, **ILL_FORMED, **ILL_CHUNKED}.items()),
    *((501, name, data) for name, data in UNKNOWN_CODINGS.items()),
    *((431, name, data) for name, data in TOO_LARGE.items()),
    (505, "a version of the future", head(first=b"GET / HTTP/2.0")),
    (505, "a version of the past", head(first=b"GET / HTTP/0.9")),
]


@pytest.mark.parametrize(
    ("status", "data"), [pytest.param(status, data, id=name) for status, name, data in REFUSED]
)
async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    status: int, data: bytes
) -> None:
    app = Application()
    async with serving(app) as server:
        answer = await server.ask(data + HIDDEN)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()
    assert app.seen == []
    assert server.errors == []


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        pytest.param(
            head(b"Content-Length: %d" % len(HIDDEN)) + HIDDEN, f"POST / {HIDDEN.decode()}", id="a body"
        ),
        pytest.param(
            head(b"Content-Length: %d" % len(HIDDEN), first=b"GET / HTTP/1.1") + HIDDEN,
            f"GET / {HIDDEN.decode()}",
            id="a body of GET",
        ),
        pytest.param(
            chunked(b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n" + EMPTY),
            f"POST / {HIDDEN.decode()}",
            id="a chunk",
        ),
        pytest.param(chunked(b'1;a="b\tc"\r\na\r\n001\r\nb\r\n' + EMPTY), "POST / ab", id="an extension"),
        pytest.param(chunked(b"1\r\na\r\n0\r\nt: u\r\n\r\n"), "POST / a", id="a trailer"),
        pytest.param(head(b"Transfer-Encoding:\tChunked ") + EMPTY, "POST /", id="blanks around a coding"),
        pytest.param(b"\r\n" + head(first=b"GET / HTTP/1.1"), "GET /", id="an empty line before it"),
        pytest.param(head(first=b"get / HTTP/1.1"), "get /", id="a method in small letters"),
        pytest.param(head(first=b"GET http://x/a?b=c HTTP/1.1"), "GET /a?b=c", id="an address"),
        pytest.param(head(first=b"GET HTTP://x HTTP/1.1"), "GET /", id="an address without a path"),
        pytest.param(head(first=b"GET http://x?b HTTP/1.1"), "GET /?b", id="an address with a query alone"),
    ],
)
async def test_what_can_be_read_in_one_way_is_and_the_next_request_is_found_behind_it(
    data: bytes, seen: str
) -> None:
    app = Application()
    async with serving(app) as server:
        answer = await server.ask(data + LAST)

    assert app.seen == [seen.strip(), "GET /last"]
    assert answer.count(b"HTTP/1.1 200") == 2


async def test_an_address_names_the_host_whatever_the_host_header_says() -> None:
    app = Application()
    async with serving(app) as server:
        await server.ask(head(b"Connection: close", first=b"GET http://inspector.example:80/ HTTP/1.1"))

    assert app.hosts == [b"inspector.example:80"]


async def test_however_a_request_is_cut_it_is_the_same() -> None:
    app = Application()
    data = b"\r\n" + chunked(b"3;x\r\nabc\r\n0\r\nt: u\r\n\r\n") + LAST
    async with serving(app) as server, await server.connect() as stream:
        stream.extra(SocketAttribute.raw_socket).setsockopt(6, 1, 1)  # no delay
        for at in range(len(data)):
            await stream.send(data[at : at + 1])
        await rest_of(stream)

    assert app.seen == ["POST / abc", "GET /last"]
