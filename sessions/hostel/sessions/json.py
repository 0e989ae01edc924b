"""The JSON forms of records, events and summaries, which are part of the contract (docs/tasks.md)."""

from ._json import event_from_json, event_to_json, record_from_json, record_to_json, summary_to_json

__all__ = ["event_from_json", "event_to_json", "record_from_json", "record_to_json", "summary_to_json"]
