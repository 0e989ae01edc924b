"""How many bytes what is kept in memory takes, and who gives way when it is too much.

Sizes are estimates, made to be cheap. Who takes the most gives way first, so that many who keep little lose
nothing to one who keeps much."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._records import TaskRecord

RETAIN_BYTES = 64 * 1024 * 1024
RECORD_BYTES = 1_500
"""What a record takes with what leads to it."""
INLINE_FACTOR = 4
"""How much larger a value is as objects than as JSON text."""


def weight_of(record: TaskRecord, value_size: int) -> int:
    """Return about how many bytes `record` takes with the value of its result, which has that many bytes of
    JSON text.
    """
    weight = RECORD_BYTES + len(record.label) + INLINE_FACTOR * value_size
    if record.failure is not None:
        weight += len(record.failure.message) + len(record.failure.traceback or "")
    if record.progress is not None and record.progress.message is not None:
        weight += len(record.progress.message)
    if record.result is not None and record.result.summary is not None:
        weight += len(record.result.summary)
    return weight


class Shares:
    """The bytes that each of many takes, `limit` for all of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._sizes: dict[str, int] = {}
        self._by_length: dict[int, dict[str, None]] | None = None
        """Who takes how many bytes, by the length of that number: the largest is found at once, or one half
        as large. None until somebody has asked.
        """
        self.exceeded = False
        """Whether all together take more than the limit."""

    def add(self, key: str, size: int) -> None:
        """Let `key` take `size` bytes more, or fewer."""
        before = self._sizes.get(key, 0)
        self._sizes[key] = after = before + size
        self._total += size
        self.exceeded = self._total > self._limit
        if not after:
            del self._sizes[key]
        # the index costs two bit lengths an event, so it is kept only once a limit was reached
        if self._by_length is not None and before.bit_length() != after.bit_length():
            self._leave(self._by_length, key, before.bit_length())
            self._join(self._by_length, key, after.bit_length())

    def largest(self) -> str:
        """Return who takes the most, or half as much."""
        if self._by_length is None:
            self._by_length = {}
            for key, size in self._sizes.items():
                self._join(self._by_length, key, size.bit_length())
        return next(iter(self._by_length[max(self._by_length)]))

    @staticmethod
    def _join(by_length: dict[int, dict[str, None]], key: str, length: int) -> None:
        if length:
            by_length.setdefault(length, {})[key] = None

    @staticmethod
    def _leave(by_length: dict[int, dict[str, None]], key: str, length: int) -> None:
        if length:
            del by_length[length][key]
            if not by_length[length]:
                del by_length[length]
