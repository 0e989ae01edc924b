"""Closing a hub is prompt and leaves nothing, whatever is under way."""

import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin

WEIGHTS = Blob(size=64 << 20, seed=7)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(origin=Origin.CDN, stall_after=10),
        Fault(origin=Origin.CDN, first_byte_after=3600),
        Fault(origin=Origin.CDN, bps=1),
        Fault(origin=Origin.CDN, reset_after=60 << 20),
        Fault(),
    ],
)
def test_closing_does_not_wait_for_a_client_that_reads_nothing(fault: Fault) -> None:
    with LocalHub() as hub:
        hub.add_repo("org/m", {"m.gguf": WEIGHTS})
        hub.fault(fault)
        location = httpx.get(f"{hub.endpoint}/org/m/resolve/main/m.gguf", trust_env=False).headers["Location"]
        url = urlsplit(location)
        with socket.create_connection((url.hostname, url.port), timeout=60) as idle:
            idle.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert hub.wait_for(lambda: len(hub.exchanges(origin=Origin.CDN)) == 1)
            closing = threading.Thread(target=hub.__exit__, args=(None, None, None), daemon=True)
            closing.start()
            closing.join(60)
            assert not closing.is_alive()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hub")]


def test_a_closed_hub_refuses_connections(hub: LocalHub) -> None:
    with LocalHub() as other:
        endpoints = [urlsplit(url) for url in (other.endpoint, other.cdn_endpoint)]

    for url in endpoints:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((url.hostname, url.port), timeout=60)


@pytest.mark.parametrize(
    "sent", [b"", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET /"]
)
def test_what_is_not_http_ends_the_connection(hub: LocalHub, sent: bytes) -> None:
    url = urlsplit(hub.endpoint)
    with socket.create_connection((url.hostname, url.port), timeout=60) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_origins_have_different_host_names(hub: LocalHub) -> None:
    assert urlsplit(hub.endpoint).hostname == "127.0.0.1"
    assert urlsplit(hub.cdn_endpoint).hostname not in ("127.0.0.1", None)


def test_a_hub_has_no_endpoint_before_it_runs() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = LocalHub().endpoint


def test_the_hub_loads_no_client_library() -> None:
    code = "import sys, hostel.plugins.model_pull.testing; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    assert not {"httpx", "httpx2", "huggingface_hub"} & set(loaded)
