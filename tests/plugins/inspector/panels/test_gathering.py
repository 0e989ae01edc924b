"""The panels of plugins over HTTP: told as they were described, without those that cannot be shown."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from hostel.plugins.inspector import Inspector
from hostel.runtime import (
    Action,
    Column,
    Endpoint,
    Format,
    Icon,
    Mount,
    Panel,
    PluginFailed,
    Runtime,
    Save,
    Scope,
    hookimpl,
)

from ..conftest import Served, client, runtime_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hostel.runtime import AsgiMessage
    from hostel.sessions import JsonValue

BED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"bed": {"type": "integer", "minimum": 1}},
    "required": ["bed"],
}


class Rooms:
    """A plugin with two endpoints, a mount and the panels it is given."""

    def __init__(self, *panels: object, name: str = "rooms") -> None:
        self.name = name
        self._panels = panels

    @hookimpl
    def register_routes(self) -> list[Endpoint | Mount]:
        return [
            Endpoint(self.name, self._rows),
            Endpoint(f"{self.name}/book", self._rows, "POST"),
            Mount(f"/{self.name}-files", self._file),
        ]

    @hookimpl
    def register_panels(self) -> list[object]:
        return list(self._panels)

    async def _rows(self, _query: Mapping[str, str], _body: JsonValue) -> JsonValue:
        return [{"number": 7, "free": 3}]

    async def _file(self, scope: AsgiMessage, receive: object, send: object) -> None:
        raise AssertionError


def panel(name: str = "rooms", *, rows: str = "rooms", within: str | None = None) -> Panel:
    return Panel(name, "Rooms", rows, [Column("Room", "number")], key="number", within=within)


WHOLE = Panel(
    "beds",
    "Beds",
    "rooms",
    [Column("Room", "number", Format.NUMBER), Column("Guest", "guest.task", Format.TASK, "guest.session")],
    [
        Action("Book", "rooms/book", {"room": "number"}, BED, when={"free": [1, 2, 3]}),
        Action("Close the house", "rooms/book", scope=Scope.PANEL, danger=True, confirm="Really?"),
        Save("Bill", "/rooms-files/{number}?bed={bed}", "bill-{number}.txt"),
    ],
    key="number",
    empty="No beds.",
    kinds=["guest"],
    within="rooms",
    params={"room": "number"},
    icon=Icon.STACK,
)


async def test_a_panel_is_told_as_it_was_described() -> None:
    inspector = Inspector()
    async with runtime_with(Rooms(panel(), WHOLE), inspector), client(inspector) as http:
        told = (await http.get("/api/panels")).json()

    assert told["next"] is None
    assert [item["name"] for item in told["items"]] == ["rooms", "beds"]
    assert told["items"][1] == {
        "plugin": "rooms",
        "name": "beds",
        "title": "Beds",
        "icon": "stack",
        "rows": "/api/rooms",
        "key": "number",
        "columns": [
            {"title": "Room", "field": "number", "format": "number", "session_field": None},
            {"title": "Guest", "field": "guest.task", "format": "task", "session_field": "guest.session"},
        ],
        "actions": [
            {
                "type": "post",
                "title": "Book",
                "scope": "row",
                "when": {"free": [1, 2, 3]},
                "path": "/api/rooms/book",
                "body": {"room": "number"},
                "schema": BED,
                "danger": False,
                "confirm": "",
            },
            {
                "type": "post",
                "title": "Close the house",
                "scope": "panel",
                "when": {},
                "path": "/api/rooms/book",
                "body": {},
                "schema": None,
                "danger": True,
                "confirm": "Really?",
            },
            {
                "type": "save",
                "title": "Bill",
                "scope": "row",
                "when": {},
                "address": "/rooms-files/{number}?bed={bed}",
                "name": "bill-{number}.txt",
            },
        ],
        "empty": "No beds.",
        "kinds": ["guest"],
        "within": "rooms",
        "params": {"room": "number"},
    }


async def test_panels_are_listed_by_their_plugins_and_then_as_described() -> None:
    inspector = Inspector()
    plugins = (
        Rooms(panel("z", rows="wing"), panel("a", rows="wing"), name="wing"),
        Rooms(panel(rows="attic"), name="attic"),
    )
    async with runtime_with(*plugins, inspector), client(inspector) as http:
        items = (await http.get("/api/panels")).json()["items"]

    given = [(item["plugin"], item["name"]) for item in items]
    assert given == [("attic", "rooms"), ("wing", "z"), ("wing", "a")]


async def test_those_that_hostel_brings_come_first() -> None:
    inspector = Inspector()
    given = Rooms(panel(rows="attic"), name="attic")
    async with Runtime([given, inspector], load_installed=False) as runtime, client(inspector) as http:
        items = (await http.get("/api/panels")).json()["items"]
        failures = {info.failure for info in runtime.plugins}

    assert [(item["plugin"], item["name"]) for item in items] == [
        ("batch", "batches"),
        ("batch", "lines"),
        ("model_pull", "downloads"),
        ("model_pull", "models"),
        ("process", "processes"),
        ("attic", "rooms"),
    ]
    assert failures == {None}


async def test_without_panels_the_list_is_empty(served: Served) -> None:
    assert (await served.http.get("/api/panels")).json() == {"items": [], "next": None}
    assert (await served.http.get("/api/panels?limit=1")).status_code == 400


async def test_no_plugin_answers_in_place_of_the_list() -> None:
    inspector = Inspector()
    async with runtime_with(Rooms(name="panels"), inspector) as runtime, client(inspector) as http:
        assert (await http.get("/api/panels")).json() == {"items": [], "next": None}
        failures = {info.name: info.failure for info in runtime.plugins}

    assert failures["panels"] == "register_routes: ValueError: the path 'panels/book' is taken"


async def test_a_panel_of_a_given_plugin_that_cannot_be_shown_ends_the_start() -> None:
    with pytest.raises(PluginFailed, match="panel 'rooms': its plugin does not answer GET /api/halls"):
        async with runtime_with(Rooms(panel(rows="halls")), Inspector()):
            raise AssertionError


async def test_what_is_no_panel_ends_the_start() -> None:
    with pytest.raises(PluginFailed, match="where Panel is expected"):
        async with runtime_with(Rooms("rooms"), Inspector()):
            raise AssertionError


async def test_an_endpoint_of_another_plugin_is_none_of_its_own() -> None:
    with pytest.raises(PluginFailed, match="does not answer GET /api/rooms"):
        async with runtime_with(Rooms(), Rooms(panel(), name="other"), Inspector()):
            raise AssertionError


async def test_without_an_inspector_nobody_asks_for_panels() -> None:
    async with Runtime([Rooms("nonsense")], load_installed=False) as runtime:
        assert {info.failure for info in runtime.plugins if info.name == "rooms"} == {None}


STRANGER = """
from hostel.runtime import Action, Column, Endpoint, Panel, hookimpl

