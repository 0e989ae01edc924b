"""Hidden tasks of one session: owned by the host, counted, not listed; a barrier waits for them and reports
every failure once.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVarTuple

import anyio

from ._errors import HiddenTasksFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Args = TypeVarTuple("Args")

_inside: ContextVar[HiddenTask | None] = ContextVar("hostel_hidden_task", default=None)


class HiddenTask:
    """One hidden task; its scope exists while it runs."""

    __slots__ = ("label", "scope")

    def __init__(self, label: str) -> None:
        self.label = label
        self.scope = anyio.CancelScope()


class HiddenTasks:
    """The hidden tasks of one session that run, and the failures nobody has collected yet."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._running: set[HiddenTask] = set()
        self._failures: list[tuple[str, Exception]] = []
        self._less: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._running)

    def __bool__(self) -> bool:
        return bool(self._running or self._failures)

    def add(self, label: str) -> HiddenTask:
        """Count a task that is about to run."""
        task = HiddenTask(label)
        self._running.add(task)
        return task

    async def run(
        self, task: HiddenTask, func: Callable[[*Args], Awaitable[object]], args: tuple[*Args]
    ) -> None:
        """Run `func(*args)` as `task`; whatever it raises is kept for the barrier."""
        _inside.set(task)
        try:
            with task.scope:
                await func(*args)
        except Exception as error:  # noqa: BLE001 - the boundary of a task
            self._failures.append((task.label, error))
        except (SystemExit, KeyboardInterrupt) as error:
            self._failures.append((task.label, _as_exception(error)))
        finally:
            self._running.discard(task)
            if self._less is not None:
                self._less.set()

    def cancel(self) -> None:
        """Cancel all that run."""
        for task in self._running:
            task.scope.cancel()

    async def drained(self) -> None:
        """Wait until none runs, also of those started meanwhile; a hidden task that waits does not wait for
        itself.
        """
        own = {_inside.get()}
        while self._running - own:
            self._less = anyio.Event()
            await self._less.wait()

    def raise_failures(self) -> None:
        """Raise what has failed since the last time.

        :raises HiddenTasksFailed: with all of it, if anything has.
        """
        if self._failures:
            failures, self._failures = self._failures, []
            raise HiddenTasksFailed.of(self._session_id, failures)


def _as_exception(error: BaseException) -> Exception:
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
