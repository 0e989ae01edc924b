"""Who may read what: two tokens, private, gated and disabled repositories."""

from collections.abc import Mapping

import attrs

from ._reply import Reply, reply_error
from ._repo import Repo
from ._request import Request


@attrs.frozen
class Tokens:
    """The tokens a hub knows."""

    member: str = "hf_local_member"
    """Reads private repositories and is on every gate's list."""
    stranger: str = "hf_local_stranger"
    """Valid, but sees no private repository and passes no gate."""


TOKENS = Tokens()
INVALID_TOKEN = "Invalid credentials in Authorization header"


class RefusedError(Exception):
    """A request is answered with an error; `reply` is that answer."""

    def __init__(
        self, status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.reply: Reply = reply_error(status, code, message, headers)


def bearer(request: Request) -> str | None:
    """Return the token a request carries; None when anonymous."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def check_token(request: Request) -> None:
    if bearer(request) not in (None, TOKENS.member, TOKENS.stranger):
        raise RefusedError(401, None, INVALID_TOKEN)


def check_repo(request: Request, repo: Repo | None) -> Repo:
    """Return the repository unless it is unknown, hidden from this token, or disabled."""
    if repo is None or (repo.private and bearer(request) != TOKENS.member):
        raise RefusedError(401 if bearer(request) is None else 404, "RepoNotFound", "Repository not found")
    if repo.disabled:
        raise RefusedError(403, None, "Access to this resource is disabled.")
    return repo


def check_gate(request: Request, repo: Repo) -> None:
    """Keep the files of a gated repository from all but the member."""
    if not repo.gated or bearer(request) == TOKENS.member:
        return
    anonymous = bearer(request) is None
    text = "you must be authenticated" if anonymous else "you are not in the authorized list"
    message = f"Access to model {repo.id} is restricted and {text}."
    raise RefusedError(401 if anonymous else 403, "GatedRepo", message)
