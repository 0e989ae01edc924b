"""How requests reach an endpoint: addresses, proxies, connections, packed answers."""

import gzip
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import anyio
import attrs
import pytest
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

from hostel.plugins.batch import BatchId, FileId, HttpSender, Reply, RequestData, RequestId, TemplateId
from hostel.plugins.batch._daemon.connections import _trust
from hostel.plugins.batch._model.states import Failure, FailureKind
from hostel.plugins.batch.testing import Answer, Upstream

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def request(endpoint: str | None = None, path: str = "/v1/chat/completions") -> RequestData:
    return RequestData(
        id=RequestId(BatchId("batch_1"), 0),
        template_id=TemplateId(FileId("file-1"), 0),
        custom_id="a",
        endpoint=endpoint,
        method="POST",
        path=path,
        body='{"model": "m", "messages": [{"role": "user", "content": "a"}]}',
        model="m",
        api_key=None,
        batch_metadata={},
    )


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    async with HttpSender() as sender:
        yield sender


async def test_a_proxy_of_the_environment_is_used(
    sender: HttpSender, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", upstream.url.replace("http://", "http://me:word@"))

    reply = await sender(request("http://models.example/v1"))

    assert isinstance(reply, Reply)
    (call,) = upstream.calls
    assert call.path == "http://models.example/v1/chat/completions"
    assert call.headers["host"] == "models.example"
    assert call.headers["proxy-authorization"] == "Basic bWU6d29yZA=="


async def test_hosts_that_need_no_proxy_are_reached_directly(
    sender: HttpSender, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", upstream.url)
    monkeypatch.setenv("NO_PROXY", "models.invalid")

    reply = await sender(request("http://models.invalid/v1"))

    assert isinstance(reply, Failure)
    assert reply.kind is FailureKind.NETWORK_ERROR
    assert upstream.calls == []


async def test_an_endpoint_on_this_machine_needs_no_proxy(
    sender: HttpSender, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    for host in ("127.0.0.1", "localhost"):
        reply = await sender(request(upstream.url.replace("127.0.0.1", host)))
        assert isinstance(reply, Reply)

    assert [call.path for call in upstream.calls] == ["/v1/chat/completions"] * 2


@pytest.mark.parametrize(
    "proxy", ["socks5://me:word@127.0.0.1:9", "http://me:word@here:port", "ftp://me:word@here"]
)
async def test_a_proxy_of_another_kind_fails_the_request_and_says_so(
    sender: HttpSender, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)

    reply = await sender(request("http://models.example"))

    assert isinstance(reply, Failure)
    assert "proxy" in reply.message
    assert "word" not in reply.message


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_an_answer_that_cannot_be_unpacked_is_a_failure_of_the_network(
    sender: HttpSender, upstream: Upstream, encoding: str
) -> None:
    upstream.script = lambda _: Answer(body="not packed at all", headers={"content-encoding": encoding})

    reply = await sender(request(upstream.url))

    assert isinstance(reply, Failure)
    assert (reply.kind, reply.retriable) == (FailureKind.NETWORK_ERROR, True)


async def test_an_answer_that_comes_packed_is_unpacked(sender: HttpSender) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    packed = gzip.compress(b'{"said": "hello"}')
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(head + packed)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        reply = await sender(request(f"http://127.0.0.1:{port}"))
        group.cancel_scope.cancel()
    assert isinstance(reply, Reply)
    assert reply.body == '{"said": "hello"}'


async def test_a_connection_that_its_other_side_closed_is_not_used_again(
    sender: HttpSender, upstream: Upstream
) -> None:
    upstream.script = lambda call: Answer(headers={"connection": "close"} if call.number else {})
    for _ in range(3):
        assert isinstance(await sender(request(upstream.url)), Reply)

    port = int(upstream.url.rpartition(":")[2])
    async with Upstream.serve() as gone:
        assert isinstance(await sender(request(gone.url)), Reply)
        port = int(gone.url.rpartition(":")[2])
    async with Upstream.serve(port) as back:
        assert isinstance(await sender(request(back.url)), Reply)


@pytest.mark.parametrize("endpoint", ["ftp://host", "http://", "host", "http://host:port"])
async def test_an_address_that_is_none_fails_the_request(sender: HttpSender, endpoint: str) -> None:
    reply = await sender(request(endpoint))

    assert isinstance(reply, Failure)
    assert reply.kind is FailureKind.REQUEST_BUILDER_ERROR


@attrs.frozen
class Certificate:
    """A certificate for 127.0.0.1 and models.example that signs itself."""

    path: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        path = folder / "certificate.pem"
        subject = ("-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1,DNS:models.example")
        made = ("-keyout", str(path), "-out", str(folder / "public.pem"))
        command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made)
        subprocess.run(command, check=True, capture_output=True)
        path.write_bytes(path.read_bytes() + (folder / "public.pem").read_bytes())
        return cls(path)

    @property
    def served(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


class Endpoint:
    """Says, for each request that arrives, exactly these bytes; over TLS if it has a certificate."""

    def __init__(self, answers: Sequence[bytes], certificate: Certificate | None = None) -> None:
        self._answers, self._certificate = iter(answers), certificate
        self.requests: list[int] = []
        """Number of requests by connection."""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, self._serve)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            yield f"{'https' if self._certificate else 'http'}://127.0.0.1:{port}"
            group.cancel_scope.cancel()

    async def _serve(self, stream: ByteStream) -> None:
        place = len(self.requests)
        self.requests.append(0)
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead):
                await self._talk(await self._secured(stream), place)

    async def _secured(self, stream: ByteStream) -> ByteStream:
        if self._certificate is None:
            return stream
        context = self._certificate.served
        return await TLSStream.wrap(stream, ssl_context=context, standard_compatible=False)

    async def _talk(self, stream: ByteStream, place: int) -> None:
        reader = BufferedByteReceiveStream(stream)
        while True:
            head = await reader.receive_until(b"\r\n\r\n", 65536)
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            await reader.receive_exactly(size)
            self.requests[place] += 1
            answer = next(self._answers, None)
            if answer is None:
                return
            await stream.send(answer)
            if answer.endswith(CUT):
                return


CUT = b" "
PACKED = gzip.compress(b'{"said": "hello"}')


def said(body: bytes, *headers: str, size: int | None = None) -> bytes:
    lines = [f"content-length: {len(body) if size is None else size}", *headers]
    return ("HTTP/1.1 200 OK\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode() + body


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@contextmanager
def trusting(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    _trust.cache_clear()
    try:
        yield
    finally:
        _trust.cache_clear()


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Certificate | None]:
    if request.param == "http":
        yield None
        return
    found: Certificate = request.getfixturevalue("certificate")
    with trusting(found, monkeypatch):
        yield found


async def bodies(sender: HttpSender, address: str, count: int) -> list[str | None]:
    """Send requests one after the other; None for each failure that is to be tried again."""
    replies = [await sender(request(address)) for _ in range(count)]
    assert all(reply.retriable for reply in replies if isinstance(reply, Failure))
    return [reply.body if isinstance(reply, Reply) else None for reply in replies]


async def test_a_connection_is_used_again_when_nothing_is_left_of_its_answer(
    sender: HttpSender, tls: Certificate | None
) -> None:
    endpoint = Endpoint([said(b"1"), said(b"2"), said(b"3")], tls)
    async with endpoint.serve() as address:
        assert await bodies(sender, address, 3) == ["1", "2", "3"]

    assert endpoint.requests == [3]


@pytest.mark.parametrize("size", [1, 20_000, 60_000, 300_000])
async def test_who_answers_twice_is_not_believed_and_not_asked_on_that_connection_again(
    sender: HttpSender, tls: Certificate | None, size: int
) -> None:
    first = said(b"1" * size)
    endpoint = Endpoint([first + first, said(b"2"), said(b"3")], tls)
    async with endpoint.serve() as address:
        answers = await bodies(sender, address, 3)

    assert answers[0] in (None, "1" * size)  # of the second answer, part may not have arrived
    assert answers[1:] == ["2", "3"]
    assert endpoint.requests == [1, 2]


async def test_an_answer_that_was_all_there_twice_is_to_be_sent_for_again(
    sender: HttpSender, tls: Certificate | None
) -> None:
    endpoint = Endpoint([said(b"1") * 2, said(b"2"), said(b"3")], tls)
    async with endpoint.serve() as address:
        assert await bodies(sender, address, 3) == [None, "2", "3"]


async def test_the_answer_before_that_comes_again_is_nobodys(sender: HttpSender) -> None:
    """It may come so late that the next request is under way."""
    first = said(b"1", "x-request-id: up-1")
    endpoint = Endpoint([first, first, said(b"2", "x-request-id: up-2")])
    async with endpoint.serve() as address:
        assert await bodies(sender, address, 3) == ["1", None, "2"]

    assert endpoint.requests == [2, 1]


NOT_WHOLE = {
    "a short body": said(b'{"said": "hel', size=40) + CUT,
    "a long body": said(b'{"said": "hello"}', size=9),
    "a body that nothing ends": b'HTTP/1.1 200 OK\r\n\r\n{"said": "hel' + CUT,
    "a chunk too few": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n" + CUT,
    "packed and cut": said(PACKED[:-9], "content-encoding: gzip"),
    "packed without its sum": said(PACKED[:-1], "content-encoding: gzip"),
    "packed twice": said(PACKED * 2, "content-encoding: gzip"),
    "nothing": CUT,
    "no HTTP": b"hello?\r\n\r\n" + CUT,
    "two sizes": said(b"{}", "content-length: 3"),
}


@pytest.mark.parametrize("answer", NOT_WHOLE.values(), ids=NOT_WHOLE)
async def test_an_answer_that_is_not_whole_is_a_failure_to_try_again(
    sender: HttpSender, answer: bytes, tls: Certificate | None
) -> None:
    endpoint = Endpoint([answer, said(b"2")], tls)
    async with endpoint.serve() as address:
        assert await bodies(sender, address, 2) == [None, "2"]

    assert endpoint.requests == [1, 1]


async def test_an_answer_that_ends_with_its_connection_is_taken_if_it_is_whole(sender: HttpSender) -> None:
    whole = b'HTTP/1.0 200 OK\r\n\r\n{"said": "hello"}' + CUT
    async with Endpoint([whole]).serve() as address:
        assert await bodies(sender, address, 1) == ['{"said": "hello"} ']


async def test_a_certificate_of_somebody_else_is_refused(
    sender: HttpSender, certificate: Certificate
) -> None:
    async with Endpoint([said(b"1")], certificate).serve() as address:
        assert await bodies(sender, address, 1) == [None]


class Tunnel(Endpoint):
    """A proxy that takes a request for a tunnel and then plays what is at its end."""

    asked = b""

    async def _secured(self, stream: ByteStream) -> ByteStream:
        self.asked = await stream.receive()
        await stream.send(b"HTTP/1.1 200 Here\r\n\r\n")
        return await super()._secured(stream)


async def test_a_proxy_leads_to_an_endpoint_that_shows_its_own_certificate(
    sender: HttpSender, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Tunnel([said(b"1"), said(b"2")], certificate)
    async with proxy.serve() as address:
        monkeypatch.setenv("HTTPS_PROXY", address.replace("https://", "http://me:word@"))
        with trusting(certificate, monkeypatch):
            assert await bodies(sender, "https://models.example/v1", 2) == ["1", "2"]

    assert proxy.requests == [2]
    assert proxy.asked.startswith(b"CONNECT models.example:443 HTTP/1.1\r\n")
    assert b"Basic bWU6d29yZA==" in proxy.asked


async def test_a_proxy_that_refuses_is_named_as_the_reason(
    sender: HttpSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Endpoint([b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"])
    async with proxy.serve() as address:
        monkeypatch.setenv("HTTPS_PROXY", address)
        reply = await sender(request("https://models.example"))

    assert isinstance(reply, Failure)
    assert "the proxy answered with HTTP 403" in reply.message
