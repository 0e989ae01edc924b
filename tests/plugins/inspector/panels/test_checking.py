"""What is wrong with a panel is said in one sentence; the rest is shown."""

import re
from typing import Any

import attrs
import pytest

from hostel.plugins.inspector._panels.checking import check_panel
from hostel.runtime import Action, Column, Panel, Save, Scope
from hostel.sessions import JsonValue

ROUTES = {("GET", "rooms"), ("POST", "rooms/book"), ("", "/files")}
OUTER = Panel("houses", "Houses", "rooms", [Column("House", "id")])
INNER = Panel("rooms", "Rooms", "rooms", [Column("Room", "id")], within="houses", params={"house": "id"})
FORM: dict[str, JsonValue] = {"type": "object", "properties": {"beds": {"type": "integer"}}}

NO_FIELDS: Any = {3: "id"}
NO_TEXTS: Any = {"room": 3}
NO_JSON: Any = object()


def check(panel: Panel) -> None:
    check_panel(panel, ROUTES, {"houses": OUTER})


def with_action(*given: Action | Save) -> Panel:
    return attrs.evolve(INNER, actions=given)


@pytest.mark.parametrize(
    "panel",
    [
        OUTER,
        INNER,
        attrs.evolve(INNER, name="A-7", key="house.id", params={}),
        with_action(Action("Book", "rooms/book", {"room": "id"}, FORM, when={"free": [True, None, "yes"]})),
        with_action(Action("Book", "rooms/book", {"at": "house"}, scope=Scope.PANEL)),
        with_action(Save("List", "/api/rooms", "rooms.json", Scope.PANEL)),
        with_action(Save("List", "/api/rooms?house={house}", "{house}.json", Scope.PANEL)),
        with_action(Save("Bill", "/files/{id}/of/{guest.name}?x=1", "{id}.txt")),
    ],
)
def test_what_can_be_shown_is_shown(panel: Panel) -> None:
    check_panel(panel, ROUTES, {} if panel is OUTER else {"houses": OUTER})


@pytest.mark.parametrize(
    ("panel", "why"),
    [
        (attrs.evolve(INNER, name=""), "its name is 1 to 64 letters"),
        (attrs.evolve(INNER, name="a/b"), "its name is 1 to 64 letters"),
        (attrs.evolve(INNER, name="räume"), "its name is 1 to 64 letters"),
        (attrs.evolve(INNER, name="houses"), "of that name already"),
        (attrs.evolve(INNER, within="rooms"), "within 'rooms', which is no panel before it"),
        (attrs.evolve(INNER, within=None), "within no panel"),
        (attrs.evolve(INNER, params={"house": ""}), "names no field"),
        (attrs.evolve(INNER, params={"": "id"}), "named by a text"),
        (attrs.evolve(INNER, params=NO_FIELDS), "named by a text"),
        (attrs.evolve(INNER, title=""), "a title has 1 to 80"),
        (attrs.evolve(INNER, columns=[Column("x" * 81, "id")]), "a title has 1 to 80"),
        (attrs.evolve(INNER, columns=()), "1 to 30 columns"),
        (attrs.evolve(INNER, columns=[Column("Room", "a..b")]), "'a..b' names no field"),
        (attrs.evolve(INNER, rows="rooms/book"), "does not answer GET /api/rooms/book"),
        (attrs.evolve(INNER, rows="tasks"), "does not answer GET /api/tasks"),
        (attrs.evolve(INNER, empty="x" * 70_000), "longer than 65536 bytes"),
        (with_action(Action("Book", "rooms")), "'Book': its plugin does not answer POST /api/rooms"),
        (with_action(Action("Book", "rooms/book", NO_TEXTS)), "3 names no field"),
        (with_action(Action("Book", "rooms/book", {"room": "id"}, scope=Scope.PANEL)), "knows no row"),
        (with_action(Action("Book", "rooms/book", when={"a": [1]}, scope=Scope.PANEL)), "knows no row"),
        (with_action(Action("Book", "rooms/book", when={"free": "yes"})), "against a list of values"),
        (with_action(Action("Book", "rooms/book", when={"free": [float("nan")]})), "no JSON"),
        (with_action(Action("Book", "rooms/book", when={"free": [NO_JSON]})), "no JSON"),
        (with_action(Action("Book", "rooms/book", schema={"type": "string"})), "an object with properties"),
        (
            with_action(Action("Book", "rooms/book", schema={"properties": {"a": {"type": "object"}}})),
            "property 'a' is none of",
        ),
        (with_action(Action("Book", "rooms/book", {"beds": "id"}, FORM)), "asks for what the row fills in"),
        (with_action(Save("Bill", "https://elsewhere/files/", "x")), "does not answer https"),
        (with_action(Save("Bill", "//elsewhere/files/x", "x")), "does not answer //elsewhere"),
        (with_action(Save("Bill", "/files", "x")), "does not answer /files"),
        (with_action(Save("Bill", "/files/../api/tasks", "x")), "does not answer /files/../api/tasks"),
        (with_action(Save("Bill", "/files/%2e%2E/api/tasks", "x")), "does not answer /files/%2e"),
        (with_action(Save("Bill", "/{id}/x", "x")), "does not answer"),
        (with_action(Save("Bill", "/api/{id}", "x")), "does not answer"),
        (with_action(Save("Bill", "/files/{}", "x")), "braces that name no field"),
        (with_action(Save("Bill", "/files/x", "}{id}")), "braces that name no field"),
        (with_action(Save("Bill", "/files/{id}", "x", Scope.PANEL)), "knows no row"),
    ],
)
def test_what_cannot_be_shown_is_refused(panel: Panel, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        check(panel)
