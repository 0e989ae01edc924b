"""The plugin: what hostel gains by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hostel.plugins.model_pull._once import builtin_sources
from hostel.runtime import TaskKind, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from hostel.plugins.model_pull._choice import QuantOption
    from hostel.plugins.model_pull._manager import DownloadManager
    from hostel.plugins.model_pull._source import ModelSource
    from hostel.runtime import Endpoint, Runtime

NAME = "model_pull"


class ModelPull:
    """Pulls models: a `DownloadManager` for other plugins, the task kind `model_pull`, and two commands."""

    name = NAME

    def __init__(self) -> None:
        self._manager: DownloadManager | None = None
        self._started, self._stop, self._stopped = anyio.Event(), anyio.Event(), anyio.Event()

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind(NAME, self._pull, resumable=True)]

    @hookimpl
    def register_model_sources(self) -> list[ModelSource]:
        return builtin_sources()

    @hookimpl
    def register_commands(self, app: typer.Typer) -> None:
        from hostel.plugins.model_pull._commands import add_commands

        add_commands(app)

    @hookimpl
    def register_routes(self) -> list[Endpoint]:
        from hostel.plugins.model_pull._endpoints import DownloadsApi

        return DownloadsApi(self._started_manager).endpoints()

    @hookimpl
    async def on_startup(self, runtime: Runtime) -> None:
        runtime.run_service(NAME, self._serve, runtime)
        await self._started.wait()
        if self._manager is not None:
            runtime.offer(self._manager)

    @hookimpl
    async def on_shutdown(self) -> None:
        if self._manager is not None:
            self._manager.leave_to_host()
        self._stop.set()
        await self._stopped.wait()

    async def _serve(self, runtime: Runtime) -> None:
        from hostel.plugins.model_pull._manager import DownloadManager

        async def advise(model: str, options: Sequence[QuantOption]) -> str | None:
            answer = runtime.plugins.first("choose_quantization", repo_id=model, options=list(options))
            return str(answer[1]) if answer else None

        offered = runtime.plugins.collect("register_model_sources")
        sources = [source for _, answer in offered for source in answer]  # type: ignore[attr-defined]
        try:
            async with DownloadManager(
                runtime.tasks, data_dir=runtime.data_dir, sources=sources, advise=advise
            ) as manager:
                self._manager = manager
                self._started.set()
                async with anyio.create_task_group() as telling:
                    telling.start_soon(self._tell, manager, runtime)
                    await self._stop.wait()
                    telling.cancel_scope.cancel()
        finally:
            self._started.set()
            self._stopped.set()

    async def _tell(self, manager: DownloadManager, runtime: Runtime) -> None:
        async for event in manager.subscribe():
            await runtime.plugins.notify("on_download_event", event=event)

    async def _pull(self, **params: object) -> str:
        from hostel.plugins.model_pull._request import DownloadRequest

        return str(await self._started_manager().attend(DownloadRequest.from_params(params)))

    def _started_manager(self) -> DownloadManager:
        if self._manager is None:
            raise LookupError("the downloads have not started")
        return self._manager
