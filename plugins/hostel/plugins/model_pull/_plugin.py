"""The plugin: what hostel gains by it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from hostel.runtime import TaskKind, hookimpl

from . import hookspecs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import typer

    from hostel.runtime import Endpoint, Listener, Panel, PluginRegistry, Runtime

    from ._events import DownloadEvent
    from ._manager import DownloadManager
    from ._queue.event_bus import Subscription
    from ._select.quantization import QuantOption
    from ._sources.base import ModelSource
    from ._sources.reference import Reference
    from ._sources.remote_file import RemoteFile

NAME = "model_pull"


class ModelPull:
    """Pulls models: a `DownloadManager` for other plugins, the task kind `model_pull`, and two commands."""

    name = NAME
    hookspecs = hookspecs

    def __init__(self) -> None:
        self._manager: DownloadManager | None = None

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind(NAME, self._pull, resumable=True, exposed=True, title=_title)]

    @hookimpl
    def register_commands(self, app: typer.Typer) -> None:
        from ._cli.commands import add_commands

        add_commands(app)

    @hookimpl
    def register_routes(self, runtime: Runtime) -> list[Endpoint]:
        from ._http_api import DownloadsApi

        return DownloadsApi(self._started_manager, runtime.tasks).endpoints()

    @hookimpl
    def register_panels(self) -> list[Panel]:
        from ._panels import panels

        return panels()

    @hookimpl
    async def on_startup(self, runtime: Runtime) -> None:
        import anyio

        self._started, self._stop, self._stopped = anyio.Event(), anyio.Event(), anyio.Event()
        theirs: list[ModelSource] = [
            _Theirs(runtime.plugins, name, source)
            for name, source in runtime.plugins.collect(hookspecs.register_model_sources)
        ]
        runtime.run_service(self._serve, runtime, theirs)
        await self._started.wait()
        if self._manager is not None:
            runtime.offer(self._manager)

    @hookimpl
    async def on_shutdown(self) -> None:
        if self._manager is not None:
            self._manager.leave_to_host()
        self._stop.set()
        await self._stopped.wait()

    async def _serve(self, runtime: Runtime, theirs: list[ModelSource]) -> None:
        import anyio

        from ._manager import DownloadManager
        from ._once import builtin_sources

        async def advise(model: str, options: Sequence[QuantOption]) -> str | None:
            return await runtime.plugins.first(hookspecs.choose_quantization, model, list(options))

        try:
            async with DownloadManager(
                runtime.tasks,
                data_dir=runtime.data_dir,
                sources=[*theirs, *builtin_sources()],
                advise=advise,
            ) as manager:
                self._manager = manager
                self._started.set()
                async with anyio.create_task_group() as telling:
                    for listener in runtime.plugins.listeners(hookspecs.on_download_event):
                        telling.start_soon(_tell, listener, manager.subscribe())
                    await self._stop.wait()
                    telling.cancel_scope.cancel()
        finally:
            self._started.set()
            self._stopped.set()

    async def _pull(
        self, repo_id: str, quantization: str | None = None, revision: str | None = None, **more: object
    ) -> str:
        """Pull a model, `org/repo`, a URL or a folder, and return where it lies."""
        from ._queue.download_request import DownloadRequest

        params = {"repo_id": repo_id, "quantization": quantization, "revision": revision, **more}
        return str(await self._started_manager().attend(DownloadRequest.from_params(params)))

    def _started_manager(self) -> DownloadManager:
        if self._manager is None:
            raise LookupError("the downloads have not started")
        return self._manager


def _title(repo_id: str, quantization: str | None = None, **_: object) -> str:
    from ._sources.secrets import without_secret

    return without_secret(repo_id) + (f":{quantization}" if quantization else "")


@attrs.frozen
class _Theirs:
    """A source that a plugin has brought; what it does wrong is noted against that plugin and fails the pull
    alone.
    """

    _plugins: PluginRegistry
    _name: str
    _source: ModelSource

    @property
    def schemes(self) -> Collection[str]:
        return self._source.schemes

    async def resolve(self, reference: Reference) -> Sequence[RemoteFile]:
        from ._errors import PullError

        ask = partial(_files_of, self._source, reference)
        return await self._plugins.call(self._name, f"resolving {reference}", ask, passing=(PullError,))


async def _files_of(source: ModelSource, reference: Reference) -> Sequence[RemoteFile]:
    from ._sources.remote_file import RemoteFile

    files = await source.resolve(reference)
    if not isinstance(files, list | tuple) or not all(isinstance(file, RemoteFile) for file in files):
        raise TypeError("a model source must answer with a list of RemoteFile")
    return files


async def _tell(listener: Listener[[DownloadEvent]], events: Subscription) -> None:
    async for event in events:
        await listener.tell(event)
