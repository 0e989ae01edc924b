"""What a kind takes, as a schema drawn from its signature; what it does not take is refused by name."""

from __future__ import annotations

import json
import math
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

from hostel.runtime import InvalidParams, Runtime, TaskKind, hookimpl, param_from_text
from hostel.runtime._params import check_params, params_schema  # pure; faces use it through kinds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from hostel.sessions import JsonValue


async def crawl(
    site: str,
    depth: int = 2,
    *,
    rate: float | None = None,
    mode: Literal["fast", "slow"] = "fast",
    headers: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    polite: bool = True,
    extra: Any = None,
    note: Annotated[str, "for people"] = "",
) -> None:
    """Fetch a site.

    And more."""


SCHEMA = params_schema(crawl)


class Shade(Enum):
    DARK = 1


class StrangeSignature:
    __signature__ = "none of yours"

    async def __call__(self) -> None: ...


def test_the_schema_says_what_the_signature_says() -> None:
    assert SCHEMA == {
        "type": "object",
        "properties": {
            "site": {"type": "string"},
            "depth": {"type": "integer", "default": 2},
            "rate": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
            "mode": {"enum": ["fast", "slow"], "default": "fast"},
            "headers": {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"type": "string"}},
                    {"type": "null"},
                ],
                "default": None,
            },
            "only": {"type": "array", "items": {"type": "string"}},
            "polite": {"type": "boolean", "default": True},
            "extra": {"default": None},
            "note": {"type": "string", "default": ""},
        },
        "required": ["site"],
        "additionalProperties": False,
    }
    assert TaskKind("crawl", crawl).params_schema == SCHEMA
    assert TaskKind("crawl", crawl).summary == "Fetch a site."


@pytest.mark.parametrize(
    "params",
    [
        {"site": "a"},
        {"site": "a", "depth": 3.0, "rate": 1, "mode": "slow", "headers": {"a": "b"}, "only": ["x"]},
        {"site": "a", "rate": None, "polite": False, "extra": [1, {"a": None}]},
    ],
)
def test_what_fits_is_taken(params: dict[str, JsonValue]) -> None:
    check_params("crawl", SCHEMA, params)


@pytest.mark.parametrize(
    ("params", "name", "said"),
    [
        ({}, "site", "'site' is missing"),
        ({"site": 1}, "site", "'site' must be a text"),
        ({"site": "a", "depth": "2"}, "depth", "'depth' must be a whole number"),
        ({"site": "a", "depth": True}, "depth", "'depth' must be a whole number"),
        ({"site": "a", "depth": 1.5}, "depth", "'depth' must be a whole number"),
        ({"site": "a", "rate": "x"}, "rate", "'rate' must be a number or null"),
        ({"site": "a", "mode": "x"}, "mode", "'mode' must be one of 'fast', 'slow'"),
        (
            {"site": "a", "headers": {"a": 1}},
            "headers",
            "'headers' must be an object of which each is a text",
        ),
        ({"site": "a", "only": "x"}, "only", "'only' must be a list"),
        ({"site": "a", "only": [1]}, "only", "'only' must be a list of which each is a text"),
        ({"site": "a", "sight": 1}, "sight", "it takes no 'sight'; there is site, depth"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(params: dict[str, JsonValue], name: str, said: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        check_params("crawl", SCHEMA, params)

    assert refused.value.name == name
    assert said in str(refused.value)
    assert str(refused.value).startswith("a 'crawl' task cannot be started so: ")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("site", "123", "123"),
        ("site", "true", "true"),
        ("depth", "3", 3),
        ("depth", "three", "three"),
        ("rate", "null", None),
        ("rate", "0.5", 0.5),
        ("mode", "slow", "slow"),
        ("polite", "false", False),
        ("only", '["a"]', ["a"]),
        ("extra", '{"a": 1}', {"a": 1}),
        ("extra", "words", "words"),
        ("unknown", "1", 1),
    ],
)
def test_a_text_of_a_command_line_means_what_the_parameter_takes(
    name: str, text: str, value: JsonValue
) -> None:
    assert param_from_text(SCHEMA, name, text) == value


def test_what_no_annotation_says_takes_anything() -> None:
    def run(anything, *, other=1, **more):  # type: ignore[no-untyped-def]
        """Take anything."""

    schema = params_schema(run)

    assert schema["additionalProperties"] is True
    check_params("x", schema, {"anything": [1], "other": "a", "third": None})


@pytest.mark.parametrize("run", [min, dict.update, StrangeSignature()])
def test_what_has_no_signature_takes_anything(run: Callable[..., Awaitable[object]]) -> None:
    kind = TaskKind("x", run)

    assert kind.params_schema == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": True,
    }
    check_params("x", kind.params_schema, {"anything": 1})


@pytest.mark.parametrize(
    ("annotation", "default", "told"),
    [
        (Literal[b"a", "b"], "b", {"default": "b"}),
        (Literal[Shade.DARK], Shade.DARK, {}),
        ([1], None, {"default": None}),
        (float, math.nan, {"type": "number"}),
        (float, math.inf, {"type": "number"}),
        (dict, object(), {"type": "object"}),
    ],
)
def test_a_schema_is_json_whatever_a_signature_says(
    annotation: object, default: object, told: dict[str, JsonValue]
) -> None:
    def run(one: Any = default) -> None:
        """Take one."""

    run.__annotations__["one"] = annotation

    assert params_schema(run)["properties"] == {"one": told}
    assert json.loads(json.dumps(params_schema(run), allow_nan=False)) == params_schema(run)


async def test_a_task_that_cannot_be_started_so_is_not_registered() -> None:
    class Crawling:
        @hookimpl
        def register_task_kinds(self) -> list[TaskKind]:
            return [TaskKind("crawl", crawl)]

    async with Runtime([Crawling()], load_installed=False) as runtime:
        with pytest.raises(InvalidParams, match="'site' is missing"):
            await runtime.start("s1", "crawl", {})

        assert await runtime.tasks.sessions() == []


async def test_a_kind_may_limit_itself_and_the_runtime_has_the_last_word() -> None:
    from hostel.sessions import Limits, TaskState

    class Slow:
        @hookimpl
        def register_task_kinds(self) -> list[TaskKind]:
            return [TaskKind("one", forever, limit=1), TaskKind("two", forever, limit=1)]

    async with Runtime([Slow()], load_installed=False, limits=Limits(per_kind={"two": 2})) as runtime:
        handles = [await runtime.start("s1", kind) for kind in ("one", "one", "two", "two")]

        assert [handle.record.state for handle in handles] == [
            TaskState.RUNNING,
            TaskState.PENDING,
            TaskState.RUNNING,
            TaskState.RUNNING,
        ]


async def forever() -> None:
    import anyio

    await anyio.sleep_forever()


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_a_kinds_limit_is_at_least_one(limit: int) -> None:
    with pytest.raises(ValueError, match="limit of task kind 'x'"):
        TaskKind("x", forever, limit=limit)
