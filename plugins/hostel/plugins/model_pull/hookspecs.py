"""The hooks that model pulls bring: the manual of who wants to have a say in them.

An implementation is marked by `hostel.runtime.hookimpl`, as of any other hook, and takes as many of the
arguments as it needs, by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from hostel.runtime import expect, hookspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from ._events import DownloadEvent
    from ._select.quantization import QuantOption
    from ._sources.base import ModelSource


def _source(described: object) -> ModelSource:
    schemes = getattr(described, "schemes", None)
    if isinstance(schemes, str) or not isinstance(schemes, Collection):
        raise TypeError("the `schemes` of a model source must be a list of texts")
    if not callable(getattr(described, "resolve", None)):
        raise TypeError("a model source must have an async `resolve`")
    return cast("ModelSource", described)


def _choice(chosen: object, repo_id: str, options: Sequence[QuantOption]) -> str:  # noqa: ARG001
    name = expect(chosen, str)
    for option in options:
        if option.name == name and option.problem is None:
            return name
    raise ValueError(f"{name!r} is none of the options that can be pulled")


@hookspec(each=_source)
def register_model_sources() -> Iterable[ModelSource]:  # type: ignore[empty-body]
    """Add places that models come from, next to the hub, plain URLs and folders.

    Called once, when the runtime starts. Where several claim one scheme, a plugin given by the application
    wins over an installed one, and both over what is built in.

    :return: objects with `schemes` and `async resolve(reference)`. Since 0.1.
    """


@hookspec(answer=_choice)
def choose_quantization(repo_id: str, options: Sequence[QuantOption]) -> str | None:
    """Choose which quantization of a model is pulled where nobody named one.

    :param options: what there is; one with a `problem` cannot be pulled
    :return: the `name` of one of them, or None to leave it to others and at last to the order of
        preference. Since 0.1.
    """


@hookspec
def on_download_event(event: DownloadEvent) -> Awaitable[None] | None:
    """Be told what happens to downloads; may be async.

    A slow implementation delays its own next call and never a download; progress it is too slow for is left
    out.

    :param event: one of the classes that `DownloadEvent` stands for. Since 0.1.
    """
