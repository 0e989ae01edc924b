"""Who asks, and what they may do: users of the application, or whoever has the token.

An application that knows its users says who sends a request (`Auth`), by its own cookie or by a header of its
proxy. Without that there is the token, and whoever has it may do everything. A `Caller` is what the server
makes of either: it goes with the request, and what a caller does is done in their name."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Protocol, cast

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.runtime import AsgiMessage

ACTOR = "inspector"
"""Who did it, if whoever has the token does not say."""
CALLER = "hostel.caller"
USER = "hostel.user"
"""Where mounted applications find the name of the user in the scope of a request."""
FORWARDED = "hostel-forwarded"
"""The header of a request that was sent on: the name of the user, percent-encoded, empty for the token."""
LONGEST_NAME = 512


class Role(Enum):
    """What a user may do: look at everything, or steer it as well."""

    VIEW = "view"
    STEER = "steer"


@attrs.frozen
class User:
    """Who sends a request. `name` is the actor of what they do, 1 to 512 characters."""

    name: str
    role: Role

    def __attrs_post_init__(self) -> None:
        """Refuse what is no user.

        :raises TypeError: if a field is of another type.
        :raises ValueError: if the name has no characters or too many.
        """
        if not isinstance(self.name, str) or not isinstance(self.role, Role):
            raise TypeError("a user has a name, which is a text, and a Role")
        if not 0 < len(self.name) <= LONGEST_NAME:
            raise ValueError(f"the name of a user has 1 to {LONGEST_NAME} characters")


class Auth(Protocol):
    """Tells who sends a request, from its ASGI scope; None if nobody it knows.

    It is asked before anything else looks at the request and has 10 seconds. What it raises lets nobody in.
    """

    async def __call__(self, scope: AsgiMessage, /) -> User | None: ...


class Way(StrEnum):
    """How a caller has come in."""

    TOKEN = "token"
    USERS = "users"


@attrs.frozen
class Caller:
    """A user and the way they came in; `is_forwarded` if another server has sent their request on."""

    user: User
    way: Way
    is_forwarded: bool = False

    @property
    def steers(self) -> bool:
        """Whether they may change anything."""
        return self.user.role is Role.STEER

    def actor(self, given: str | None) -> str:
        """Return who does what they ask for; who has the token may do it in the name that is `given`."""
        return self.user.name if self.way is Way.USERS else given or ACTOR


OWNER = Caller(User(ACTOR, Role.STEER), Way.TOKEN)
"""Whoever has the token."""


def forwarded(name: str) -> Caller:
    """Return whom another server of this user asks for: one of its users, or whoever has its token (no name).

    It shows the key of a run, and may do in any name what it likes.
    """
    if not name:
        return attrs.evolve(OWNER, is_forwarded=True)
    return Caller(User(name[:LONGEST_NAME], Role.STEER), Way.USERS, is_forwarded=True)


def caller_of(scope: Mapping[str, object]) -> Caller:
    """Return who sends a request that was let in."""
    return cast("Caller", scope[CALLER])
