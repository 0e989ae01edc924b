"""Streams in bounded pieces, both ways."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

import attrs

from .._model.records import FaultyLine, FileMetadata, RequestTemplateInput

PIECE_BYTES = 4 * 1024 * 1024
MOST_ROWS = 1000
FIRST_ROWS = 32

Place = TypeVar("Place")
Item = TypeVar("Item")


async def in_pages(
    page: Callable[[Place | None, int], Awaitable[Sequence[tuple[Place, Item]]]],
) -> AsyncGenerator[Item]:
    """Read page after page; a page grows while its items are small."""
    after, rows = None, FIRST_ROWS
    while found := await page(after, rows):
        for _, item in found:
            yield item
        after = found[-1][0]
        if len(found) < rows:
            return
        # rows differ in size a millionfold: the next page is as long as the last one's rows allow
        size = sum(_size(item) for _, item in found) // len(found)
        rows = max(1, min(MOST_ROWS, rows * 4, PIECE_BYTES // max(size, 1)))


def _size(item: object) -> int:
    return sum(
        len(text)
        for name in ("body", "text", "input_body", "response_body")
        if (text := getattr(item, name, None))
    )


class LineBuffer:
    """Gathers lines of a file until they are worth a transaction, and counts what was stored."""

    def __init__(self) -> None:
        self._lines: list[RequestTemplateInput | FaultyLine] = []
        self._bytes = 0
        self._counted = [0, 0, 0]

    def add(self, line: RequestTemplateInput | FaultyLine) -> bool:
        """Keep a line; tell whether it is time to store."""
        self._lines.append(line)
        self._bytes += len(line.text if isinstance(line, FaultyLine) else line.body)
        return self._bytes >= PIECE_BYTES or len(self._lines) >= 5 * MOST_ROWS

    def take(self) -> list[RequestTemplateInput | FaultyLine]:
        taken, self._lines, self._bytes = self._lines, [], 0
        return taken

    @property
    def first(self) -> int:
        """Number of the first line that is not stored."""
        return self._counted[1]

    def count(self, size: int, faulty: int, lines: int) -> None:
        for place, more in enumerate((size, lines, faulty)):
            self._counted[place] += more

    def counted(self) -> tuple[int, int, int]:
        """Tell bytes, lines and faulty lines stored."""
        size, lines, faulty = self._counted
        return size, lines, faulty

    @staticmethod
    def merge(meta: FileMetadata, more: FileMetadata) -> FileMetadata:
        """Overwrite facts with those that are given."""
        given = {
            name: value for name, value in attrs.asdict(more, recurse=False).items() if value is not None
        }
        return attrs.evolve(meta, **given)
