"""Connections to model endpoints: each serves one request at a time and is kept open for the next.

Finding a connection is one read of a list: a pool that is searched and repaired for every request costs a
daemon as much as the request itself.
An endpoint is reached through the proxy that the environment names for it (HTTP_PROXY, HTTPS_PROXY,
ALL_PROXY, NO_PROXY), as other programs do; one on this machine is always reached directly.
"""

from __future__ import annotations

import base64
import ipaddress
import urllib.request
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import anyio
import h11
import httpx

from .http1 import Connection, Tls

if TYPE_CHECKING:
    import ssl

    from anyio.abc import ByteStream

IDLE_SECONDS = 30.0


class Origin(NamedTuple):
    """What a connection leads to."""

    is_https: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> Origin:
        """Say where a URL leads."""
        is_https = url.scheme == "https"
        return cls(is_https, url.raw_host.decode("ascii"), url.port or (443 if is_https else 80))

    @property
    def place(self) -> bytes:
        """Host and port as a proxy reads them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}".encode()


class Connections:
    """Connections by what they lead to."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}

    async def take(self, origin: Origin) -> Connection:
        """Return an open connection that nobody uses and nobody has spoken on since, or a new one.

        :raises ValueError: if the environment names a proxy that cannot be used
        :raises OSError, anyio.BrokenResourceError, h11.RemoteProtocolError: if there is no way to connect
        """
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()  # the one used last is the likeliest to be alive
            if connection.is_quiet(IDLE_SECONDS):
                return connection
            await connection.aclose()
        return await _open(origin)

    def keep(self, origin: Origin, connection: Connection) -> bool:
        """Take back a connection whose answer was read to its end; tell whether it can be used again."""
        if not connection.keep():
            return False
        self._idle.setdefault(origin, []).append(connection)
        return True

    async def aclose(self) -> None:
        """Close all that nobody uses."""
        idle, self._idle = self._idle, {}
        for connection in (each for connections in idle.values() for each in connections):
            await connection.aclose()


async def _open(origin: Origin) -> Connection:
    proxy = proxy_for("https" if origin.is_https else "http", origin.host)
    if proxy is None:
        return Connection(await _connect(origin))
    stream = await _connect(Origin.of(proxy.url))
    headers = _introduction(proxy)
    if not origin.is_https:
        return Connection(stream, b"http://" + origin.place.removesuffix(b":80"), headers)
    try:
        return Connection(await _tunnel(stream, origin, headers))
    except BaseException:
        await _close(stream)
        raise


async def _connect(origin: Origin) -> ByteStream:
    stream = await anyio.connect_tcp(origin.host, origin.port)
    if not origin.is_https:
        return stream
    try:
        return await Tls.wrap(stream, _trust(), origin.host)
    except BaseException:
        await _close(stream)
        raise


async def _tunnel(stream: ByteStream, origin: Origin, headers: list[tuple[bytes, bytes]]) -> ByteStream:
    request = h11.Request(method="CONNECT", target=origin.place, headers=[(b"host", origin.place), *headers])
    answer = await Connection(stream).ask(request)
    if not 200 <= answer.status_code < 300:
        raise h11.RemoteProtocolError(f"the proxy answered with HTTP {answer.status_code}")
    return await Tls.wrap(stream, _trust(), origin.host)


async def _close(stream: ByteStream) -> None:
    with anyio.CancelScope(shield=True):
        await stream.aclose()


def _introduction(proxy: httpx.Proxy) -> list[tuple[bytes, bytes]]:
    if proxy.raw_auth is None:
        return []
    return [(b"proxy-authorization", b"Basic " + base64.b64encode(b":".join(proxy.raw_auth)))]


def proxy_for(scheme: str, host: str) -> httpx.Proxy | None:
    """Find the proxy for a host, None if it is to be reached directly.

    :raises ValueError: if the proxy is none of http or https
    """
    named = urllib.request.getproxies()
    address = named.get(scheme) or named.get("all")
    if not address or _is_here(host) or urllib.request.proxy_bypass(host):
        return None
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except httpx.InvalidURL:
        raise ValueError("the proxy of the environment is not a URL") from None
    if proxy.url.scheme not in ("http", "https"):
        raise ValueError("the proxy of the environment is neither an http nor an https one")
    return proxy


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _trust() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
