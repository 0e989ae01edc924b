"""What a user may name to be pulled.

``org/repo[:QUANT][@revision]`` is a repository of the hub, and so is a link to its page or to one of its
files. ``http://`` and ``https://`` name one file, optionally with ``#sha256=...``. A path that begins
with ``/``, ``./``, ``../``, ``~`` or a drive, or ``file://``, is a folder or file of this machine. Any
other ``scheme://`` belongs to the source registered for it. A quantization holds no ``/`` and no ``@``,
so ``refs/pr/3`` may follow the ``@`` as it is.
"""

import re
from urllib.parse import unquote, urlsplit

import attrs

from .._errors import BadResponse, PullError
from .._web import origin_of
from .secrets import without_secret

HUB = "hf"
FOLDER = "file"

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_LOCAL = re.compile(r"(/|\.{1,2}(/|\\|$)|~|[A-Za-z]:[\\/]|\\\\)")
_REPO = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_QUANTIZATION = re.compile(r"[^\s/@:]+")
_REVISION = re.compile(r"(?!.*\.\.)[^\s~^:?*\[\\\x00-\x1f]+")
_LINK = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/"
    r"(?P<repo>[^/@:]+/[^/@:]+?)/?"
    r"(?:/(?:tree|blob|resolve)/(?P<revision>refs/[^/]+/[^/?#]+|[^/?#]+)(?:/(?P<path>[^?#]*))?(?:[?#].*)?"
    r"|(?P<rest>[:@?#].*))?",
    re.IGNORECASE,
)
_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")


@attrs.define
class InvalidReference(PullError, ValueError):
    """The text names nothing that can be pulled."""

    text: str
    reason: str

    @property
    def message(self) -> str:
        forms = "org/repo[:QUANT][@revision], a URL or ./folder"
        return f"{self.text!r} cannot be pulled, {self.reason}: write {forms}."


@attrs.frozen
class Reference:
    """One model as its user named it."""

    scheme: str
    """Which source it belongs to: ``hf``, ``http``, ``https``, ``file`` or one that a plugin registered."""
    name: str
    """``org/repo``, the URL with its query, or the path."""
    quantization: str | None = None
    """The quantization that was asked for; None leaves the choice to the order of preference."""
    revision: str | None = None
    """Branch, tag or commit of a repository; None is its main branch."""
    sha256: str | None = None
    """What the one file of a URL must hash to, in lower-case hex; None if unknown."""
    path: str | None = None
    """The one file of a repository that a link leads to; None for the usual choice."""

    @property
    def model_id(self) -> str:
        """Return the name it is listed and cancelled by; a URL goes without query and user."""
        if self.scheme in (HUB, FOLDER):
            return self.name
        return without_secret(self.name).partition("?")[0]

    def __str__(self) -> str:
        quantization = f":{self.quantization}" if self.quantization else ""
        revision = f"@{self.revision}" if self.revision else ""
        digest = f"#sha256={self.sha256}" if self.sha256 else ""
        return f"{self.name}{quantization}{revision}{digest}"


def parse_reference(text: str, *, quantization: str | None = None, revision: str | None = None) -> Reference:
    """Read what a user typed.

    :param quantization: asked for apart from the text; must not contradict it
    :param revision: likewise
    :raises InvalidReference: if it names nothing, or names a part twice with different values
    """
    text = text.strip()
    found = _parse(text)
    for part, wanted in (("quantization", quantization), ("revision", revision)):
        if wanted is None:
            continue
        if getattr(found, part) not in (None, wanted):
            raise InvalidReference(text, f"it asks for another {part} than {wanted!r}")
        found = attrs.evolve(found, **{part: wanted})
    _check(text, found)
    return found


def _parse(text: str) -> Reference:
    if _LOCAL.match(text):
        return Reference(FOLDER, text)
    if link := _LINK.fullmatch(text):
        return _linked(link)
    try:
        urlsplit(text)
    except ValueError as error:
        raise InvalidReference(text, f"it is no address ({error})") from error
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[1].lower() == HUB:
        return _repository(text.removeprefix(scheme[0]) if scheme else text)
    if scheme[1].lower() == FOLDER:
        return Reference(FOLDER, unquote(urlsplit(text).path))
    return _url(text, scheme[1].lower())


def _linked(link: re.Match[str]) -> Reference:
    if link["revision"] is None:
        rest = link["rest"] or ""
        return _repository(link["repo"] + ("" if rest.startswith(("?", "#")) else rest))
    return Reference(
        HUB, link["repo"], revision=unquote(link["revision"]), path=unquote(link["path"] or "") or None
    )


def _repository(text: str) -> Reference:
    name, at, revision = text.partition("@")
    repo, colon, quantization = name.rpartition(":")
    if not colon:
        repo, quantization = name, ""
    if (at and not revision) or (colon and not quantization):
        raise InvalidReference(text, "a quantization or revision is announced and left out")
    return Reference(HUB, repo, quantization or None, revision or None)


def _url(text: str, scheme: str) -> Reference:
    address, _, fragment = text.partition("#")
    digest = _SHA256.fullmatch(fragment)
    if scheme in ("http", "https"):
        _check_origin(text, address)
    return Reference(scheme, address, sha256=digest[1].lower() if digest else None)


def _check_origin(text: str, address: str) -> None:
    try:
        origin_of(address)
    except BadResponse as error:
        raise InvalidReference(text, error.problem) from error


def _check(text: str, found: Reference) -> None:
    if found.scheme == HUB and (not _REPO.fullmatch(found.name) or _unlike_a_repository(found.name)):
        raise InvalidReference(text, f"{found.name!r} is not the name of a repository")
    if found.scheme in ("http", "https") and (found.quantization or found.revision):
        raise InvalidReference(text, "a URL has neither quantizations nor revisions")
    if found.quantization is not None and not _QUANTIZATION.fullmatch(found.quantization):
        raise InvalidReference(text, f"{found.quantization!r} is not a quantization")
    if found.revision is not None and not _REVISION.fullmatch(found.revision):
        raise InvalidReference(text, f"{found.revision!r} is not a revision")


def _unlike_a_repository(name: str) -> bool:
    return len(name) > 96 or "--" in name or ".." in name or any(part[-1] in "-." for part in name.split("/"))
