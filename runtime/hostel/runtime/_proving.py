"""How a client asks a runtime: it shows first that it knows the token, and is never sent the token itself."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

import httpx

from . import cards

if TYPE_CHECKING:
    from collections.abc import Generator


class NotTheRuntime(httpx.TransportError):
    """Another program answers at the address of a runtime."""

    def __init__(self, request: httpx.Request) -> None:
        super().__init__("another program answers there", request=request)


class Proving(httpx.Auth):
    """Puts the key of the server's run into a request once the server has proved that it knows `token`.

    :raises NotTheRuntime: from each request, if it does not.
    """

    requires_response_body = True

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Ask for the proof, then send `request`."""
        nonce = secrets.token_hex(16)
        url = request.url.copy_with(path="/proof", query=f"nonce={nonce}".encode())
        asked = httpx.Request("GET", url, extensions=request.extensions)
        run, shown = _told(asked, (yield asked))
        key = cards.run_key(self._token, run)
        if not hmac.compare_digest(shown.encode(errors="replace"), cards.proof(key, nonce).encode()):
            raise NotTheRuntime(asked)
        request.headers["authorization"] = f"Bearer {key}"
        yield request


def _told(asked: httpx.Request, response: httpx.Response) -> tuple[str, str]:
    try:
        answer = response.raise_for_status().json()
        return str(answer["run"]), str(answer["proof"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise NotTheRuntime(asked) from error
