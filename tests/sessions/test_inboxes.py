"""What is remembered of who reads inboxes: nothing that grows with sessions which are gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hostel.sessions import LocalBackgroundTaskHost, NoticeKind, Progress, TaskSpec
from hostel.sessions._journal import sqlite
from hostel.sessions._tasks import inboxes
from hostel.sessions.journal import SqliteJournal

if TYPE_CHECKING:
    from pathlib import Path

FEW = 20


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for what can be forgotten often enough for a test."""
    monkeypatch.setattr(inboxes, "FORGET_AFTER", FEW)
    monkeypatch.setattr(sqlite, "FORGET_AFTER", FEW)


async def short_session(host: LocalBackgroundTaskHost, session_id: str) -> None:
    """Read and acknowledge what a task tells and leaves, then forget it."""
    await host.register_external(session_id, TaskSpec(id="t"))
    await host.update("t", progress=Progress("half"), notify=True, session_id=session_id)
    await host.complete("t", session_id=session_id)
    inbox = host.inbox(session_id)
    await inbox.ack(*await inbox.drain())
    await host.prune(session_id)


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


@pytest.mark.usefixtures("few")
async def test_a_journal_forgets_who_read_in_sessions_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for number in range(3 * FEW):
            await short_session(host, f"s{number}")

        assert rows(path, "consumers") <= FEW
        assert rows(path, "acks") == rows(path, "notices") == 0


@pytest.mark.usefixtures("few")
async def test_memory_forgets_who_read_in_sessions_that_are_gone() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(3 * FEW):
            await short_session(host, f"s{number}")
            await host.inbox(f"never {number}").drain()

        known = host._host.table.inboxes
        assert len(known._consumers) <= FEW
        assert not known._told
        assert not known._tellers


async def test_acknowledgements_of_what_is_forgotten_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    async with LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=3) as host:
        await host.register_external("s", TaskSpec(id="teller"))
        await host.update("teller", progress=Progress("not read"), notify=True)
        inbox = host.inbox("s")
        for _ in range(FEW):
            record = await host.register_external("s", TaskSpec())
            await host.complete(record.id)
            unread = await inbox.drain()
            await inbox.ack(*(one for one in unread if one.kind is NoticeKind.ENDED))

        assert [notice.kind for notice in await inbox.drain()] == [NoticeKind.TOLD]
        assert rows(path, "acks") <= 3


async def test_what_is_acknowledged_of_a_task_that_moved_stays_so_after_a_restart(tmp_path: Path) -> None:
    path, spec = tmp_path / "j.db", TaskSpec(id="t", resumable=True)
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register_external("s1", spec)
        await host.update("t", progress=Progress("half"), notify=True)
        await host.transfer("t", "s2")
        inbox = host.inbox("s1")
        await inbox.ack(*await inbox.drain())

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert await host.inbox("s1").drain() == []
