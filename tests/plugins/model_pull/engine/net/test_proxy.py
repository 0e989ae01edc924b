"""Where the environment names a proxy, bytes go through it, with the same guarantees."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest

from hostel.plugins.model_pull import RemoteFile, TransferFailed
from hostel.plugins.model_pull._engine import fetch
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

Publish = Callable[[Blob | bytes], RemoteFile]


class Proxy:
    """A forward proxy for plain http: one thread per connection, one origin per connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self._open.add(client)
            head = b""
            while b"\r\n\r\n" not in head and (data := client.recv(65536)):
                head += data
            if not head:
                return
            method, url, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.asked.append(url)
            parts = urlsplit(url)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            with socket.create_connection((parts.hostname, parts.port)) as server:
                self._open.add(server)
                lines = head.split(b"\r\n")
                kept = [line for line in lines[1:] if not line.lower().startswith(b"connection")]
                first = f"{method} {target} HTTP/1.1".encode()
                server.sendall(b"\r\n".join([first, b"Connection: close", *kept]))
                self._pipe(client, server)

    def _pipe(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([client, server], [], [])
            data = server.recv(1 << 18) if server in ready else client.recv(65536)
            if not data or server not in ready:
                return
            client.sendall(data)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy()
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    yield proxy
    proxy.close()


async def test_every_request_goes_through_the_proxy(
    proxy: Proxy, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(40 * MIB, seed=1)
    with anyio.fail_after(60):
        fetched = await fetch(publish(content), blob)

    assert blob.read_bytes() == content.read()
    assert len(proxy.asked) == len(hub.exchanges())
    assert {urlsplit(url).netloc for url in proxy.asked} == {
        urlsplit(hub.endpoint).netloc,
        urlsplit(hub.cdn_endpoint).netloc,
    }
    assert fetched.digest is not None
    assert "authorization" not in hub.exchanges(origin=Origin.CDN)[0].request.headers


async def test_a_host_that_needs_no_proxy_is_asked_directly(
    proxy: Proxy, hub: LocalHub, blob: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", str(urlsplit(hub.cdn_endpoint).hostname))
    await fetch(publish(Blob(5 * MIB)), blob)

    assert {urlsplit(url).netloc for url in proxy.asked} == {urlsplit(hub.endpoint).netloc}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(origin=Origin.CDN, close_after=3 * MIB, times=1),
        Fault(origin=Origin.CDN, status=503, times=1),
        Fault(origin=Origin.CDN, no_range=True),
        Fault(origin=Origin.CDN, stall_after=3 * MIB, times=1),
    ],
    ids=["short", "503", "no ranges", "silent"],
)
async def test_faults_behind_the_proxy_are_survived(
    fault: Fault, proxy: Proxy, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(20 * MIB, seed=1)
    file = publish(content)
    hub.fault(fault)
    with anyio.fail_after(60):
        await fetch(file, blob, stall=0.4)

    assert blob.read_bytes() == content.read()


async def test_cancelling_ends_the_traffic_through_the_proxy(
    proxy: Proxy, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(Blob(80 * MIB))
    hub.fault(Fault(origin=Origin.CDN, stall_after=MIB))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch, file, blob)
            await anyio.to_thread.run_sync(hub.wait_until_stalled)
            tasks.cancel_scope.cancel()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hostel-")]


async def test_a_proxy_that_is_not_there_is_trouble(
    blob: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        dead = f"http://127.0.0.1:{sock.getsockname()[1]}"
    monkeypatch.setenv("HTTP_PROXY", dead)
    with pytest.raises(TransferFailed, match="proxy"):
        await fetch(publish(Blob(MIB)), blob, retry_seconds=0)
