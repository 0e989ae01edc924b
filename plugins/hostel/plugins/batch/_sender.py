"""Sends requests over HTTP: the one place that names httpx.

Every request in flight has a connection of its own, kept open for the next one, so finding a connection costs
the same however many there are. Four limits hold: to connect, to the first byte of the answer, between its
pieces, and for all of it. The daemon's key goes to the daemon's upstream only; error texts never repeat
headers.
"""

import ssl
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from time import time
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote

import anyio
import attrs
import httpx

from . import _secrets
from ._records import RequestData
from ._states import Failure, FailureKind

BATCH_HEADERS = ("id", "endpoint", "created_at", "completion_window")
MAX_ANSWER = 64 * 1024 * 1024


@attrs.frozen
class Reply:
    """An answer of whatever status; `retry_after` is in seconds, None if the answer does not say."""

    status: int
    body: str
    request_id: str | None = None
    retry_after: float | None = None


class Sender(Protocol):
    """Sends one request and returns the answer, or why there is none."""

    async def __call__(self, request: RequestData) -> Reply | Failure: ...


@attrs.frozen
class Timeouts:
    """Limits in seconds."""

    connect: float = 10.0
    first_byte: float = 540.0
    between_pieces: float = 60.0
    whole: float = 600.0


@cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class HttpSender:
    """Sends to the endpoint that a request names, else to `upstream`.

    :param upstream: base URL such as `https://host/v1`; None if every request names its own
    :param api_key: reference to the key of the upstream
    :param secrets: reads a reference; None if there is no such secret
    """

    def __init__(
        self,
        upstream: str | None = None,
        *,
        api_key: str | None = None,
        secrets: Callable[[str], str | None] = _secrets.resolve,
        timeouts: Timeouts = Timeouts(),  # frozen
        batch_headers: tuple[str, ...] = BATCH_HEADERS,
    ) -> None:
        self._upstream, self._api_key, self._secrets = upstream, api_key, secrets
        self._timeouts, self._batch_headers = timeouts, batch_headers
        self._idle: dict[str, list[httpx.AsyncHTTPTransport]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        idle, self._idle = self._idle, {}
        with anyio.CancelScope(shield=True):
            for transport in (each for transports in idle.values() for each in transports):
                await transport.aclose()

    async def __call__(self, request: RequestData) -> Reply | Failure:
        built = self._build(request)
        if isinstance(built, Failure):
            return built
        origin = f"{built.url.scheme}://{built.url.netloc.decode('ascii')}"
        transport = self._take(origin)
        try:
            reply = await self._send(transport, built)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await transport.aclose()
            raise
        self._idle.setdefault(origin, []).append(transport)
        return reply

    def _take(self, origin: str) -> httpx.AsyncHTTPTransport:
        idle = self._idle.get(origin)
        if idle:
            return idle.pop()
        return httpx.AsyncHTTPTransport(
            verify=_trust() if origin.startswith("https:") else False,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=30.0),
        )

    def _build(self, request: RequestData) -> httpx.Request | Failure:
        base = request.endpoint or self._upstream
        if base is None:
            return _unbuilt("there is no upstream to send it to")
        reference = request.api_key or (None if request.endpoint else self._api_key)
        key = None if reference is None else self._secrets(reference)
        if reference is not None and not key:
            return _unbuilt(f"the secret {reference} is not set")
        if key and not (key.isascii() and key.isprintable()):
            return _unbuilt(f"the secret {reference} does not fit in a header")
        try:
            url = _url(base, request.path)
            headers = self._headers(request, key)
            content = (
                request.body.encode()
                if request.body and request.method not in ("GET", "HEAD", "DELETE")
                else None
            )
            built = httpx.Request(request.method, url, headers=headers, content=content)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            return _unbuilt(type(error).__name__)
        if url.scheme not in ("http", "https") or not url.host:
            return _unbuilt("its address is not an http address")
        built.extensions["timeout"] = {
            "connect": self._timeouts.connect,
            "write": self._timeouts.between_pieces,
        }
        return built

    def _headers(self, request: RequestData, key: str | None) -> dict[str, str]:
        headers = {"accept": "application/json", "content-type": "application/json", "user-agent": "hostel"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        headers["x-hostel-request-id"] = str(request.id)
        if request.custom_id is not None:
            headers["x-hostel-custom-id"] = quote(request.custom_id, safe="")
        for field in self._batch_headers:
            if field in request.batch_metadata:
                name = quote(field.replace("_", "-"), safe="")
                headers[f"x-hostel-batch-{name}"] = quote(request.batch_metadata[field], safe="/:")
        return headers

    async def _send(self, transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> Reply | Failure:
        limits, end = self._timeouts, anyio.current_time() + self._timeouts.whole
        try:
            with anyio.fail_after(limits.whole) as phase:
                phase.deadline = min(end, anyio.current_time() + limits.connect + limits.first_byte)
                response = await transport.handle_async_request(request)
                body = await self._read(response, phase, end)
        except (TimeoutError, httpx.TimeoutException) as error:
            return Failure(FailureKind.TIMEOUT, f"no answer in time ({type(error).__name__})")
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            return _unbuilt(type(error).__name__)
        except httpx.TransportError as error:
            return Failure(FailureKind.NETWORK_ERROR, f"{type(error).__name__}: {error}")
        if body is None:
            return Failure(
                FailureKind.NON_RETRIABLE_HTTP_STATUS, f"the answer is larger than {MAX_ANSWER} bytes"
            )
        request_id = response.headers.get("x-request-id")
        return Reply(response.status_code, body, request_id, retry_after(response.headers, time()))

    async def _read(self, response: httpx.Response, phase: anyio.CancelScope, end: float) -> str | None:
        pieces: list[bytes] = []
        size = 0
        packed = "content-encoding" in response.headers
        stream = response.aiter_bytes() if packed else response.aiter_raw()
        try:
            while size <= MAX_ANSWER:
                phase.deadline = min(end, anyio.current_time() + self._timeouts.between_pieces)
                piece = await anext(stream, None)
                if piece is None:
                    return (
                        b"".join(pieces).decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
                    )
                pieces.append(piece)
                size += len(piece)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await response.aclose()
            raise
        with anyio.CancelScope(shield=True):
            await response.aclose()
        return None


def _unbuilt(why: str) -> Failure:
    return Failure(FailureKind.REQUEST_BUILDER_ERROR, f"the request cannot be sent: {why}")


@lru_cache(maxsize=256)
def _url(base: str, path: str) -> httpx.URL:
    base = base.rstrip("/")
    if base.endswith("/v1") and path.startswith("/v1/"):
        base = base.removesuffix("/v1")
    return httpx.URL(base + path)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read how many seconds an answer asks to wait, given as seconds or as a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
