"""Where the running runtimes of this user can be reached.

A runtime that serves leaves a card: a JSON file in the user's runtime directory that only the user can read,
with its address and token. Other processes read it: the command line finds every runtime of the machine by
its cards. A card whose process is gone is stale: no process has that pid, or the one that has it began at
another time. Stale cards are removed by whoever comes across them.

A runtime may also stop serving while its process lives, and another program take its port. So nobody sends a
token: a client asks for a proof first. The server names its run, and shows by an HMAC over the client's nonce
that it knows the key which follows from the token and the run. That key, good for this run alone, is what the
client then sends."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import attrs

from ._proof import proof as proof
from ._proof import run_key as run_key
from .paths import runtime_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPConnection

    import httpx

    from hostel.sessions import JsonValue


@attrs.frozen
class Card:
    """How to reach one runtime.

    `started_at` is in seconds since the epoch, UTC. `process_start` tells a process from a later one with
    the same pid; None where the system does not say."""

    url: str
    token: str = attrs.field(repr=False)
    pid: int
    started_at: float
    process_start: int | None = None


def leave(url: str, token: str, started_at: float) -> Path:
    """Leave a card of this process and return its path; delete it when the runtime stops serving."""
    card = Card(url, token, os.getpid(), started_at, _process_start(os.getpid()))
    folder = runtime_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{card.pid}-{secrets.token_hex(4)}.json"
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(attrs.asdict(card), file)
    draft.rename(path)
    return path


def running() -> list[Card]:
    """Return the cards of all runtimes that run, the longest running first, and remove stale ones."""
    return sorted(_valid(), key=lambda card: card.started_at)


@attrs.frozen
class Answer:
    """What a runtime has answered: an HTTP status and a JSON object."""

    status: int
    body: dict[str, JsonValue]

    @property
    def is_error(self) -> bool:
        """Whether it refuses; the body says why then."""
        return self.status >= 400


def ask(
    card: Card,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: JsonValue = None,
    seconds: float,
) -> Answer:
    """Ask the runtime of a card, once it has proved that it knows the token.

    It knows no proxy of the environment, and no more of HTTP than the standard library: what the command line
    does most often should not wait for a client to be imported.

    :param seconds: how long to wait for each part of the answer
    :raises ConnectionError: if it does not answer, or another program does.
    """
    import http.client

    at = urlsplit(card.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=seconds)
    target = f"{path}?{urlencode(query)}" if query else path
    try:
        headers = {"authorization": f"Bearer {_proved(connection, card.token)}"}
        return _exchange(connection, method, target, headers, body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    finally:
        connection.close()


def _proved(connection: HTTPConnection, token: str) -> str:
    nonce, key = secrets.token_hex(16), ""
    try:
        told = _exchange(connection, "GET", f"/proof?nonce={nonce}", {}, None).body
        key = run_key(token, str(told["run"]))
        is_ours = hmac.compare_digest(str(told["proof"]).encode(), proof(key, nonce).encode())
    except (KeyError, ValueError):
        is_ours = False
    if not is_ours:
        raise ConnectionError("another program answers there")
    return key


def _exchange(
    connection: HTTPConnection, method: str, target: str, headers: dict[str, str], body: JsonValue
) -> Answer:
    sent = None if body is None else json.dumps(body).encode()
    mine = {} if sent is None else {"content-type": "application/json"}
    connection.request(method, target, sent, {**headers, **mine})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if not isinstance(answer, dict):
        raise ValueError("it sends no object")
    return Answer(response.status, answer)


def auth(card: Card) -> httpx.Auth:
    """Return what lets the client of a card ask for a proof before each request."""
    from ._proving import Proving

    return Proving(card.token)


def _valid() -> Iterator[Card]:
    try:
        paths = list(runtime_dir().glob("*.json"))
    except PermissionError:
        return
    for path in paths:
        with suppress(OSError, ValueError, TypeError):
            if not _is_private(path):
                continue
            card = _read(path)
            if _runs(card):
                yield card
            else:
                path.unlink(missing_ok=True)


def _read(path: Path) -> Card:
    known = json.loads(path.read_text())
    return Card(**{field.name: known[field.name] for field in attrs.fields(Card) if field.name in known})


def _is_private(path: Path) -> bool:
    status = path.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o077


def _runs(card: Card) -> bool:
    try:
        os.kill(card.pid, 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    return card.process_start in (None, _process_start(card.pid))


def _process_start(pid: int) -> int | None:
    """Return the clock ticks between the boot of the system and the start of a process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except OSError:
        return None
