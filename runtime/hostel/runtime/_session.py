"""One session of a runtime: the host's verbs with the session filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, Unpack, overload

from hostel.sessions import SessionClosing, TaskFilter

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from hostel.sessions import (
        BackgroundTaskHost,
        CancelHook,
        Inbox,
        JsonValue,
        Output,
        Place,
        Subscription,
        TaskHandle,
        TaskRecord,
        TaskSpec,
        TaskState,
        Waited,
    )

    from ._kinds import SpecFields, TaskKind

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Start(Protocol):
    """How a task of a kind is started; see `Runtime.start`."""

    async def __call__(
        self,
        session_id: str,
        kind: str,
        params: Mapping[str, JsonValue] | None = None,
        **spec: Unpack[SpecFields],
    ) -> TaskHandle[object]: ...


class Session:
    """A session as `runtime.session(...)` hands it out. Each verb does what the host's verb of that name
    does. Once its block was left, nothing can be started in it: SessionClosing is raised.
    """

    def __init__(
        self,
        tasks: BackgroundTaskHost,
        session_id: str,
        start: Start,
        kinds: Callable[[], tuple[TaskKind, ...]],
    ) -> None:
        self._tasks, self._start, self._kinds = tasks, start, kinds
        self._left = False
        self.id = session_id

    @property
    def kinds(self) -> tuple[TaskKind, ...]:
        """The task kinds that `start` knows."""
        return self._kinds()

    def leave(self) -> None:
        """Take nothing more; `runtime.session(...)` calls this when its block is left."""
        self._left = True

    @property
    def _takes(self) -> BackgroundTaskHost:
        if self._left:
            raise SessionClosing(self.id)
        return self._tasks

    def __repr__(self) -> str:
        return f"<Session {self.id!r}>"

    async def start(
        self, kind: str, params: Mapping[str, JsonValue] | None = None, **spec: Unpack[SpecFields]
    ) -> TaskHandle[object]:
        """Start a task of a kind that a plugin has registered."""
        if self._left:
            raise SessionClosing(self.id)
        return await self._start(self.id, kind, params, **spec)

    @overload
    async def spawn_managed(
        self, spec: TaskSpec, func: Callable[[*Args], Awaitable[T]], *args: *Args
    ) -> TaskHandle[T]: ...

    @overload
    async def spawn_managed(
        self, spec: TaskSpec, func: Callable[[*Args], T], *args: *Args
    ) -> TaskHandle[T]: ...

    async def spawn_managed(
        self, spec: TaskSpec, func: Callable[[*Args], object], *args: *Args
    ) -> TaskHandle[Any]:
        """Run `func(*args)` as a task of the session."""
        return await self._takes.spawn_managed(self.id, spec, func, *args)

    async def spawn_hidden(
        self, label: str, func: Callable[[*Args], Awaitable[object]], *args: *Args
    ) -> None:
        """Run `func(*args)` for the session without listing it."""
        await self._takes.spawn_hidden(self.id, label, func, *args)

    async def await_hidden(self) -> None:
        """Wait for the session's hidden tasks; raise what failed."""
        await self._tasks.await_hidden(self.id)

    async def register(self, spec: TaskSpec) -> TaskRecord:
        """Keep a record of a task that nobody runs yet."""
        return await self._takes.register(self.id, spec)

    async def register_external(self, spec: TaskSpec, cancel: CancelHook | None = None) -> TaskRecord:
        """Keep the record of a task that somebody else runs."""
        return await self._takes.register_external(self.id, spec, cancel)

    async def get(self, task_id: str) -> TaskRecord | None:
        """Return the record of a task of the session."""
        return await self._tasks.get(task_id, session_id=self.id)

    async def list(self, *, include_terminal: bool = False) -> builtins.list[TaskRecord]:
        """Return the records of the session's live tasks, or of all."""
        return await self._tasks.list(TaskFilter(self.id, include_terminal=include_terminal))

    def subscribe(self, *, after: int | None = None) -> Subscription:
        """Return the events of the session's tasks."""
        return self._tasks.subscribe(TaskFilter(self.id), after=after)

    async def request_cancel(
        self, task_id: str, reason: str | None = None, *, actor: str | None = None
    ) -> TaskRecord:
        """Ask a task of the session to stop."""
        return await self._tasks.request_cancel(task_id, reason, actor=actor, session_id=self.id)

    async def cancel(
        self, task_id: str, reason: str | None = None, *, actor: str | None = None
    ) -> TaskRecord:
        """Cancel a task of the session and wait until it has ended."""
        return await self._tasks.cancel_managed(self.id, task_id, reason, actor=actor)

    async def answer(
        self, task_id: str, value: JsonValue, *, question_id: str | None = None, actor: str | None = None
    ) -> TaskRecord:
        """Answer what a task of the session asks."""
        return await self._tasks.answer(
            task_id, value, question_id=question_id, actor=actor, session_id=self.id
        )

    async def send(self, task_id: str, message: JsonValue) -> None:
        """Put a message into the mailbox of a task of the session."""
        await self._tasks.send(task_id, message, session_id=self.id)

    async def read_output(self, task_id: str, after: int = 0, limit: int = 64 * 1024) -> Output:
        """Return a part of what a task of the session has written."""
        return await self._tasks.read_output(task_id, after, limit, session_id=self.id)

    def follow_output(self, task_id: str, after: int = 0) -> AsyncIterator[Output]:
        """Iterate over what a task of the session writes."""
        return self._tasks.follow_output(task_id, after, session_id=self.id)

    def inbox(self, consumer: str = "agent") -> Inbox:
        """Return the notices of the session for one consumer."""
        return self._tasks.inbox(self.id, consumer)

    async def place(self, task_id: str) -> Place | None:
        """Return where a task of the session waits for its turn, None if it does not."""
        return await self._tasks.place(task_id, session_id=self.id)

    async def mark_terminal(self, task_id: str, state: TaskState, *, summary: str | None = None) -> None:
        """Say that an external task has ended."""
        await self._tasks.mark_terminal(self.id, task_id, state, summary=summary)

    async def transfer(self, task_ids: Iterable[str], to: str) -> builtins.list[TaskRecord]:
        """Hand tasks to another session, all or none."""
        return await self._tasks.transfer_managed(self.id, to, task_ids)

    async def wait(self, task_id: str, *, consumer: str | None = None) -> TaskRecord:
        """Wait until a task of the session has ended."""
        return await self._tasks.wait(task_id, session_id=self.id, consumer=consumer)

    async def wait_any(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> Waited:
        """Wait until one of several tasks of the session has ended."""
        return await self._tasks.wait_any(
            task_ids, timeout=timeout, session_id=self.id, consumer=consumer, or_asking=or_asking
        )

    @overload
    async def wait_all(self) -> builtins.list[TaskRecord]: ...

    @overload
    async def wait_all(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> Waited: ...

    async def wait_all(
        self,
        task_ids: Iterable[str] | None = None,
        *,
        timeout: float | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> builtins.list[TaskRecord] | Waited:
        """Wait until these tasks of the session have ended, or without ids until none of it is live."""
        if task_ids is None:
            return await self._tasks.wait_all(self.id)
        return await self._tasks.wait_all(
            list(task_ids), timeout=timeout, session_id=self.id, consumer=consumer, or_asking=or_asking
        )
