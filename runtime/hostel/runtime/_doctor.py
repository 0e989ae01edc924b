"""What `hostel plugins` tells: the plugins of this installation, and what goes wrong in runtimes that run.

A hook that raises is noted in the process it raised in, so the runtimes of this user are asked, those that
serve: they are found by their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs

from . import cards, console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostel.sessions import JsonValue

    from ._registry import PluginRegistry

    Json = dict[str, JsonValue]

SECONDS = 5.0
COLUMNS = ("plugin", "from", "version", "state", "hooks", "where")
HERE = "here"


def examine(registry: PluginRegistry) -> list[Json]:
    """Return the plugins of `registry`, `runtime` None, then the failing ones of each running runtime."""
    infos = ({**attrs.asdict(info), "hooks": list(info.hooks), "runtime": None} for info in registry)
    return [*cast("Iterator[Json]", infos), *_failing_elsewhere()]


def rows(findings: list[Json]) -> Iterator[tuple[str, ...]]:
    """Return the findings as lines of a table."""
    for found in findings:
        state = _state(found)
        hooks = ", ".join(cast("list[str]", found["hooks"]))
        origin = str(found["distribution"] or ""), str(found["version"] or "")
        yield (str(found["name"]), *origin, state, hooks, str(found["runtime"] or HERE))


def _state(found: Json) -> str:
    if found["failure"] is None:
        return "ok"
    return str(found["failure"]) if found["active"] else f"set aside: {found['failure']}"


def _failing_elsewhere() -> Iterator[Json]:
    for card in cards.running():
        try:
            plugins = _ask(card)
        except OSError as error:
            console.warn(f"the runtime at {card.url} does not answer: {error}")
            continue
        yield from ({**found, "runtime": card.url} for found in plugins if found["failure"] is not None)


def _ask(card: cards.Card) -> list[Json]:
    import httpx

    try:
        with cards.connect(card, seconds=SECONDS) as http:
            answer = http.get("/api/plugins").raise_for_status().json()
            return cast("list[Json]", answer["items"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ConnectionError(error) from error
