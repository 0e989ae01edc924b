"""Commands as tasks: the kind `process`, whose output can be read, whose stdin can be written to, and which
goes on when its host dies.

`await session.start("process", {"argv": ["make", "test"]})` runs a command; docs/processes.md has the rest.

_plugin  the plugin
_panels  what the inspector's page shows of them
_http_api what is answered over HTTP
_task    the body of its task
_running what tasks attend to now, as it is shown
_registry what goes on without its host
_kept    a command, as its host sees it
_launch  starting a keeper, finding one, and what is left of one
_link    the connection to a keeper
_command what to run, checked
_errors  what can go wrong
_keeper/ the program that a command runs under
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from ._command import Command, OnHostLoss, check
    from ._errors import (
        FolderNotFound,
        InvalidCommand,
        ProcessError,
        ProcessFailed,
        ProcessLost,
        ProcessRefused,
        ProcessTimedOut,
        ProgramNotFound,
    )
    from ._plugin import Processes

__getattr__ = lazily(
    __name__,
    {
        "_command": ("Command", "OnHostLoss", "check"),
        "_errors": (
            "FolderNotFound",
            "InvalidCommand",
            "ProcessError",
            "ProcessFailed",
            "ProcessLost",
            "ProcessRefused",
            "ProcessTimedOut",
            "ProgramNotFound",
        ),
        "_plugin": ("Processes",),
    },
)

__all__ = [
    "Command",
    "OnHostLoss",
    "Processes",
    "check",
    # errors
    "FolderNotFound",
    "InvalidCommand",
    "ProcessError",
    "ProcessFailed",
    "ProcessLost",
    "ProcessRefused",
    "ProcessTimedOut",
    "ProgramNotFound",
]
