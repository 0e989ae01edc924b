"""`hostel logs`: what a task has written, and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from hostel.runtime import console

from .._cli.client import runtimes
from .._cli.control import find
from .following import OutputFollower
from .printing import Printer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._cli.client import Found, Part

TAIL_BYTES = 64 * 1024
MOST_BYTES = 16 * 1024 * 1024


def print_output(
    task_id: str, *, session: str | None, follow: bool, tail: int | None, after: int, as_json: bool
) -> None:
    """Print the output of a task, to its end if it is followed."""
    printer = Printer(as_json=as_json)
    with console.one_sentence():
        found = find(runtimes(), task_id, session)
        for part in _there(found, after, tail, follow=follow):
            printer.show(part)
            after = part.next
    if follow:
        console.run(OutputFollower(found, after, printer.show).run)
    printer.end()


def _there(found: Found, after: int, tail: int | None, *, follow: bool) -> Iterable[Part]:
    """Return what is to be shown before anything is followed."""
    if tail is not None:
        return _last_lines(found, tail)
    return () if follow else _parts(found, after)


def _parts(found: Found, after: int) -> Iterator[Part]:
    """Yield what is there from byte `after` on."""
    while True:
        part = found.runtime.output(found.record, after)
        if part.text or part.dropped:
            yield part
        if part.ended or part.next <= after or not part.text:
            return
        after = part.next


def _last_lines(found: Found, count: int) -> list[Part]:
    """Return the parts that the last `count` lines are in, the first of them cut to where they begin."""
    size = TAIL_BYTES
    while True:
        parts = list(_parts(found, -size))
        lines = "".join(part.text for part in parts).split("\n")
        has_all = not parts or parts[0].start == 0 or len(lines) > count + 1
        if has_all or size >= MOST_BYTES:
            return _without(parts, _length(lines, count))
        size *= 4


def _length(lines: list[str], count: int) -> int:
    """Return how many characters come before the last `count` lines."""
    ended = lines if lines[-1] else lines[:-1]  # what follows the last line end is no line if it is empty
    before = ended[: max(0, len(ended) - count)]
    return sum(len(line) + 1 for line in before)


def _without(parts: list[Part], length: int) -> list[Part]:
    left: list[Part] = []
    for part in parts:
        cut = min(length, len(part.text))
        length -= cut
        # the bytes before are not gone, they were not asked for
        left.append(
            attrs.evolve(
                part, text=part.text[cut:], start=part.start + len(part.text[:cut].encode()), dropped=0
            )
        )
    return left
