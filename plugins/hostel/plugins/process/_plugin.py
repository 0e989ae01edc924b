"""The plugin: the task kind `process`, and an end for commands that a runtime before has left for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.runtime import Runtime, TaskKind

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
    async def on_startup(self, runtime: Runtime) -> None:
        """End the commands whose tasks ended without them."""
        if runtime.data_dir is None or self._kind is None:
            return
        from ._registry import end_forgotten, forgotten

        self._kind.registry = runtime.data_dir / "process"
        if left := await forgotten(self._kind.registry, runtime.tasks):
            runtime.run_service(end_forgotten, left)
