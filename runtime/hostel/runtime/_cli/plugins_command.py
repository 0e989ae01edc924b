"""`hostel plugins`: what the plugins of this installation do when they are tried, and what fails in runtimes
that run.

A plugin that loads may still not start, so a runtime is opened that keeps nothing and serves nothing, and
closed again. A hook that raises later is noted in the process it raised in, so the runtimes of this user are
asked, those that serve: they are found by their cards."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import attrs

from .. import cards, console, hookspecs
from .._errors import PluginFailed
from .._plugins.loading import BLOCKED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostel.sessions import JsonValue

    from .._plugins.registry import PluginRegistry

    Json = dict[str, JsonValue]

SECONDS = 5.0
COLUMNS = ("plugin", "from", "version", "state", "hooks", "where")
HERE = "here"


def list_plugins(build: Callable[[PluginRegistry], object], *, as_json: bool) -> None:
    """Print the plugins, and those that fail in runtimes that run; `build` makes commands of all plugins."""
    findings = [*_here(console.run(partial(_try, build))), *_failing_elsewhere()]
    if as_json:
        console.print_json(findings)
        return
    console.print_table(COLUMNS, _rows(findings), "no plugins")


async def _try(build: Callable[[PluginRegistry], object]) -> PluginRegistry:
    """Open and close a runtime and return its plugins, which know what went wrong."""
    from .._runtime import Runtime

    runtime = Runtime()
    with _no_settings():
        try:
            async with runtime:
                runtime.plugins.collect(hookspecs.register_routes, runtime)
                runtime.plugins.collect(hookspecs.register_panels)
                build(runtime.plugins)
        except PluginFailed as error:
            console.warn(error)
    return runtime.plugins


@contextmanager
def _no_settings() -> Iterator[None]:
    """Hide the user's settings: what they name is not to be touched by a trial."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _is_setting(name: str) -> bool:
    return name.startswith("HOSTEL_") and name != BLOCKED


def _here(registry: PluginRegistry) -> Iterator[Json]:
    infos = ({**attrs.asdict(info), "hooks": list(info.hooks), "runtime": None} for info in registry)
    return cast("Iterator[Json]", infos)


def _rows(findings: list[Json]) -> Iterator[tuple[str, ...]]:
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
    answer = cards.ask(card, "GET", "/api/plugins", seconds=SECONDS)
    if answer.is_error or not isinstance(answer.body.get("items"), list):
        raise ConnectionError(f"it answers {answer.status}")
    return cast("list[Json]", answer.body["items"])
