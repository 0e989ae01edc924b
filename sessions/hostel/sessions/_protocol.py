"""What every host of background tasks offers, and what its verbs hand out; `LocalBackgroundTaskHost` says
what each verb means. Anybody can implement these: nothing here is of our own host."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar, TypeVarTuple, overload

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
    from types import TracebackType
    from typing import Self

    from ._admission.limits import Place
    from ._dialogue.notice import Notice
    from ._events import TaskEvent
    from ._output.value import Output
    from ._records import (
        JsonValue,
        Progress,
        Question,
        SessionSummary,
        TaskFilter,
        TaskPage,
        TaskRecord,
        TaskSpec,
        Waited,
    )
    from ._tasks.cancel_hooks import CancelHook

from .states import TaskState

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Args = TypeVarTuple("Args")


class TaskHandle(Protocol[T_co]):
    """A managed task in the hands of its starter. Dropping it changes nothing for the task."""

    @property
    def id(self) -> str:
        """The task's id."""
        ...

    @property
    def session_id(self) -> str:
        """The session the task belongs to now."""
        ...

    @property
    def record(self) -> TaskRecord:
        """The task's record at this moment."""
        ...

    async def wait(self) -> T_co:
        """Wait for the end and return what the body returned; whoever is cancelled meanwhile leaves the task
        alone.

        :raises TaskFailed: if it failed or was abandoned; what it raised is the cause.
        :raises TaskCancelled: if it was cancelled.
        """
        ...

    async def cancel(self, reason: str | None = None, *, actor: str | None = None) -> TaskRecord:
        """Ask the task to stop, by its policy, and return its record without waiting for the end."""
        ...


class Subscription(Protocol):
    """A cursor in a host's events: an async iterator and an async context manager, for one task at a time."""

    @property
    def cursor(self) -> int:
        """The number of the last event seen; pass it as `after` to go on from here."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> TaskEvent: ...

    async def read(self, limit: int = 100) -> list[TaskEvent]:
        """Wait for the next event; return it and those that are there already, at most `limit`, or [] at the
        end.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def aclose(self) -> None:
        """End the subscription; whoever waits in it stops waiting."""
        ...


