"""Descriptions of panels refuse what is of another type, naming the field."""

import re
from collections.abc import Callable

import pytest

from hostel.runtime import Action, Column, Panel, Save

COLUMN = Column("Room", "number")


def test_what_a_description_holds_stays_as_it_was_given() -> None:
    body, columns = {"room": "number"}, [COLUMN]
    action, panel = Action("Book", "rooms/book", body), Panel("rooms", "Rooms", "rooms", columns)
    body["room"] = "bed"
    columns.clear()

    assert action.body == {"room": "number"}
    assert panel.columns == (COLUMN,)


a_column: Callable[..., object] = Column
an_action: Callable[..., object] = Action
a_file: Callable[..., object] = Save
a_panel: Callable[..., object] = Panel


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: a_column("Room", 3), "the field of a Column must be a text"),
        (lambda: a_column("Room", "number", "text"), "the format of a Column must be one of Format"),
        (
            lambda: a_column("Room", "number", session_field=3),
            "session_field of a Column must be a text or None",
        ),
        (lambda: an_action("Book", None), "the path of an Action must be a text"),
        (lambda: an_action("Book", "x", [("a", "b")]), "a mapping is expected, not an object of type 'list'"),
        (lambda: an_action("Book", "x", schema="y"), "a mapping is expected, not an object of type 'str'"),
        (lambda: an_action("Book", "x", scope="row"), "the scope of an Action must be one of Scope"),
        (lambda: an_action("Book", "x", danger=1), "the danger of an Action must be true or false"),
        (lambda: a_file("Bill", "/x", None), "the name of a Save must be a text"),
        (lambda: a_panel(3, "Rooms", "rooms", [COLUMN]), "the name of a Panel must be a text"),
        (lambda: a_panel("rooms", "Rooms", "rooms", COLUMN), "a list is expected"),
        (
            lambda: a_panel("rooms", "Rooms", "rooms", ["x"]),
            "each of the columns of a Panel must be a Column",
        ),
        (lambda: a_panel("rooms", "Rooms", "rooms", [COLUMN], kinds="guest"), "a list is expected"),
        (lambda: a_panel("r", "R", "r", [COLUMN], kinds=[3]), "each of the kinds of a Panel must be a text"),
        (lambda: a_panel("r", "R", "r", [COLUMN], [COLUMN]), "must be an Action or a Save"),
        (lambda: a_panel("r", "R", "r", [COLUMN], icon="list"), "the icon of a Panel must be one of Icon"),
    ],
)
def test_another_type_is_refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(TypeError, match=re.escape(why)):
        make()
