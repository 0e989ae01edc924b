"""A journal in a file, open, and a history to keep in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostel.sessions.journal import SqliteJournal

from .histories import History


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path)
    await journal.open()
    yield journal
    await journal.aclose()
