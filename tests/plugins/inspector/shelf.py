"""A plugin of somebody else that brings panels: books on a shelf, and the pages of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime import Action, Column, Endpoint, Format, Panel, Save, Scope, hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.sessions import JsonValue

WANTED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "title": "Title of the book", "minLength": 2},
        "copies": {"type": "integer", "title": "Copies", "minimum": 1, "default": 1},
    },
    "required": ["title"],
}
COLUMNS = [
    Column("Book", "title"),
    Column("State", "state", Format.STATE),
    Column("Read", "read.share", Format.SHARE),
    Column("Weight", "weight", Format.BYTES),
    Column("Speed", "speed", Format.RATE),
    Column("Left", "left", Format.DURATION),
    Column("Copies", "copies", Format.NUMBER),
    Column("Bought", "bought_at", Format.MOMENT),
    Column("Reader", "reader.task", Format.TASK, "reader.session"),
    Column("Notes", "notes", Format.LINES),
]
ACTIONS: list[Action | Save] = [
    Action("Buy", "shelf/buy", schema=WANTED, scope=Scope.PANEL),
    Action(
        "Burn", "shelf/burn", {"id": "id"}, danger=True, confirm="Burn this book?", when={"burns": [True]}
    ),
    Action("Read", "shelf/read", {"id": "id"}),
    Save("Text", "/api/shelf/text?id={id}", "{title}.json"),
]


def book(number: int, title: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"id": number, "title": title, "state": "ready", "burns": True, **more}


def fields(body: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")
    return body


class Shelf:
    """Answers with the books it has, so many at a time."""

    name = "shelf"

    def __init__(self) -> None:
        self.books = [book(1, "First")]
        self.is_broken = False
        self.page_size = 50

    @hookimpl
    def register_routes(self) -> list[Endpoint]:
        return [
            Endpoint("shelf", self.listing),
            Endpoint("shelf/pages", self.pages),
            Endpoint("shelf/text", self.text),
            Endpoint("shelf/buy", self.buy, "POST"),
            Endpoint("shelf/burn", self.burn, "POST"),
            Endpoint("shelf/read", self.read, "POST"),
        ]

    @hookimpl
    def register_panels(self) -> list[Panel]:
        named = {"book_id": "id"}
        return [
            Panel("books", "Books", "shelf", COLUMNS, ACTIONS, empty="No <b>books</b>.", kinds=["subagent"]),
            Panel("pages", "Pages", "shelf/pages", [Column("Page", "text")], within="books", params=named),
        ]

    async def listing(self, query: Mapping[str, str], _: JsonValue) -> JsonValue:
        if self.is_broken:
            raise ValueError("the shelf has fallen over")
        first = int(query.get("after", "0"))
        after = first + self.page_size
        return {"items": [*self.books[first:after]], "next": str(after) if self.books[after:] else None}

    async def pages(self, query: Mapping[str, str], _: JsonValue) -> JsonValue:
        return [{"id": number, "text": f"page {number} of {query['book_id']}"} for number in (1, 2)]

    async def text(self, query: Mapping[str, str], _: JsonValue) -> JsonValue:
        return {"text": f"all of {query['id']}"}

    async def buy(self, _: Mapping[str, str], body: JsonValue) -> JsonValue:
        body = fields(body)
        if body["title"] == "Forbidden":
            raise ValueError("'title' is on the index")
        self.books.append(book(len(self.books) + 1, str(body["title"]), copies=body["copies"]))
        return {"message": f"bought {body['title']}"}

    async def burn(self, _: Mapping[str, str], body: JsonValue) -> JsonValue:
        body = fields(body)
        self.books = [one for one in self.books if one["id"] != body["id"]]
        return {}

    async def read(self, _: Mapping[str, str], body: JsonValue) -> JsonValue:
        body = fields(body)
        for found in self.books:
            if found["id"] == body["id"]:
                found["state"] = "running"
        return {}

    def do(self, what: str) -> None:
        """Change what there is, as a test says."""
        verb, _, rest = what.partition(" ")
        if verb == "broken":
            self.is_broken = rest == "yes"
        elif verb == "all":
            self.books = [full(), hostile()]
        elif verb == "many":
            self.books = [book(number, f"Volume {number}") for number in range(int(rest))]
        elif verb == "first":
            self.books = [book(1, "First")]
        elif verb == "put":
            self.books = [book(2, rest), *self.books]


def full() -> dict[str, JsonValue]:
    return book(
        7,
        "Everything",
        state="in_progress",
        read={"share": 0.42},
        weight=1_500_000,
        speed=2_000,
        left=75.0,
        copies=12_345,
        bought_at=0.0,
        reader={"task": "parent", "session": "build"},
        notes="torn\nat the second\nline",
        burns=False,
    )


def hostile() -> dict[str, JsonValue]:
    """A book whose every value would like to be obeyed, or is of another type than its column."""
    nasty = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
    return book(
        8,
        nasty,
        state=nasty,
        read={"share": nasty},
        weight={"a": 1},
        speed=nasty,
        left="long",
        copies=[1],
        bought_at=1e300,
        reader={"task": nasty},
        notes=f"{nasty}\n<script>alert(1)</script>",
    )


shelf = Shelf()
