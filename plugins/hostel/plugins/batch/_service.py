"""The batches of a runtime: one store, one daemon, and a task in its session for every unfinished batch.

The daemon and what keeps the tasks up to date are services, not tasks: nobody's session can end them, and
one that dies is noted and starts again.
"""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio

from hostel.sessions import ClosePolicy, SessionsError, TaskFilter

from ._keep_running import keep_running
from ._model.errors import AlreadyWorking
from ._model.names import KIND, NAME
from ._model.records import FileMetadata, Purpose, RequestTemplate
from ._model.streams import closing
from ._open_store import OpenStore
from ._task_sync import TaskSync, task_mark
from .hookspecs import choose_batch_sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from hostel.runtime import Runtime
    from hostel.sessions import TaskContext

    from ._daemon.daemon import Daemon
    from ._daemon.sender import Sender
    from ._model.ids import FileId
    from ._model.records import Batch, BatchInput
    from ._store.store import SqlStorage

DAEMON_GRACE = 3.0
PIECE = 1024 * 1024
DEFAULT_ENDPOINT = "/v1/chat/completions"


class Batches:
    """What `runtime.get(Batches)` gives: submit batches and have them worked on.

    :param location: file or URL of the store; None for `batch.db` in the runtime's folder, or, without one, a
        file that goes with the runtime
    """

    def __init__(self, runtime: Runtime, location: str | Path | None = None) -> None:
        self._runtime, self._location = runtime, location
        self._stack = AsyncExitStack()
        self._opening = anyio.Lock()
        self._store: OpenStore | None = None
        self._task_sync: TaskSync | None = None
        self._daemon: Daemon | None = None
        self._sending, self._sent = anyio.CancelScope(), anyio.Event()
        self._has_work = False
        self._death: str | None = None

    @property
    def works(self) -> bool:
        """Whether requests are sent from here at present."""
        return self._daemon is not None

    @property
    def is_meant_to_work(self) -> bool:
        """Whether requests are sent from here, or will be again after the daemon has died."""
        return self._has_work

    @property
    def trouble(self) -> str | None:
        """Why the last request that came back is to be sent again, or why nothing is sent; None once one was
        answered."""
        return self._death if self._daemon is None else self._daemon.trouble

    async def storage(self) -> SqlStorage:
        """Open the store on first use and show its unfinished batches as tasks from then on."""
        return (await self.open_store()).storage

    async def open_store(self) -> OpenStore:
        """Open the store on first use, for those who wait for what happens in it."""
        return (await self._opened())[0]

    async def _opened(self) -> tuple[OpenStore, TaskSync]:
        async with self._opening:
            if self._store is None or self._task_sync is None:
                from ._store.store import SqlStorage

                storage = await self._stack.enter_async_context(SqlStorage(self._place()))
                self._store = OpenStore(storage, lambda: self._daemon)
                self._task_sync = TaskSync(self._runtime.tasks, self._store)
                self._serve("showing batches as tasks", self._task_sync.run)
                self._serve("following tasks to other sessions", self._task_sync.follow_transfers)
        return self._store, self._task_sync

    def _serve(self, what: str, run: Callable[[], Awaitable[object]]) -> None:
        self._runtime.run_service(keep_running, what, run, self._note)

    def _note(self, what: str, error: Exception) -> None:
        self._runtime.plugins.note(NAME, what, error)

    @property
    def is_open(self) -> bool:
        """Whether the store has been opened."""
        return self._store is not None

    def exists(self) -> bool:
        """Tell whether an earlier run left a store in the runtime's folder."""
        folder = self._runtime.data_dir
        return self._location is not None or (folder is not None and (folder / "batch.db").exists())

    def _place(self) -> str | Path:
        if self._location is not None:
            return self._location
        if self._runtime.data_dir is not None:
            return self._runtime.data_dir / "batch.db"
        return f"{self._stack.enter_context(tempfile.TemporaryDirectory(prefix='hostel-batch-'))}/batch.db"

    async def aclose(self) -> None:
        """Let the daemon finish or give back its work, and close the store."""
        with anyio.CancelScope(shield=True):
            if self._has_work:
                # the daemon needs the store to give back what it holds, so it ends first
                self._sending.cancel()
                with anyio.move_on_after(DAEMON_GRACE + 1):
                    await self._sent.wait()
            async with nullcontext() if self._store is None else self._store.closing():
                await self._stack.aclose()

    async def work(self, upstream: str | None = None, *, api_key: str | None = None, **options: Any) -> None:
        """Start sending requests, until batches close.

        A plugin may send requests in its own way: see the hook `choose_batch_sender`.

        :param upstream: base URL of the endpoint; None if every request names its own
        :param api_key: reference to its key, such as `env:NAME`
        :param options: those of `Daemon`
        :raises AlreadyWorking: if requests are sent from here already
        """
        if self._has_work:
            raise AlreadyWorking
        # set before anything is awaited: a second call must not slip in between
        self._has_work = True
        try:
            make = await self._daemon_maker(upstream, api_key, options)
            self._daemon = make()
        except BaseException:
            self._has_work = False
            raise
        self._runtime.run_service(self._keep_sending, make)

    async def _daemon_maker(
        self, upstream: str | None, api_key: str | None, options: dict[str, Any]
    ) -> Callable[[], Daemon]:
        from ._daemon.daemon import Daemon

        storage = await self.storage()
        chosen = await self._runtime.plugins.first(choose_batch_sender, upstream)
        sender = chosen or await self._http_sender(upstream, api_key)
        return partial(Daemon, storage, sender, **cast("Any", {"grace": DAEMON_GRACE} | options))

    async def _keep_sending(self, make: Callable[[], Daemon]) -> None:
        task_sync = (await self._opened())[1]
        with self._sending:
            # no request of a batch goes out whose task was cancelled by an earlier runtime
            await task_sync.caught_up.wait()
            await keep_running("sending requests", partial(self._send, make), self._note)
        self._sent.set()

    async def _send(self, make: Callable[[], Daemon]) -> None:
        """Run a daemon until batches close, the first one or one after another that died."""
        self._daemon = self._daemon or make()
        try:
            await self._daemon.run()
        except Exception as error:
            self._death = f"the daemon has died ({type(error).__name__}: {error}) and starts again"
            raise
        finally:
            self._daemon = None

    async def _http_sender(self, upstream: str | None, api_key: str | None) -> Sender:
        from ._daemon.sender import HttpSender

        return await self._stack.enter_async_context(HttpSender(upstream, api_key=api_key))

    async def submit(self, input: BatchInput, *, close_policy: ClosePolicy = ClosePolicy.KEEP) -> Batch:
        """Make a batch, and a task for it in its session unless its input is not valid.

        :param close_policy: what becomes of the batch when its session closes
        :raises SessionsError: if the session takes no task; the batch is withdrawn
        """
        _, task_sync = await self._opened()
        return await task_sync.submit(input, close_policy)

    async def adopt(self, batch: Batch) -> None:
        """Show an unfinished batch as a task of its session, as soon as that takes one."""
        _, task_sync = await self._opened()
        await task_sync.adopt([batch])

    async def cancel(self, batch: Batch, reason: str | None = None, *, actor: str | None = None) -> None:
        """Cancel a batch through its task, so that it is on record who asked."""
        tasks = self._runtime.tasks
        of_batch = {task_mark(record): record for record in await tasks.list(TaskFilter(kind=KIND))}
        own = of_batch.get(batch.created_by or "")
        where = (batch.id, None) if own is None else (own.id, own.session_id)
        try:
            await tasks.request_cancel(where[0], reason, actor=actor, session_id=where[1])
        except SessionsError:
            store = await self.open_store()
            await store.cancel(batch.id)

    async def cancel_task(self, task: TaskContext, reason: str) -> None:
        """Ask a task to stop because its batch was."""
        await self._runtime.tasks.request_cancel(
            task.id, reason, actor=NAME, cascade=False, session_id=task.session_id
        )

    async def upload(self, path: Path) -> FileId:
        """Store a file of lines."""
        from ._model.jsonl import upload_items

        storage = await self.storage()
        return await storage.create_file_stream(
            upload_items(FileMetadata(path.name, purpose=Purpose.BATCH), _pieces(path))
        )

    async def endpoint_of(self, file_id: FileId) -> str:
        """Return the path that the first valid line of a file names."""
        storage = await self.storage()
        async with closing(storage.get_file_content_stream(file_id)) as items:
            async for item in items:
                if isinstance(item, RequestTemplate):
                    return item.path
        return DEFAULT_ENDPOINT


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(PIECE):
            yield piece
