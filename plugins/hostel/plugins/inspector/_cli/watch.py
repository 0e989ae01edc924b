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
from .stream import Follower, SnapshotPart, StreamItem
from .task_view import TaskView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostel.sessions import TaskRecord

POLL_SECONDS = 1.0


class Watch:
    """The followers of all runtimes and the view of their tasks that they keep."""

    def __init__(
        self,
        query: Mapping[str, str],
        on_item: Callable[[str, StreamItem], None],
        *,
        warn: Callable[[object], None] = console.warn,
    ) -> None:
        self.task_view = TaskView()
        self.caught_up = anyio.Event()
        """Set once every runtime found first that can be reached has sent all its tasks."""
        self._query = query
        self._on_item = on_item
        self._warn = warn
        self._followed: set[cards.Card] = set()
        self._catching_up: set[cards.Card] = set()

    async def run(self) -> None:
        """Follow every runtime for ever; `on_item(runtime, item)` is called with all that is new."""
        async with anyio.create_task_group() as followers:
            while True:
                for card in cards.running():
                    if card not in self._followed:
                        self._followed.add(card)
                        self._catching_up.add(card)
                        followers.start_soon(self._follow, card)
                self._check_caught_up()
                await anyio.sleep(POLL_SECONDS)

    async def _follow(self, card: cards.Card) -> None:
        try:
            on_item, on_lost = partial(self._take, card), partial(self._lose, card)
            await Follower(card, self._query, on_item=on_item, on_lost=on_lost).run()
        except Refused as error:
            self._warn(f"the runtime at {card.url} refuses: {error}")
            return
        finally:
            self._catching_up.discard(card)
            self._check_caught_up()
        self._followed.discard(card)
        self.task_view.forget(name_of(card))

    def _take(self, card: cards.Card, item: StreamItem) -> None:
        if isinstance(item, TaskEvent):
            if self.task_view.apply(name_of(card), item):
                self._on_item(card.url, item)
            return
        self.task_view.apply_part(name_of(card), item.records, complete=item.complete)
        self._on_item(card.url, item)
        if item.complete:
            self._catching_up.discard(card)
            self._check_caught_up()

    def _lose(self, card: cards.Card) -> None:
        if card in self._catching_up:
            self._warn(f"the runtime at {card.url} does not answer")
        self._catching_up.discard(card)
        self._check_caught_up()
        self.task_view.begin(name_of(card))

    def _check_caught_up(self) -> None:
        if not self._catching_up:
            self.caught_up.set()


def name_of(card: cards.Card) -> str:
    """Return what tells a runtime from one that starts again at its address."""
    return f"{card.url} {card.pid}"


def watch_all(task_id: str | None, *, session: str | None, kind: str | None, as_json: bool) -> None:
    """Follow all runtimes until interrupted, or one task until it ends: exit code 1 unless it completed."""
    from .live_view import Lines, Screen

    asked = {"session_id": session, "kind": kind, "include_terminal": "true" if task_id else None}
    query = {name: value for name, value in asked.items() if value is not None}
    view = Lines(as_json=as_json) if as_json or not sys.stdout.isatty() else Screen()
    ends: list[TaskRecord] = []
    over = anyio.Event()

    def on_item(url: str, item: StreamItem) -> None:
        if isinstance(item, SnapshotPart):
            found = [record for record in item.records if record.id == task_id]
        elif task_id is None or item.task_id in (task_id, ""):
            view.show(url, item)
            found = [item.record] if item.record is not None and task_id is not None else []
        else:
            return
        ends.extend(record for record in found if record.is_terminal)
        if ends:
            over.set()

    async def run() -> None:
        watch = Watch(query, on_item)
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            group.start_soon(view.run, watch.task_view)
            await watch.caught_up.wait()
            # every runtime has said what it has: a task that none of them has will not come
            if task_id is None or any(key[2] == task_id for key in watch.task_view.tasks):
                await over.wait()
            group.cancel_scope.cancel()

    console.run(run)
    if not ends:
        console.fail(f"no runtime has a task {task_id!r}")
    if ends[0].state is not TaskState.COMPLETED:
        raise typer.Exit(console.FAILED)
