"""Connections to model endpoints: each serves one request at a time and is kept open for the next.

httpcore, the engine of httpx, speaks HTTP. Finding a connection is a look into a list: a pool that is
searched and repaired for every request costs a daemon as much as the request itself.
An endpoint is reached through the proxy that the environment names for it (HTTP_PROXY, HTTPS_PROXY,
ALL_PROXY, NO_PROXY), as other programs do; one on this machine is always reached directly.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import anyio
import httpcore
import httpx

if TYPE_CHECKING:
    import ssl

IDLE_SECONDS = 30.0

Connection = httpcore.AsyncHTTPConnection | httpcore.AsyncHTTPProxy


class Origin(NamedTuple):
    """What a connection leads to."""

    scheme: bytes
    host: bytes
    port: int | None


class Connections:
    """Connections by what they lead to."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}

    async def take(self, origin: Origin) -> Connection:
        """Return an open connection that nobody uses, or a new one.

        :raises ValueError: if the environment names a proxy that cannot be used
        """
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not isinstance(connection, httpcore.AsyncHTTPConnection) or not connection.has_expired():
                return connection
            await self.drop(connection)
        return _open(origin)

    def keep(self, origin: Origin, connection: Connection) -> None:
        """Take back a connection whose answer was read to its end."""
        if isinstance(connection, httpcore.AsyncHTTPConnection) and connection.is_closed():
            return
        self._idle.setdefault(origin, []).append(connection)

    async def drop(self, connection: Connection) -> None:
        """Close a connection, whatever state it is in."""
        with anyio.CancelScope(shield=True):
            await connection.aclose()

    async def aclose(self) -> None:
        """Close all that nobody uses."""
        idle, self._idle = self._idle, {}
        for connection in (each for connections in idle.values() for each in connections):
            await self.drop(connection)


def _open(origin: Origin) -> Connection:
    trust = _trust() if origin.scheme == b"https" else None
    proxy = proxy_for(origin.scheme.decode(), origin.host.decode())
    if proxy is None:
        known = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=b"/").origin
        return httpcore.AsyncHTTPConnection(known, trust, keepalive_expiry=IDLE_SECONDS)
    there = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/"
    )
    return httpcore.AsyncHTTPProxy(
        there, proxy.raw_auth, ssl_context=trust, max_connections=1, keepalive_expiry=IDLE_SECONDS
    )


def proxy_for(scheme: str, host: str) -> httpx.Proxy | None:
    """Find the proxy for a host, None if it is to be reached directly.

    :raises ValueError: if the proxy is not an http or https one
    """
    named = urllib.request.getproxies()
    address = named.get(scheme) or named.get("all")
    if not address or _is_here(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    if proxy.url.scheme not in ("http", "https"):
        raise ValueError("only http and https proxies can be used")
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
    return httpx.create_ssl_context()