async def rows(query, body):
    return []

@hookimpl
def register_routes():
    return [Endpoint("things", rows), Endpoint("things/do", rows, "POST")]

@hookimpl
def register_panels():
    columns = [Column("Thing", "id")]
    action = Action("Do", "things/do", when={"a": [object()]})
    return [
        Panel("one", "One", "things", columns),
        Panel("one", "Again", "things", columns),
        Panel("two", "Two", "nowhere", columns),
        Panel("three", "Three", "things", columns, within="two"),
        Panel("four", "Four", "things", columns, [action]),
        Panel("five", "Five", "things", columns, within="one", params={"thing": "id"}),
    ]
"""


async def test_a_stranger_loses_the_panels_that_cannot_be_shown_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "things.py").write_text(STRANGER)
    info = tmp_path / "things-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hostel.plugins]\nthings = things\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    caplog.set_level(logging.WARNING, "hostel.runtime")

    inspector = Inspector()
    async with Runtime([inspector], blocked=["hostel"]) as runtime, client(inspector) as http:
        items = (await http.get("/api/panels")).json()["items"]
        (failure,) = [info.failure for info in runtime.plugins if info.name == "things"]

    del sys.modules["things"]
    assert [item["name"] for item in items] == ["one", "five"]
    assert [message.partition("register_panels: ")[2].partition(" (")[0] for message in caplog.messages] == [
        "panel 'one': there is a panel of that name already",
        "panel 'two': its plugin does not answer GET /api/nowhere",
        "panel 'three': it is within 'two', which is no panel before it",
        "panel 'four': it is no JSON",
    ]
    assert failure is not None
    assert failure.startswith("register_panels: panel 'four'")


async def test_panels_of_a_plugin_that_is_set_aside_later_are_not_listed() -> None:
    inspector = Inspector()
    attic = Rooms(panel(rows="attic"), name="attic")
    async with runtime_with(attic, inspector) as runtime, client(inspector) as http:
        with pytest.raises(PluginFailed):
            runtime.plugins.set_aside("attic", "a test", "it is too cold")

        assert (await http.get("/api/panels")).json()["items"] == []
