"""The plugin: the task kind `process`, and an end for commands that a runtime before has left for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.runtime import Endpoint, Panel, Runtime, TaskKind

    from ._task import ProcessKind


class Processes:
    """Runs commands as tasks of kind `process`."""

    name = "process"

    def __init__(self) -> None:
        self._kind: ProcessKind | None = None

    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        """Add `process`."""
        from hostel.runtime import TaskKind  # every command of the command line imports this module

        from ._task import ProcessKind, title

        self._kind = ProcessKind()
        return [TaskKind("process", self._kind.run, resumable=True, exposed=True, title=title)]

    @hookimpl
    def register_routes(self, runtime: Runtime) -> Iterable[Endpoint]:
        """Answer at `/api/processes`."""
        from ._http_api import ProcessesApi

        return [] if self._kind is None else ProcessesApi(runtime.tasks, self._kind.running).endpoints()

    @hookimpl
    def register_panels(self) -> Iterable[Panel]:
        """Show commands."""
        from ._panels import panels

        return panels()

    @hookimpl
    async def on_startup(self, runtime: Runtime) -> None:
        """End the commands whose tasks ended without them."""
        if runtime.data_dir is None or self._kind is None:
            return
        from ._registry import end_forgotten, forgotten

        self._kind.registry = runtime.data_dir / "process"
        if left := await forgotten(self._kind.registry, runtime.tasks):
            runtime.run_service(end_forgotten, left)
