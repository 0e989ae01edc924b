"""What the inspector's page shows of batches: all of them, and the lines of one that failed."""

from __future__ import annotations

from hostel.runtime import Action, Column, Format, Icon, Panel, Save, Scope

from ._model.names import KIND

BATCHES = "batches"


def panels() -> list[Panel]:
    """Return the panels of this plugin."""
    return [_batches(), _lines()]


def _batches() -> Panel:
    named = {"id": "id"}
    return Panel(
        BATCHES,
        "Batches",
        "batches",
        [
            Column("Batch", "id"),
            Column("State", "status", Format.STATE),
            Column("Done", "share", Format.SHARE),
            Column("Lines", "total", Format.NUMBER),
            Column("Answered", "completed", Format.NUMBER),
            Column("Failed", "failed", Format.NUMBER),
            Column("Model", "model"),
            Column("Created", "created_at", Format.MOMENT),
            Column("Task", "task_id", Format.TASK, "session_id"),
            Column("Problems", "problems", Format.LINES),
        ],
        [
            Action(
                "Cancel",
                "batches/cancel",
                named,
                when={"status": ["in_progress", "finalizing"]},
                danger=True,
                confirm="Cancel this batch? What is answered already stays.",
            ),
            Action("Send failed lines again", "batches/retry", named, when={"has_failures": [True]}),
            Save("Results", "/batches/{id}/results", "{id}.jsonl", when={"has_results": [True]}),
            Save("Errors", "/batches/{id}/errors", "{id}-errors.jsonl", when={"has_failures": [True]}),
        ],
        empty="There are no batches. `hostel batch submit FILE` makes one.",
        kinds=[KIND],
        icon=Icon.STACK,
    )


def _lines() -> Panel:
    return Panel(
        "lines",
        "Failed lines",
        "batches/lines",
        [
            Column("Line", "line", Format.NUMBER),
            Column("Custom id", "custom_id"),
            Column("Model", "model"),
            Column("State", "status", Format.STATE),
            Column("Error", "error", Format.LINES),
            Column("Request", "asked", Format.LINES),
        ],
        [
            Action("Send all again", "batches/retry", {"id": "batch_id"}, scope=Scope.PANEL),
            Action("Send again", "batches/retry-line", {"id": "id"}, when={"status": ["failed"]}),
            Save("Errors", "/batches/{batch_id}/errors", "{batch_id}-errors.jsonl", Scope.PANEL),
        ],
        empty="No line has failed.",
        kinds=[KIND],
        within=BATCHES,
        params={"batch_id": "id"},
    )
