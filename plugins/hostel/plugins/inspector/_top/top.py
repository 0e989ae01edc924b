"""The command: runtimes are followed as `hostel watch` follows them, and keys become requests to them.

What needs the terminal in its usual state (a form to fill in) is done between two turns of the screen: the
view stays, the followers begin again with a snapshot."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import typer

from hostel.runtime import cards, console

from .._cli.client import Found, RemoteRuntime
from .._cli.control import user
from .._cli.rows import Row, warnings
from .._cli.watch import Watch, name_of
from .._errors import InspectorError, Refused
from .._lints import all_lints
from .._shell.answer import answer_found
from .._shell.following import OutputFollower
from .._shell.printing import Printer
from .keys import Key
from .screen import Screen
from .view import TopView, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REFRESH_SECONDS = 0.5
TAIL_BYTES = 16 * 1024


def show_top(*, session: str | None, kind: str | None) -> None:
    """Show live tasks and obey keys until one quits."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        console.fail(
            "top needs a terminal: `hostel ps` lists tasks, `hostel watch` prints what happens", console.USAGE
        )
    query = {name: value for name, value in (("session_id", session), ("kind", kind)) if value is not None}
    screen, top = Screen(), Top(query)
    while True:
        with screen:
            wish = console.run(partial(top.attend, screen))
            if wish is Wish.OUTPUT:
                console.run(partial(top.show_output, screen))
        if wish is Wish.QUIT:
            return
        if wish is Wish.ANSWER:
            top.answer()


class Top:
    """What is on the screen, and whose tasks they are."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.view = TopView()
        self._query = query
        self._watch: Watch | None = None

    async def attend(self, screen: Screen) -> Wish:
        """Draw the view and obey keys until one asks for something that needs the screen."""
        self._watch = Watch(self._query, lambda _, __: None, warn=self._note)
        wish: Wish | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch.run)
            # until all runtimes have told what they have, the view keeps what it had
            with anyio.move_on_after(REFRESH_SECONDS):
                await self._watch.caught_up.wait()
            group.start_soon(self._refresh, screen)
            async for key in screen.keys():
                wish = self.view.press(key)
                if wish is Wish.CANCEL and (found := self._found()) is not None:
                    group.start_soon(self._cancel, found)
                elif wish not in (None, Wish.CANCEL):
                    break
                self._draw(screen)
            group.cancel_scope.cancel()
        return wish or Wish.QUIT

    async def show_output(self, screen: Screen) -> None:
        """Follow the output of the selected task until a key goes back."""
        found = self._found()
        if found is None:
            return
        screen.clear()
        printer = Printer()

        async def follow() -> None:
            try:
                record = await OutputFollower(found, -TAIL_BYTES, printer.show).run()
                last = f"{record.id} is {record.state}"
            except InspectorError as error:
                last = str(error)
            printer.end()
            console.print_lines([f"-- {last}; q goes back"])

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            async for key in screen.keys():
                if key is Key.QUIT:
                    break
            group.cancel_scope.cancel()

    def answer(self) -> None:
        """Ask for the answer to the selected task's question, the terminal being as usual."""
        found = self._found()
        if found is None:
            return
        try:
            answer_found(found)
            self._note(f"{found.record.id} is answered")
        except KeyboardInterrupt:
            self._note(f"{found.record.id} is not answered")
        except (InspectorError, typer.Exit) as error:
            self._note(error)

    async def _refresh(self, screen: Screen) -> None:
        while True:
            if self._watch is not None:
                self.view.show(self._rows(self._watch))
            self._draw(screen)
            await anyio.sleep(REFRESH_SECONDS)

    def _draw(self, screen: Screen) -> None:
        screen.draw(self.view.lines(time.time(), *screen.size))

    def _rows(self, watch: Watch) -> Iterator[Row]:
        live, now = watch.task_view.live(), time.time()
        lints = all_lints()
        for where, record in live:
            wrong = warnings([record], lints, now)
            yield Row(record, where, warning=next(iter(wrong.values()), ""))

    async def _cancel(self, found: Found) -> None:
        try:
            ask = partial(found.runtime.cancel, found.record, reason=None, cascade=True, actor=user())
            await anyio.to_thread.run_sync(ask)
            self._note(f"{found.record.id} is asked to stop")
        except InspectorError as error:
            self._note(error)

    def _found(self) -> Found | None:
        """Return the selected task and its runtime."""
        row = self.view.selected
        if row is None:
            return None
        for card in cards.running():
            if name_of(card) == row.where:
                return Found(RemoteRuntime(card), row.record)
        self._note(Refused(404, "unknown-task", f"the runtime of {row.record.id} has gone"))
        return None

    def _note(self, said: object) -> None:
        self.view.note = str(said)
