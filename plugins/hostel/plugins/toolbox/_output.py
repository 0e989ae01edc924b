"""A part of a task's output as text.

Offsets count bytes, as the host counts them; what a model is shown is bounded in characters, of which there
are never more than bytes. One read of the host ends where the stream changes, so a part is put together
of several, and whole reads are left out until it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._text import quoted, shortened

if TYPE_CHECKING:
    from hostel.runtime import Session
    from hostel.sessions import Output, TaskRecord

MOST_READS = 200
LONGEST_MARK = 40
"""Characters that name a stream."""


@attrs.frozen
class Part:
    """Output from byte `start` to byte `end`, the last of all if it `ended`; `dropped` bytes before it are
    gone."""

    text: str
    start: int
    end: int
    dropped: int
    ended: bool


async def part_of(session: Session, task_id: str, after: int, size: int) -> Part:
    """Return about `size` characters of output from byte `after` on, or before the end if it is below 0."""
    reads = [await session.read_output(task_id, after, size)]
    while reads[-1].text and not reads[-1].ended and len(reads) < MOST_READS:
        left = size if after < 0 else size - _length(reads) - LONGEST_MARK
        if left <= 0:
            break
        following = await session.read_output(task_id, reads[-1].next, left)
        if not following.text:
            break
        reads.append(following)
    while len(reads) > 1 and _length(reads) > size:
        reads.pop(0 if after < 0 else -1)
    return Part(_joined(reads), reads[0].start, reads[-1].next, reads[0].dropped, reads[-1].ended)


def part_in_words(name: str, part: Part, record: TaskRecord, limit: int) -> str:
    """Return what is shown of a part, and how to read what is not."""
    size, so_far = max(record.output_bytes, part.end), "" if record.is_terminal else " so far"
    if part.start >= part.end:
        nothing = "wrote nothing" if size == 0 else f"wrote nothing after byte {part.end:,}"
        return f"{name} {nothing}{so_far}{'.' if part.ended else f'; read on with after={part.end}.'}"
    told = [f"{name} wrote {size:,} bytes{so_far}"]
    told.append(f"these are the bytes {part.start:,} to {part.end:,}")
    if part.dropped > 0:
        told.append(f"{part.dropped:,} before them are not kept any more")
    elif part.start > 0:
        told.append("after=0 reads from the beginning")
    told.append("that is the end of it" if part.ended else f"read on with after={part.end}")
    return f"{'; '.join(told)}.\n{quoted('output', shortened(part.text, limit))}"


def _joined(reads: list[Output]) -> str:
    """Return the text of all reads; where the stream changes, it is named."""
    if len({read.stream for read in reads}) < 2:
        return "".join(read.text for read in reads)
    text, stream = "", ""
    for read in reads:
        if read.stream != stream:
            text += f"{'' if text.endswith(chr(10)) or not text else chr(10)}[{read.stream}]\n"
        text, stream = text + read.text, read.stream
    return text


def _length(reads: list[Output]) -> int:
    return len(_joined(reads))
