"""Sends requests over HTTP.

Four limits hold: to connect, to the first byte of the answer, between its pieces, and for all of it. The
daemon's key goes to the daemon's upstream only; error texts never repeat headers.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import time
from types import TracebackType
from typing import NamedTuple, Protocol, Self
from urllib.parse import quote

import anyio
import attrs
import h11
import httpx

from .._model.jsonl import is_json
from .._model.records import RequestData
from .._model.secrets import read_secret
from .._model.states import Failure, FailureKind, storable
from .._model.streams import closing
from .connections import Connections, Origin
from .http1 import Connection

BATCH_HEADERS = ("id", "endpoint", "created_at", "completion_window")
MAX_ANSWER = 64 * 1024 * 1024
_ALWAYS = (
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("content-type", "application/json"),
    ("user-agent", "hostel"),
)


def _wait(seconds: float | None) -> float | None:
    return None if seconds is None or not 0 <= seconds < math.inf else float(seconds)


_WITHIN_HTTP = (attrs.validators.ge(100), attrs.validators.le(999))


@attrs.frozen
class Reply:
    """An answer of whatever status; `retry_after` is in seconds, None if the answer does not say.

    What no database holds as text is replaced.

    :raises ValueError: if the status is not one of HTTP
    """

    status: int = attrs.field(validator=[attrs.validators.instance_of(int), *_WITHIN_HTTP])
    body: str = attrs.field(converter=storable)
    request_id: str | None = attrs.field(default=None, converter=attrs.converters.optional(storable))
    retry_after: float | None = attrs.field(default=None, converter=_wait)


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
        secrets: Callable[[str], str | None] = read_secret,
        timeouts: Timeouts = Timeouts(),  # frozen
        batch_headers: tuple[str, ...] = BATCH_HEADERS,
    ) -> None:
        self._upstream, self._api_key, self._secrets = upstream, api_key, secrets
        self._timeouts, self._batch_headers = timeouts, batch_headers
        self._connections = Connections()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.aclose()

    async def __call__(self, request: RequestData) -> Reply | Failure:
        built = self._build(request)
        if isinstance(built, Failure):
            return built
        limits = self._timeouts
        try:
            with anyio.fail_after(limits.whole):
                with anyio.fail_after(limits.connect):
                    connection = await self._connections.take(built.origin)
                return await self._exchange(connection, built)
        except TimeoutError:
            return Failure(FailureKind.TIMEOUT, "no answer in time")
        except (OSError, anyio.BrokenResourceError, h11.RemoteProtocolError, zlib.error) as error:
            return Failure(FailureKind.NETWORK_ERROR, _reason(error))
        except ValueError as error:
            return _unbuilt(str(error))

    def _build(self, request: RequestData) -> "_Built | Failure":
        base = request.endpoint or self._upstream
        if base is None:
            return _unbuilt("there is no upstream to send it to")
        # the key of the upstream is for the upstream: a request that names another endpoint does not get it
        reference = request.api_key or (None if request.endpoint else self._api_key)
        key = None if reference is None else self._secrets(reference)
        if reference is not None and not key:
            return _unbuilt(f"the secret {reference} is not set")
        if key and not (key.isascii() and key.isprintable()):
            return _unbuilt(f"the secret {reference} does not fit in a header")
        try:
            target, host, origin = _address(base, request.path)
            body = b"" if request.method in ("GET", "HEAD", "DELETE") else request.body.encode()
            headers = [("host", host), *self._headers(request, key), ("content-length", str(len(body)))]
            return _Built(origin, h11.Request(method=request.method, target=target, headers=headers), body)
        except (httpx.InvalidURL, h11.LocalProtocolError, ValueError, TypeError) as error:
            return _unbuilt(str(error) if type(error) is ValueError else type(error).__name__)

    def _headers(self, request: RequestData, key: str | None) -> list[tuple[str, str]]:
        headers = [*_ALWAYS]
        if key:
            headers.append(("authorization", f"Bearer {key}"))
        headers.append(("x-hostel-request-id", str(request.id)))
        if request.custom_id is not None:
            headers.append(("x-hostel-custom-id", quote(request.custom_id, safe="")))
        known = request.batch_metadata
        headers.extend(_batch_header(field, known[field]) for field in self._batch_headers if field in known)
        return headers

    async def _exchange(self, connection: Connection, built: "_Built") -> Reply | Failure:
        usable = False
        try:
            with anyio.fail_after(self._timeouts.first_byte) as phase:
                answer = await connection.ask(built.request, built.body)
                body = await self._read(connection, phase)
            reply = _reply(answer, body)
            # what was cut short has its rest still on the wire: such a connection serves nobody again
            usable = len(body) <= MAX_ANSWER and self._connections.keep(built.origin, connection)
            return reply
        finally:
            if not usable:
                await connection.aclose()

    async def _read(self, connection: Connection, phase: anyio.CancelScope) -> bytes:
        """Read an answer; of one that is too large, more than is allowed."""
        pieces: list[bytes] = []
        size = 0
        async with closing(connection.body()) as body:
            async for piece in body:
                phase.deadline = anyio.current_time() + self._timeouts.between_pieces
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ANSWER:
                    break
        return b"".join(pieces)


class _Built(NamedTuple):
    origin: Origin
    request: h11.Request
    body: bytes


def _reply(answer: h11.Response, body: bytes) -> Reply | Failure:
    headers = httpx.Headers(list(answer.headers))
    body = _unpacked(body, headers.get("content-encoding", ""))
    if len(body) > MAX_ANSWER:
        why = f"the answer is larger than {MAX_ANSWER} bytes"
        return Failure(FailureKind.NON_RETRIABLE_HTTP_STATUS, why)
    text = body.decode(errors="replace")
    # an answer that ends with its connection may have been cut off: only whole JSON proves that it was not
    if 200 <= answer.status_code < 300 and not _says_where_it_ends(headers) and not is_json(text):
        raise h11.RemoteProtocolError("the connection was closed in the middle of the answer")
    return Reply(answer.status_code, text, headers.get("x-request-id"), retry_after(headers, time()))


def _says_where_it_ends(headers: httpx.Headers) -> bool:
    return "content-length" in headers or "transfer-encoding" in headers


def _unpacked(data: bytes, encoding: str) -> bytes:
    """Unpack an answer that comes packed although nobody asked for that, up to a byte more than is allowed.

    :raises zlib.error: if it cannot be unpacked, or was cut off
    """
    if encoding in ("", "identity"):
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise zlib.error("it is packed in a way that was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    unpacked = unpacker.decompress(data, MAX_ANSWER + 1)
    if len(unpacked) <= MAX_ANSWER and (not unpacker.eof or unpacker.unused_data):
        raise zlib.error("it does not end where its packing does")
    return unpacked


def _reason(error: BaseException) -> str:
    """Say what broke a connection: the first cause, which anyio wraps."""
    while error.__cause__ is not None:
        error = error.__cause__
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _unbuilt(why: str) -> Failure:
    return Failure(FailureKind.REQUEST_BUILDER_ERROR, f"the request cannot be sent: {why}")


@lru_cache(maxsize=256)
def _address(base: str, path: str) -> tuple[bytes, str, Origin]:
    base = base.rstrip("/")
    # OpenAI's base URLs end in /v1 and so do the paths of its batch files begin: once is enough
    if base.endswith("/v1") and path.startswith("/v1/"):
        base = base.removesuffix("/v1")
    url = httpx.URL(base + path)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("its address is not an http address")
    return url.raw_path, url.netloc.decode("ascii"), Origin.of(url)


@lru_cache(maxsize=1024)
def _batch_header(field: str, value: str) -> tuple[str, str]:
    return f"x-hostel-batch-{quote(field.replace('_', '-'), safe='')}", quote(value, safe="/:")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read how many seconds an answer asks to wait, given as seconds or as a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
