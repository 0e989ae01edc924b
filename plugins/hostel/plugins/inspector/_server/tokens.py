"""What opens a server during one run: the token, the key that stands for it, and tickets.

A client that has the token asks for a proof that the server has it too, and then sends the key of this run
and never the token: whoever gets to see the key, on a port it took over, can do nothing with it once the run
is over. A ticket opens one event stream, for clients that cannot send a header, as whoever it was made for.

Where the application tells who its users are, no token opens anything, and nothing is proved."""

from __future__ import annotations

import secrets
from collections import OrderedDict

import anyio

from hostel.runtime import cards

from .._errors import WeakToken
from .._users import OWNER, Caller

SHORTEST_TOKEN = 16
TICKET_SECONDS = 30.0
MOST_TICKETS = 1_000


class Tokens:
    """The keys of one run of a server; `token=None` makes one up, which opens nothing unless `opens`.

    :raises WeakToken: if `token` has fewer than 16 characters.
    """

    def __init__(self, token: str | None, *, opens: bool = True) -> None:
        if token is not None and not _is_strong(token):
            raise WeakToken(SHORTEST_TOKEN)
        self.token = token or secrets.token_urlsafe(32)
        self.opens = opens
        self.run = secrets.token_hex(8)
        self._key = cards.run_key(self.token, self.run)
        self._tickets: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    def proof(self, nonce: str) -> str | None:
        """Return what shows that this server knows the token; None if there is none that opens it."""
        return cards.proof(self._key, nonce) if self.opens else None

    def accepts(self, given: bytes) -> bool:
        """Tell whether `given` is the token or the key of this run, in constant time."""
        is_token = secrets.compare_digest(given, self.token.encode())
        return (secrets.compare_digest(given, self._key.encode()) or is_token) and self.opens

    def ticket(self, caller: Caller = OWNER) -> str:
        """Return a ticket that can be redeemed once within 30 seconds; of too many the oldest expire."""
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = (anyio.current_time() + TICKET_SECONDS, caller)
        while len(self._tickets) > MOST_TICKETS:
            self._tickets.popitem(last=False)
        return ticket

    def redeem(self, ticket: str) -> Caller | None:
        """Return whom `ticket` was made for, and use it up; None if it is not good."""
        ends, caller = self._tickets.pop(ticket, (0.0, None))
        return caller if ends > anyio.current_time() else None


def _is_strong(token: str) -> bool:
    return len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable() and " " not in token
