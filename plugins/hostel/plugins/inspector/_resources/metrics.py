"""Counts in the text form of Prometheus, version 0.0.4. Pure.

Labels have few values: states, lints, and kinds that plugins registered or every host knows; what an
application makes up as it goes counts as `other`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MEDIA_TYPE = "text/plain; version=0.0.4"

_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@attrs.frozen
class Family:
    """One metric; `samples` are its values by labels."""

    name: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]
    type: str = "gauge"

    def lines(self) -> Iterator[str]:
        """Yield it line by line."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.type}"
        for labels, value in self.samples:
            named = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items())
            yield f"{self.name}{{{named}}} {value:g}" if named else f"{self.name} {value:g}"


def exposition(live: Mapping[tuple[str, str], int], lints: Mapping[str, int], streams: int) -> str:
    """Return how many tasks are live by state and kind, how many each lint has found, and how many streams
    are open.
    """
    families = (
        Family(
            "hostel_tasks_live",
            "Tasks that have not ended, by state and kind.",
            [({"state": state, "kind": kind}, count) for (state, kind), count in sorted(live.items())],
        ),
        Family(
            "hostel_lints",
            "Tasks that something looks wrong with, by what it is.",
            [({"lint": name}, count) for name, count in lints.items()],
        ),
        Family("hostel_streams_open", "Event streams that are open.", [({}, streams)]),
    )
    return "".join(f"{line}\n" for family in families for line in family.lines())
