"""The plugin: what hostel gains by it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hostel.runtime import Mount, NotOffered, TaskKind, Upstream, hookimpl

from . import hookspecs
from ._model.names import KIND, NAME

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from hostel.runtime import Endpoint, Panel, Runtime
    from hostel.sessions import JsonValue

    from ._service import Batches

STORE = "HOSTEL_BATCH_STORE"


class BatchRequests:
    """`Batches` for other plugins, the task kind `batch`, files and batches under `/v1`, `hostel batch`.

    :param store: file or URL of the store; None for what the environment or else the runtime's folder says
    """

    name = NAME
    hookspecs = hookspecs

    def __init__(self, store: str | Path | None = None) -> None:
        self._store = store
        self._batches: Batches | None = None

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind(KIND, self._run, resumable=True, title=_title)]

    @hookimpl
    def register_commands(self, app: typer.Typer) -> None:
        from ._cli.commands import add_commands

        add_commands(app, BatchRequests)

    @hookimpl
    def register_routes(self) -> list[Endpoint | Mount]:
        from ._http_api import BatchesApi
        from ._openai.description import paths
        from ._openai.mount import V1, refuse
        from ._results import results_app

        batches = self._started()
        mounts = [
            Mount("/v1", V1(batches), paths=paths(), refuse=refuse),
            Mount("/batches", results_app(batches)),
        ]
        return [*BatchesApi(batches).endpoints(), *mounts]

    @hookimpl
    def register_panels(self) -> list[Panel]:
        from ._panels import panels

        return panels()

    @hookimpl
    async def on_startup(self, runtime: Runtime) -> None:
        """Offer `Batches`; send requests if there is an upstream; go on with what an earlier run left."""
        from ._service import Batches

        batches = self._batches = Batches(runtime, self._store or os.environ.get(STORE) or None)
        runtime.offer(batches)
        upstream = _upstream_of(runtime)
        if upstream is not None:
            await batches.work(
                upstream.url, api_key=upstream.api_key, default_concurrency=upstream.concurrency
            )
        elif batches.exists():
            await batches.storage()

    @hookimpl
    async def on_shutdown(self) -> None:
        """Give back work in flight and close the store."""
        await self._started().aclose()

    async def _run(self, **params: JsonValue) -> JsonValue:
        from ._task_kind import run_batch

        return await run_batch(self._started(), params)

    def _started(self) -> Batches:
        if self._batches is None:
            raise RuntimeError("the plugin has not started")
        return self._batches


def _title(file: object = None, file_id: object = None, endpoint: object = None, **_: object) -> str:
    input = file.rpartition("/")[2] if isinstance(file, str) else file_id
    return " · ".join(part for part in (endpoint, input) if isinstance(part, str))


def _upstream_of(runtime: Runtime) -> Upstream | None:
    try:
        return runtime.get(Upstream)
    except NotOffered:
        return None
