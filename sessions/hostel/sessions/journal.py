"""Journals: what keeps the events of a host, the one in an SQLite file, and how others read it."""

from ._errors import JournalConflict, JournalCorrupt, JournalError, JournalInUse, JournalTooNew
from ._journal import Append, Finished, Forget, Journal, Kept, Summaries, TaskQuery
from ._reducer import fold, reduce
from ._replay import Forgotten, Page
from ._sqlite import SqliteJournal
from ._sqlite_reader import JournalFollower, JournalReader
from ._sqlite_salvage import Salvaged, salvage_journal

__all__ = [
    "JournalFollower",
    "JournalReader",
    "Salvaged",
    "SqliteJournal",
    "salvage_journal",
    # what a journal of one's own needs
    "Append",
    "Finished",
    "Forget",
    "Forgotten",
    "Journal",
    "Kept",
    "Page",
    "Summaries",
    "TaskQuery",
    "fold",
    "reduce",
    # errors
    "JournalConflict",
    "JournalCorrupt",
    "JournalError",
    "JournalInUse",
    "JournalTooNew",
]
