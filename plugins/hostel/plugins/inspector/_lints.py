"""What looks wrong about a live task, from its record and the time alone: no clock, no host.

Most tasks that wait are right to wait, so nothing here guesses from age. A lint looks for one pattern that
seldom has a good reason: a task that used to report and stopped, a request to stop that nobody heeds,
attempts that follow each other too fast, a heartbeat that is about to be missed. Each says since when, and
what is wrong in words for one task and for many; so a new lint is a class here and its place in `all_lints`.
Source of the form: the warnings of tokio-console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from hostel.runtime.text import duration_text
from hostel.sessions import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostel.sessions import JsonValue, TaskRecord

SILENT_AFTER = 300.0
HEEDED_WITHIN = 30.0
"""Seconds that a task may take to stop."""
RETRIES = 4
RETRY_SECONDS = 15.0
"""Attempts that follow each other faster than that, on the whole, are a storm."""
NEARLY = 0.75


class Lint(Protocol):
    """One thing that may be wrong with a task."""

    @property
    def name(self) -> str:
        """What programs call it: lower case and underscores."""
        ...

    @property
    def one(self) -> str:
        """What is wrong with a task, `{time}` standing for how long."""
        ...

    @property
    def many(self) -> str:
        """What is wrong with `{count}` tasks."""
        ...

    def check(self, record: TaskRecord, now: float) -> float | None:
        """Return since when it is wrong with the task (seconds since the epoch, UTC), None if it is not."""
        ...


@attrs.frozen
class Silent:
    """A task that has reported or written before shows no sign for `after` seconds, though it runs."""

    after: float = SILENT_AFTER
    name: str = attrs.field(default="silent", init=False)
    one: str = attrs.field(default="no sign of it for {time}", init=False)
    many: str = attrs.field(default="run and show no sign: {count}", init=False)

    def check(self, record: TaskRecord, now: float) -> float | None:
        """Return when it gave its last sign."""
        has_spoken = record.progress is not None or record.output_bytes > 0
        is_silent = record.state is TaskState.RUNNING and has_spoken and now - record.updated_at > self.after
        return record.updated_at if is_silent else None


@attrs.frozen
class CancelIgnored:
    """A task was asked to stop and lives on."""

    name: str = attrs.field(default="cancel_ignored", init=False)
    one: str = attrs.field(default="asked to stop {time} ago and still there", init=False)
    many: str = attrs.field(default="asked to stop and still there: {count}", init=False)

    def check(self, record: TaskRecord, now: float) -> float | None:
        """Return when it was asked."""
        asked = record.cancel_requested_at
        if record.state is not TaskState.CANCEL_REQUESTED or asked is None:
            return None
        return asked if now - asked > HEEDED_WITHIN else None


@attrs.frozen
class RetryStorm:
    """A task is tried again and again in a short time. Runs that a stop cut short do not count."""

    name: str = attrs.field(default="retry_storm", init=False)
    one: str = attrs.field(default="failed many times in {time}", init=False)
    many: str = attrs.field(default="fail again and again: {count}", init=False)

    def check(self, record: TaskRecord, now: float) -> float | None:
        """Return when its first attempt began."""
        retries, began = record.attempt.counted - 1, record.started_at
        if record.is_terminal or began is None or retries < RETRIES:
            return None
        return began if 0 <= now - began < retries * RETRY_SECONDS else None


@attrs.frozen
class HeartbeatLate:
    """The owner of an external task has let three quarters of its time for a heartbeat go by."""

    name: str = attrs.field(default="heartbeat_late", init=False)
    one: str = attrs.field(default="no heartbeat for {time}, nearly its time", init=False)
    many: str = attrs.field(default="heartbeat nearly missed: {count}", init=False)

    def check(self, record: TaskRecord, now: float) -> float | None:
        """Return when its owner was last heard of."""
        ttl, heard = record.heartbeat_ttl, record.heartbeat_at
        if record.is_terminal or ttl is None or heard is None:
            return None
        return heard if now - heard > ttl * NEARLY else None


@attrs.frozen
class Finding:
    """What a lint has found; `since` is in seconds since the epoch, UTC."""

    lint: Lint
    record: TaskRecord
    since: float

    def text(self, now: float) -> str:
        """Return what is wrong in words."""
        return self.lint.one.format(time=duration_text(now - self.since))

    def to_json(self, now: float) -> dict[str, JsonValue]:
        """Return the JSON form."""
        return {
            "lint": self.lint.name,
            "task_id": self.record.id,
            "session_id": self.record.session_id,
            "since": self.since,
            "text": self.text(now),
        }


def all_lints(silent_after: float = SILENT_AFTER) -> tuple[Lint, ...]:
    """Return each lint, the most urgent first."""
    return (HeartbeatLate(), CancelIgnored(), RetryStorm(), Silent(silent_after))


def findings(records: Iterable[TaskRecord], lints: Iterable[Lint], now: float) -> Iterator[Finding]:
    """Yield what is wrong with each of `records`."""
    lints = tuple(lints)
    for record in records:
        for lint in lints:
            since = lint.check(record, now)
            if since is not None:
                yield Finding(lint, record, since)
