"""The JSON forms of what travels, which are part of the contract (docs/tasks.md)."""

from ._dialogue.notice import notice_to_json
from ._json import event_from_json, event_to_json, record_from_json, record_to_json, summary_to_json

__all__ = [
    "event_from_json",
    "event_to_json",
    "notice_to_json",
    "record_from_json",
    "record_to_json",
    "summary_to_json",
]
