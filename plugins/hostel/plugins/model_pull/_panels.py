"""What the inspector's page shows of downloads: the queue with its verbs, and the models in the cache."""

from hostel.runtime import Action, Column, Format, Icon, Panel, Scope
from hostel.sessions import JsonValue

from ._events import DownloadStatus

KIND = "model_pull"
FAILED = [DownloadStatus.FAILED.value]
QUEUED = [DownloadStatus.QUEUED.value]
RUNNING = [status.value for status in DownloadStatus if status.value not in (*FAILED, *QUEUED)]

WANTED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "repo_id": {"type": "string", "title": "Model", "description": "org/repo, a URL or a folder"},
        "quantization": {
            "type": "string",
            "title": "Quantization",
            "description": "Such as Q4_K_M; empty for the best that fits",
        },
        "revision": {
            "type": "string",
            "title": "Revision",
            "description": "Branch, tag or commit; empty for the main branch",
        },
        "force": {"type": "boolean", "title": "Hold what is here against its checksums", "default": False},
    },
    "required": ["repo_id"],
}
PLACE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"position": {"type": "integer", "title": "Place", "minimum": 1}},
    "required": ["position"],
}
CLEAR: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "clear_cache": {"type": "boolean", "title": "Drop what was fetched, too", "default": False}
    },
}


def panels() -> list[Panel]:
    """Return the panels of this plugin."""
    return [_downloads(), _models()]


def _downloads() -> Panel:
    named = {"id": "id"}
    return Panel(
        "downloads",
        "Downloads",
        "downloads",
        [
            Column("Model", "id"),
            Column("State", "status", Format.STATE),
            Column("Done", "share", Format.SHARE),
            Column("Fetched", "downloaded", Format.BYTES),
            Column("Size", "total", Format.BYTES),
            Column("Rate", "rate", Format.RATE),
            Column("Left", "eta", Format.DURATION),
            Column("Place", "position", Format.NUMBER),
            Column("Attempts", "attempts", Format.NUMBER),
            Column("Task", "task_id", Format.TASK, "session_id"),
            Column("Why", "error", Format.LINES),
        ],
        [
            Action("Pull a model", "downloads", schema=WANTED, scope=Scope.PANEL),
            Action(
                "Forget failures",
                "downloads/clear",
                scope=Scope.PANEL,
                confirm="Forget all downloads that failed? What was fetched is kept.",
            ),
            Action("Move", "downloads/reorder", named, PLACE, when={"status": QUEUED}),
            Action("Try again", "downloads/retry", named, when={"status": FAILED}),
            Action("Forget", "downloads/cancel", named, CLEAR, when={"status": FAILED}),
            Action(
                "Cancel",
                "downloads/cancel",
                named,
                CLEAR,
                when={"status": [*QUEUED, *RUNNING]},
                danger=True,
                confirm="Cancel this download for everyone who waits for it?",
            ),
        ],
        key="group_id",
        empty="Nothing is being pulled. `hostel pull org/model` starts a download, too.",
        kinds=[KIND],
        icon=Icon.DOWNLOAD,
    )


def _models() -> Panel:
    return Panel(
        "models",
        "Models",
        "models",
        [
            Column("Model", "repo_id"),
            Column("Revision", "revision"),
            Column("Commit", "commit"),
            Column("Size", "size", Format.BYTES),
            Column("Files", "files", Format.NUMBER),
            Column("Written", "modified_at", Format.MOMENT),
            Column("Folder", "path"),
        ],
        empty="There is no model in the cache.",
        kinds=[KIND],
        icon=Icon.DISK,
    )
