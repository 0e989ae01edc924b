"""Ids that a model can repeat: `process_1_k7x` instead of 24 characters.

The number counts the tasks of a kind in a session, the oldest first. It alone would be one too many: after a
restart, or when old tasks are forgotten, the counting begins anew, and a conversation that goes on would
mean another task without knowing. So three characters drawn from the task itself follow. They need no
storage, which a runtime without a journal does not have: an old id either still means its task or nothing."""

from __future__ import annotations

import re
from hashlib import blake2s
from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.sessions import TaskRecord

MOST = 10_000
_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


class Key(NamedTuple):
    """Which task: an id may be used again when its task has ended."""

    id: str
    created_at: float


@attrs.define
class ShortIds:
    """The short ids of the tasks of one session, the latest 10,000."""

    _counts: dict[str, int] = attrs.field(factory=dict, init=False)
    _of: dict[Key, str] = attrs.field(factory=dict, init=False)
    _keys: dict[str, Key] = attrs.field(factory=dict, init=False)

    def see(self, records: Iterable[TaskRecord]) -> None:
        """Give short ids to those that have none, the oldest first."""
        for record in sorted(records, key=lambda record: (record.created_at, record.id)):
            if key_of(record) not in self._of:
                self._give(key_of(record), re.sub(r"\W+", "_", record.kind, flags=re.ASCII)[:40])
        while len(self._of) > MOST:
            self._keys.pop(self._of.pop(next(iter(self._of))), None)

    def of(self, record: TaskRecord) -> str | None:
        """Return the short id of a task, None if it was not seen."""
        return self._of.get(key_of(record))

    def key(self, short: str) -> Key | None:
        """Return the task that a short id means, None if it is not one that was given."""
        return self._keys.get(short)

    def _give(self, key: Key, kind: str) -> None:
        self._counts[kind] = number = self._counts.get(kind, 0) + 1
        self._of[key] = short = f"{kind}_{number}_{_letters(key)}"
        self._keys[short] = key


def key_of(record: TaskRecord) -> Key:
    """Return which task a record is of."""
    return Key(record.id, record.created_at)


def _letters(key: Key) -> str:
    drawn = int.from_bytes(
        blake2s(repr(tuple(key)).encode("utf-8", "replace"), digest_size=8).digest(), "big"
    )
    letters = ""
    for _ in range(3):
        drawn, index = divmod(drawn, len(_ALPHABET))
        letters += _ALPHABET[index]
    return letters
