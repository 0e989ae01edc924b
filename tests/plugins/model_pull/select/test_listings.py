"""The table of choices: what is pulled of real repositories, and the page that shows it."""

import re
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from hostel.plugins.model_pull import Format, PullError, PullOptions, Reference, RemoteFile
from hostel.plugins.model_pull._queue.plan import PullPlan, plan_pull
from hostel.runtime.text import parse_size

from .listings import LISTINGS, REFUSED, SMALL, Entry, listing, named, rendered

PAGE = (Path(__file__).parents[4] / "docs/choice.md").read_text()


class Shelf:
    """A source that knows one model."""

    schemes = ("hf",)

    def __init__(self, files: Sequence[RemoteFile]) -> None:
        self.files = files

    async def resolve(self, reference: Reference) -> Sequence[RemoteFile]:
        return self.files


def plan(entry: Entry) -> PullPlan:
    asked = re.fullmatch(r"(?::(\S+))? ?(?:--format (\w+))? ?(?:--budget (\S+))?", entry.asked)
    assert asked, entry.asked
    options = PullOptions(
        format=Format(asked[2]) if asked[2] else None, budget=parse_size(asked[3]) if asked[3] else None
    )
    reference = Reference("hf", entry.repo, asked[1])
    return anyio.run(plan_pull, reference, [Shelf(listing(entry.holds))], options)


def case_id(entry: Entry) -> str:
    return f"{entry.repo} {entry.asked}".strip()


@pytest.mark.parametrize("entry", LISTINGS, ids=case_id)
def test_what_the_table_says_is_taken(entry: Entry) -> None:
    if entry.taken.startswith(REFUSED):
        with pytest.raises(PullError) as caught:
            plan(entry)
        assert entry.taken.removeprefix(REFUSED) in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    expected = {name for name, _ in named(entry.taken)}

    taken = [file.remote for file in plan(entry).files]

    assert {file.path for file in taken if file.size != SMALL or file.path in expected} == expected


def test_the_table_holds_at_least_sixty_listings_and_no_row_twice() -> None:
    assert len(LISTINGS) >= 60
    assert len({(entry.repo, entry.holds, entry.asked) for entry in LISTINGS}) == len(LISTINGS)
    assert len({entry.repo for entry in LISTINGS}) >= 60


def test_the_page_shows_the_table() -> None:
    assert rendered() in PAGE
