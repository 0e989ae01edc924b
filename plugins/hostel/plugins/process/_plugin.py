"""The plugin: the task kind `process`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.runtime import TaskKind


class Processes:
    """Runs commands as tasks of kind `process`."""

    name = "process"

    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        """Add `process`."""
        from hostel.runtime import TaskKind  # every command imports this module

        from ._task import run_process

        return [TaskKind("process", run_process, resumable=True)]