class Inbox(Protocol):
    """The notices of one session for one consumer. An async iterator gives each once and then waits for the
    next, until the host closes."""

    async def drain(self, limit: int = 100) -> list[Notice]:
        """Return what is not acknowledged, the oldest first, at most `limit`, without waiting for more."""
        ...

    async def ack(self, *notices: Notice) -> None:
        """Acknowledge notices: this consumer is not given them again, not even after a restart."""
        ...

    async def ack_record(self, record: TaskRecord) -> None:
        """Acknowledge what the record of a task shows: its end, or what it asks."""
        ...

    async def ack_ids(self, ids: Iterable[str]) -> None:
        """Acknowledge notices by their ids; what is none is left out."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Notice: ...


class HostPortal(Protocol):
    """Calls coroutine functions on the host's loop from any other thread and returns what they return."""

    def call(
        self, func: Callable[P, Coroutine[object, object, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `func(*args, **kwargs)` on the host's loop and wait for it here.

        :raises RuntimeError: in the thread of the host's loop, which would wait for itself.
        """
        ...


class BackgroundTaskHost(Protocol):
    """The background tasks of any number of sessions; an async context manager.

    Source: the trait of that name in lash-core. The meaning of each verb is written where it is implemented
    first."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def get(self, task_id: str, *, session_id: str | None = None) -> TaskRecord | None: ...

    async def place(self, task_id: str, *, session_id: str | None = None) -> Place | None: ...

    async def list(self, filter: TaskFilter | None = None) -> builtins.list[TaskRecord]: ...

    async def page(
        self, filter: TaskFilter | None = None, *, limit: int = 100, after: str | None = None
    ) -> TaskPage: ...

    async def ended(
        self, filter: TaskFilter | None = None, *, limit: int = 100, before: str | None = None
    ) -> TaskPage: ...

    async def get_managed(self, session_id: str, task_id: str) -> TaskRecord | None: ...

    async def list_managed(self, session_id: str) -> builtins.list[TaskRecord]: ...

    async def sessions(self) -> builtins.list[SessionSummary]: ...

    def subscribe(self, filter: TaskFilter | None = None, *, after: int | None = None) -> Subscription: ...

    def portal(self) -> HostPortal: ...

    async def register(self, session_id: str, spec: TaskSpec) -> TaskRecord: ...

    async def register_external(
        self, session_id: str, spec: TaskSpec, cancel: CancelHook | None = None
    ) -> TaskRecord: ...

    @overload
    async def spawn_managed(
        self, session_id: str, spec: TaskSpec, func: Callable[[*Args], Awaitable[T]], *args: *Args
    ) -> TaskHandle[T]: ...

    @overload
    async def spawn_managed(
        self, session_id: str, spec: TaskSpec, func: Callable[[*Args], T], *args: *Args
    ) -> TaskHandle[T]: ...

    async def spawn_hidden(
        self, session_id: str, label: str, func: Callable[[*Args], Awaitable[object]], *args: *Args
    ) -> None: ...

    async def await_hidden(self, session_id: str) -> None: ...

    async def update(
        self,
        task_id: str,
        *,
        state: TaskState | None = None,
        progress: Progress | None = None,
        question: Question | None = None,
        notify: bool = False,
        session_id: str | None = None,
    ) -> TaskRecord: ...

    async def complete(
        self,
        task_id: str,
        state: TaskState = TaskState.COMPLETED,
        *,
        summary: str | None = None,
        value: JsonValue = None,
        session_id: str | None = None,
    ) -> TaskRecord: ...

    async def mark_terminal(
        self, session_id: str, task_id: str, state: TaskState, *, summary: str | None = None
    ) -> None: ...

    async def mark_live_state(self, session_id: str, task_id: str, state: TaskState) -> None: ...

    async def request_cancel(
        self,
        task_id: str,
        reason: str | None = None,
        *,
        actor: str | None = None,
        cascade: bool = True,
        session_id: str | None = None,
    ) -> TaskRecord: ...

    async def cancel_managed(
        self,
        session_id: str,
        task_id: str,
        reason: str | None = None,
        *,
        grace: float = 5.0,
        actor: str | None = None,
    ) -> TaskRecord: ...

    async def cancel_all_managed(
        self, session_id: str, reason: str | None = None, *, grace: float = 5.0, actor: str | None = None
    ) -> builtins.list[TaskRecord]: ...

    async def heartbeat(self, session_id: str, task_id: str) -> None: ...

    async def unregister_external(self, session_id: str, task_id: str) -> None: ...

    async def transfer(
        self, task_id: str, new_session_id: str, *, session_id: str | None = None
    ) -> TaskRecord: ...

    async def transfer_managed(
        self, from_session_id: str, to_session_id: str, task_ids: Iterable[str]
    ) -> builtins.list[TaskRecord]: ...

    async def write_output(
        self, task_id: str, text: str, stream: str = "stdout", *, session_id: str | None = None
    ) -> None: ...

    async def read_output(
        self, task_id: str, after: int = 0, limit: int = 64 * 1024, *, session_id: str | None = None
    ) -> Output: ...

    def follow_output(
        self, task_id: str, after: int = 0, *, session_id: str | None = None
    ) -> AsyncIterator[Output]: ...

    async def answer(
        self,
        task_id: str,
        value: JsonValue,
        *,
        question_id: str | None = None,
        actor: str | None = None,
        session_id: str | None = None,
    ) -> TaskRecord: ...

    async def send(self, task_id: str, message: JsonValue, *, session_id: str | None = None) -> None: ...

    def inbox(self, session_id: str, consumer: str = "agent") -> Inbox: ...

    async def wait(
        self, task_id: str, *, session_id: str | None = None, consumer: str | None = None
    ) -> TaskRecord: ...

    async def wait_any(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        session_id: str | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> Waited: ...

    @overload
    async def wait_all(self, task_ids: str) -> builtins.list[TaskRecord]: ...  # type: ignore[overload-overlap]

    @overload
    async def wait_all(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        session_id: str | None = None,
        consumer: str | None = None,
        or_asking: bool = False,
    ) -> Waited: ...

    async def close_session(
        self, session_id: str, *, successor: str | None = None, grace: float = 5.0
    ) -> builtins.list[TaskRecord]: ...

    async def prune(
        self, session_id: str | None = None, *, keep: int = 0, older_than: float | None = None
    ) -> int: ...
