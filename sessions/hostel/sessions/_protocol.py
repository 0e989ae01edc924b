"""What every host of background tasks offers; `LocalBackgroundTaskHost` says what each verb means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple, overload

if TYPE_CHECKING:
    import builtins
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType
    from typing import Self

    from ._entry import CancelHook
    from ._handle import TaskHandle
    from ._log import Subscription
    from ._portal import HostPortal
    from ._records import JsonValue, Progress, SessionSummary, TaskFilter, TaskPage, TaskRecord, TaskSpec

from ._states import TaskState

T = TypeVar("T")
Args = TypeVarTuple("Args")


class BackgroundTaskHost(Protocol):
    """The background tasks of any number of sessions; an async context manager.

    Source: the trait of that name in lash-core. The meaning of each verb is written where it is implemented
    first."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def get(self, task_id: str, *, session_id: str | None = None) -> TaskRecord | None: ...

    async def list(self, filter: TaskFilter | None = None) -> builtins.list[TaskRecord]: ...

    async def page(
        self, filter: TaskFilter | None = None, *, limit: int = 100, after: str | None = None
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

    async def wait(self, task_id: str, *, session_id: str | None = None) -> TaskRecord: ...

    async def wait_all(self, session_id: str) -> builtins.list[TaskRecord]: ...

    async def close_session(
        self, session_id: str, *, successor: str | None = None, grace: float = 5.0
    ) -> builtins.list[TaskRecord]: ...

    async def prune(
        self, session_id: str | None = None, *, keep: int = 0, older_than: float | None = None
    ) -> int: ...
