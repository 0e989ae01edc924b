"""How a client asks a runtime: it shows first that it knows the token, and is never sent the token itself."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

import httpx

from ._proof import proof, run_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


class NotTheRuntime(httpx.TransportError):
    """Another program answers at the address of a runtime."""

    def __init__(self, request: httpx.Request) -> None:
        super().__init__("another program answers there", request=request)


class Proving(httpx.Auth):
    """Puts the key of the server's run into a request once the server has proved that it knows `token`.

    :raises NotTheRuntime: from each request, if it does not.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Ask for the proof, then send `request`."""
        nonce, asked = _ask(request)
        response = yield asked
        response.read()
        yield self._opened(request, nonce, response)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Ask for the proof, then send `request`, whose own response may be a stream."""
        nonce, asked = _ask(request)
        response = yield asked
        await response.aread()
        yield self._opened(request, nonce, response)

    def _opened(self, request: httpx.Request, nonce: str, response: httpx.Response) -> httpx.Request:
        run, shown = _told(response)
        key = run_key(self._token, run)
        if not hmac.compare_digest(shown.encode(errors="replace"), proof(key, nonce).encode()):
            raise NotTheRuntime(response.request)
        request.headers["authorization"] = f"Bearer {key}"
        return request


def _ask(request: httpx.Request) -> tuple[str, httpx.Request]:
    nonce = secrets.token_hex(16)
    url = request.url.copy_with(path="/proof", query=f"nonce={nonce}".encode())
    return nonce, httpx.Request("GET", url, extensions=request.extensions)


def _told(response: httpx.Response) -> tuple[str, str]:
    try:
        answer = response.raise_for_status().json()
        return str(answer["run"]), str(answer["proof"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise NotTheRuntime(response.request) from error
