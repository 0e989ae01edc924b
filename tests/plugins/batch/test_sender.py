"""How requests reach an endpoint: addresses, proxies, connections, packed answers."""

import gzip
from collections.abc import AsyncIterator

import anyio
import pytest

from hostel.plugins.batch import BatchId, FileId, HttpSender, Reply, RequestData, RequestId, TemplateId
from hostel.plugins.batch._states import Failure, FailureKind
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


async def test_a_proxy_of_another_kind_fails_the_request_and_says_so(
    sender: HttpSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:word@127.0.0.1:9")

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
