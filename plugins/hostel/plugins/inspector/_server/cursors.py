"""Places in a host's listings and events, as texts that mean something only to the server that made them.

A cursor names the run of the server and a place in it. After a restart numbers begin anew, so a cursor of
another run is never taken for one of this. The beginning alone is the same in every run."""

from __future__ import annotations

import secrets

from hostel.sessions import UnknownCursor

START = ("start", "0")
"""How a reader asks for all that is kept."""


class Cursors:
    """The cursors of one run of a server."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)

    def write(self, place: str | int) -> str:
        """Return the cursor of a place."""
        return f"{self._run}-{place}"

    def read(self, cursor: str) -> str | None:
        """Return the place of a cursor, None if it is not of this run."""
        run, dash, place = cursor.partition("-")
        return place if dash and run == self._run else None

    def place(self, cursor: str | None) -> str | None:
        """Return the place of a cursor that somebody gave, None for none.

        :raises UnknownCursor: if it is not of this run.
        """
        place = None if cursor is None else self.read(cursor)
        if cursor is not None and place is None:
            raise UnknownCursor(cursor)
        return place
