"""What the inspector's page shows of commands: those that run or wait, and telling one something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime import Action, Column, Format, Icon, Panel

from ._registry import KIND

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

LINE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"line": {"type": "string", "title": "Line"}},
    "required": ["line"],
}
SIGNAL: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "signal": {
            "type": "string",
            "title": "Signal",
            "enum": ["INT", "TERM", "HUP", "USR1", "USR2", "STOP", "CONT", "KILL"],
            "default": "INT",
        }
    },
    "required": ["signal"],
}


def panels() -> list[Panel]:
    """Return the panel of this plugin; cancelling is a verb of the task."""
    named = {"id": "id", "session_id": "session_id"}
    reads: dict[str, list[JsonValue]] = {"takes_input": [True]}
    return [
        Panel(
            "processes",
            "Processes",
            "processes",
            [
                Column("Command", "command"),
                Column("State", "state", Format.STATE),
                Column("Pid", "pid"),
                Column("Folder", "cwd"),
                Column("Started", "started_at", Format.MOMENT),
                Column("Output", "output_bytes", Format.BYTES),
                Column("Task", "id", Format.TASK, "session_id"),
            ],
            [
                Action("Send a line", "processes/send", named, LINE, when=reads),
                Action("End its input", "processes/eof", named, when=reads, confirm="Send it end of file?"),
                Action("Send a signal", "processes/signal", named, SIGNAL, when={"runs": [True]}),
            ],
            key="key",
            empty="No command runs. `hostel run -- make test` starts one.",
            kinds=[KIND],
            icon=Icon.TERMINAL,
        )
    ]
