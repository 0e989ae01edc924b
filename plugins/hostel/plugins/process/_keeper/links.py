"""The hosts that are connected to a keeper, usually one: JSON objects, one per line, in both directions.

A host that does not read costs nothing: of news about output it gets the latest, and only when it has taken
the one before."""

from __future__ import annotations

import json
import os
import socket

_LONGEST_LINE = 8 * 1024 * 1024
_CHUNK = 256 * 1024


class Gone(Exception):
    """The other side has closed the connection."""


class Link:
    """One connection; nothing here blocks."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.told = 0
        """How many bytes of output it was told of."""
        self._received, self._to_send = b"", b""

    @property
    def congested(self) -> bool:
        """Whether the other side has not yet taken what it was sent."""
        return bool(self._to_send)

    def wait(self) -> dict[str, object]:
        """Wait for the first message and return it.

        Raises Gone if none comes."""
        self.sock.setblocking(True)
        while not (messages := self.receive()):
            continue
        self.sock.setblocking(False)
        return messages[0]

    def receive(self) -> list[dict[str, object]]:
        """Return the messages that have come.

        Raises Gone if no more will."""
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError as error:
            raise Gone from error
        *lines, self._received = (self._received + data).split(b"\n")
        if not data or len(self._received) > _LONGEST_LINE:
            raise Gone
        try:
            return [dict(json.loads(line)) for line in lines]
        except (TypeError, ValueError) as error:
            raise Gone from error

    def send(self, message: dict[str, object]) -> None:
        """Send a message, as far as that goes now; `flush` sends the rest.

        Raises Gone if nobody takes it."""
        self._to_send += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what is left, as far as that goes now.

        Raises Gone if nobody takes it."""
        try:
            while self._to_send:
                self._to_send = self._to_send[self.sock.send(self._to_send) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise Gone from error


def listen(paths: list[str]) -> socket.socket:
    """Listen at the first of `paths` where that is possible, for this user alone.

    Raises OSError if it is possible at none."""
    problem = OSError("no path for a socket")
    for path in paths:
        server = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            server.bind(path)
        except OSError as error:  # too long a path, or a file system without sockets
            server.close()
            problem = error
            continue
        finally:
            os.umask(before)
        server.listen()
        server.setblocking(False)
        return server
    raise problem
