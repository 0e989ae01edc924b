"""Journals: what keeps the events of a host, the one in an SQLite file, and how others read it."""

from ._errors import JournalConflict, JournalCorrupt, JournalError, JournalInUse, JournalTooNew
from ._event_log.gaps import Forgotten, Page
from ._folding import fold, reduce
from ._journal.protocol import Append, Finished, Forget, Journal, Kept, Summaries, TaskQuery
from ._journal.reader import JournalFollower, JournalReader
from ._journal.salvage import Salvaged, salvage_journal
from ._journal.sqlite import SqliteJournal

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
