"""A connection to another runtime of this user, which has shown first that it knows the token of its card.

Proof and request go over the same connection: nobody can take the other's place in between. What is sent is
the key of the other's run, never its token. h11 knows the protocol; an answer is read part by part, as fast
as the caller takes it, and every wait has a limit."""

from __future__ import annotations

import hmac
import json
import secrets
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import h11

from hostel.runtime import cards

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from anyio.abc import SocketStream

    Header = tuple[bytes, bytes]

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""How long a head may take: a wait for tasks takes 50 seconds."""
SILENCE_SECONDS = 45.0
"""How long a body may be silent: streams say something every 15 seconds."""
SMALL = 4 * 1024


class Gone(Exception):
    """A runtime does not answer, or another program does."""


class Line:
    """An open connection. Each method raises Gone if the other side ends it or is silent too long."""

    def __init__(self, stream: SocketStream, host: str) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._headers: list[Header] = [(b"host", host.encode())]

    async def ask(
        self, method: str, target: str, headers: Iterable[Header] = (), body: bytes = b""
    ) -> h11.Response:
        """Send a request and return the head of the answer."""
        length = [(b"content-length", b"%d" % len(body))] if method == "POST" else []
        request = h11.Request(method=method, target=target, headers=[*self._headers, *headers, *length])
        if self._http.our_state is h11.DONE:
            with _translated():
                self._http.start_next_cycle()
        data = [self._http.send(request), self._http.send(h11.Data(data=body)) if body else b""]
        with _translated(), anyio.fail_after(ANSWER_SECONDS):
            await self._stream.send(b"".join(filter(None, [*data, self._http.send(h11.EndOfMessage())])))
            while isinstance(event := await self._event(), h11.InformationalResponse):
                pass
        if not isinstance(event, h11.Response):
            raise Gone("it sends no answer")
        return event

    async def part(self) -> bytes | None:
        """Return the next part of the answer's body, at most 64 KiB; None at its end."""
        with _translated(), anyio.fail_after(SILENCE_SECONDS):
            event = await self._event()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise Gone("it ends its answer early")
        return None

    async def prove(self, token: str) -> None:
        """Let the other side prove that it knows `token`; then the key of its run goes with each request."""
        nonce = secrets.token_hex(16)
        response = await self.ask("GET", f"/proof?nonce={nonce}")
        told, shown = await self.json(), ""
        try:
            key = cards.run_key(token, str(told["run"]))
            shown = str(told["proof"])
        except (KeyError, TypeError) as error:
            raise Gone("it proves nothing") from error
        is_ours = hmac.compare_digest(shown.encode(errors="replace"), cards.proof(key, nonce).encode())
        if response.status_code != 200 or not is_ours:
            raise Gone("another program answers there")
        self._headers.append((b"authorization", f"Bearer {key}".encode()))

    async def json(self) -> dict[str, object]:
        """Return the answer's body, a small JSON object; {} if it is something else."""
        data = b""
        while (part := await self.part()) is not None and len(data) < SMALL:
            data += part
        try:
            told = json.loads(data)
        except ValueError as error:
            raise Gone("it sends no JSON") from error
        return told if isinstance(told, dict) else {}

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            try:
                self._http.receive_data(await self._stream.receive())
            except anyio.EndOfStream:
                self._http.receive_data(b"")
        return event


@asynccontextmanager
async def line_to(card: cards.Card) -> AsyncIterator[Line]:
    """Connect to the runtime of a card and let it prove that it is the one.

    :raises Gone: if there is none.
    """
    at = urlsplit(card.url)
    with _translated(), anyio.fail_after(CONNECT_SECONDS):
        stream = await anyio.connect_tcp(at.hostname or "", at.port or 80)
    async with stream:
        line = Line(stream, at.netloc)
        with _translated(), anyio.fail_after(CONNECT_SECONDS):
            await line.prove(card.token)
        yield line


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, h11.ProtocolError) as error:
        raise Gone(str(error) or type(error).__name__) from error
