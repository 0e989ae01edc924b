"""`hostel watch`: what happens in every runtime of this user, as it happens.

Each second the cards are read: a new runtime gets a follower, one that is gone loses its own. So a runtime
that starts again is followed again, wherever it listens and whatever its token is then."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
import typer

from hostel.runtime import cards, console
from hostel.sessions import TaskEvent, TaskState

from .._errors import Refused
from .stream import Follower, News, SnapshotPart
from .task_view import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostel.sessions import TaskRecord

LOOK_SECONDS = 1.0


class Watch:
    """The followers of all runtimes and the board they keep."""

    def __init__(self, query: Mapping[str, str], told: Callable[[str, News], None]) -> None:
        self.board = Board()
        self.greeted = anyio.Event()
        """Set once the runtimes found first have told all their tasks, those that can be reached."""
        self._query = query
        self._told = told
        self._followed: set[cards.Card] = set()
        self._greeting: set[cards.Card] = set()

    async def run(self) -> None:
        """Follow every runtime for ever; `told(runtime, news)` is called with all that is new."""
        async with anyio.create_task_group() as followers:
            while True:
                for card in cards.running():
                    if card not in self._followed:
                        self._followed.add(card)
                        self._greeting.add(card)
                        followers.start_soon(self._follow, card)
                self._check_greeted()
                await anyio.sleep(LOOK_SECONDS)

    async def _follow(self, card: cards.Card) -> None:
        try:
            told, lost = partial(self._take, card), partial(self._lose, card)
            await Follower(card, self._query, told=told, lost=lost).run()
        except Refused as error:
            console.warn(f"the runtime at {card.url} refuses: {error}")
            return
        finally:
            self._greeting.discard(card)
            self._check_greeted()
        self._followed.discard(card)
        self.board.forget(_name(card))

    def _take(self, card: cards.Card, news: News) -> None:
        if isinstance(news, TaskEvent):
            if self.board.apply(_name(card), news):
                self._told(card.url, news)
            return
        self.board.apply_part(_name(card), news.records, complete=news.complete)
        self._told(card.url, news)
        if news.complete:
            self._greeting.discard(card)
            self._check_greeted()

    def _lose(self, card: cards.Card) -> None:
        if card in self._greeting:
            console.warn(f"the runtime at {card.url} does not answer")
        self._greeting.discard(card)
        self._check_greeted()
        self.board.begin(_name(card))

    def _check_greeted(self) -> None:
        if not self._greeting:
            self.greeted.set()


def _name(card: cards.Card) -> str:
    return f"{card.url} {card.pid}"  # one that starts again may have the same address


def watch_all(task_id: str | None, *, session: str | None, kind: str | None, as_json: bool) -> None:
    """Follow all runtimes until interrupted, or one task until it ends: exit code 1 unless it completed."""
    from .live_view import Lines, Screen

    asked = {"session_id": session, "kind": kind, "include_terminal": "true" if task_id else None}
    query = {name: value for name, value in asked.items() if value is not None}
    view = Lines(as_json=as_json) if as_json or not sys.stdout.isatty() else Screen()
    ends: list[TaskRecord] = []
    over = anyio.Event()

    def told(url: str, news: News) -> None:
        if isinstance(news, SnapshotPart):
            found = [record for record in news.records if record.id == task_id]
        elif task_id is None or news.task_id in (task_id, ""):
            view.tell(url, news)
            found = [news.record] if news.record is not None and task_id is not None else []
        else:
            return
        ends.extend(record for record in found if record.is_terminal)
        if ends:
            over.set()

    async def run() -> None:
        watch = Watch(query, told)
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            group.start_soon(view.run, watch.board)
            await watch.greeted.wait()
            if task_id is None or any(key[2] == task_id for key in watch.board.tasks):
                await over.wait()
            group.cancel_scope.cancel()

    console.run(run)
    if not ends:
        console.fail(f"no runtime has a task {task_id!r}")
    if ends[0].state is not TaskState.COMPLETED:
        raise typer.Exit(console.FAILED)
