"""What one caller asked for, and the name under which everybody finds it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from .._numbers import checked_rate
from .._select.formats import Format, parse_format
from .._sources.reference import Reference, parse_reference
from .._sources.secrets import without_secret

SESSION = "downloads"
_VARIANT = re.compile(r"\+([0-9a-f]{6})$")


@attrs.frozen
class DownloadId:
    """Names one download, a model at one quantization: `org/repo:QUANT`, `@revision` if it is not main.

    :ivar variant: tells apart other selections of its files and other caches; None for the usual one
    """

    model_id: str
    quantization: str | None = None
    revision: str | None = None
    variant: str | None = None

    def __str__(self) -> str:
        parts = ((":", self.quantization), ("@", self.revision), ("+", self.variant))
        return self.model_id + "".join(f"{mark}{part}" for mark, part in parts if part)

    @classmethod
    def parse(cls, text: str) -> "DownloadId":
        """Read what `str` wrote: the last `:` begins a quantization unless a `/` follows it."""
        marked = _VARIANT.search(text)
        variant = marked[1] if marked else None
        text = text[: marked.start()] if marked else text
        name, _, revision = text.partition("@") if "://" not in text else (text, "", "")
        model, colon, quantization = name.rpartition(":")
        if not colon or not quantization or "/" in quantization:
            return cls(name, None, revision or None, variant)
        return cls(model, quantization, revision or None, variant)


def _positive(_request: object, field: "attrs.Attribute[int | None]", value: object) -> None:
    if value is not None and not (type(value) is int and value > 0):
        raise ValueError(f"{field.name} is a positive whole number or None, not {value!r:.40}")


def _rate(_request: object, _field: object, value: float | None) -> None:
    checked_rate(value)


def _strings(given: Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


_text = attrs.validators.instance_of(str)
_perhaps = attrs.validators.optional(_text)
_each = attrs.validators.deep_iterable(_text)


@attrs.frozen
class DownloadRequest:
    """What one caller asks for: one model.

    :ivar repo_id: `org/repo`, a URL or a folder; may hold `:QUANT` and `@revision` too
    :ivar quantization: None leaves the choice to the order of preference
    :ivar revision: branch, tag or commit; None is the main branch
    :ivar force: hold what is here against its checksum and fetch again what differs
    :ivar include: patterns; where given without a quantization, exactly what matches is pulled
    :ivar exclude: patterns of what is left out
    :ivar format: of the weights; None leaves the choice to the repository's name and the order of preference
    :ivar cache_dir: None is the cache of huggingface_hub
    :ivar budget: bytes of memory or disk that the model may take, None for no limit
    :ivar limit: bytes per second for this download, None for no limit of its own; where several share
        it the loosest holds
    :ivar session_id: whose task it is
    :ivar withheld: it was kept on disk, without the secret that its URL held
    """

    repo_id: str = attrs.field(validator=_text)
    quantization: str | None = attrs.field(default=None, validator=_perhaps)
    revision: str | None = attrs.field(default=None, validator=_perhaps)
    force: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))
    include: tuple[str, ...] = attrs.field(default=(), converter=_strings, validator=_each)
    exclude: tuple[str, ...] = attrs.field(default=(), converter=_strings, validator=_each)
    format: Format | None = attrs.field(default=None, converter=attrs.converters.optional(parse_format))
    cache_dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    budget: int | None = attrs.field(default=None, validator=_positive)
    limit: float | None = attrs.field(default=None, validator=_rate)
    session_id: str = attrs.field(default=SESSION, validator=_text)
    withheld: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))

    @property
    def label(self) -> str:
        """Return what was asked for as it may be shown and kept."""
        return without_secret(self.repo_id)

    @property
    def reference(self) -> Reference:
        """Return what is asked for.

        :raises InvalidReference: if it cannot be read
        """
        return parse_reference(self.repo_id, quantization=self.quantization, revision=self.revision)

    def to_params(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return what is not a default as JSON values, for a task that may be started again.

        :param secrets: leave those in that the URL holds; what is kept on disk must not have them
        """
        kept = self if secrets else attrs.evolve(self, repo_id=self.label)
        if kept.repo_id != self.repo_id:
            kept = attrs.evolve(kept, withheld=True)
        given = attrs.asdict(kept, filter=lambda field, value: value != field.default)
        given.pop("session_id", None)
        return {name: _plain(value) for name, value in given.items()}

    @classmethod
    def from_params(cls, params: Mapping[str, Any], *, session_id: str = SESSION) -> "DownloadRequest":
        """Read what `to_params` wrote.

        :raises TypeError: if something is in it that no request has
        """
        return cls(**{**params, "session_id": session_id})


def _plain(value: object) -> object:
    if isinstance(value, (Path, Format)):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
