"""Many callers, one transaction: what waits while a write is under way is written together by the next one.

A lone caller is served at once; under load a run waits a moment for more to gather. There is no task in the
background. Whoever gets the turn writes for all who wait; the others find their
answer ready when their turn comes. A caller cancelled before its item was taken withdraws it; an item that
was taken is written.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

import anyio
from anyio.lowlevel import checkpoint

In = TypeVar("In")
Out = TypeVar("Out")


class _Slot(Generic[In, Out]):
    def __init__(self, item: In) -> None:
        self.item = item
        self.taken = False
        self._answer: Out | None = None
        self._error: Exception | None = RuntimeError("the run that took this item was torn down")

    def fill(self, answer: Out) -> None:
        self._answer, self._error = answer, None

    def fail(self, error: Exception) -> None:
        self._error = error

    def open(self) -> Out:
        if self._error is not None:
            raise self._error
        return cast(Out, self._answer)


class GroupCommit(Generic[In, Out]):
    """Call it with one item; `run` is given what has gathered and answers in the same order.

    :param at_most: items in one run
    :param gather: seconds to wait for more, once several came together
    """

    def __init__(
        self,
        run: Callable[[Sequence[In]], Awaitable[Sequence[Out]]],
        *,
        at_most: int = 500,
        gather: float = 0.005,
    ) -> None:
        self._run, self._at_most, self._gather = run, at_most, gather
        self._several = False
        self._waiting: list[_Slot[In, Out]] = []
        self._turn = anyio.Lock(fast_acquire=True)

    async def __call__(self, item: In) -> Out:
        slot: _Slot[In, Out] = _Slot(item)
        self._waiting.append(slot)
        try:
            async with self._turn:
                # whoever has the turn may find its own item taken already, by the turn before
                while not slot.taken:
                    await (anyio.sleep(self._gather) if self._several else checkpoint())
                    await self._run_for_all()
        finally:
            # cancelled while it waited: nobody is to write it
            if not slot.taken:
                self._waiting.remove(slot)
        return slot.open()

    async def _run_for_all(self) -> None:
        group, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
        self._several = len(group) > 1
        for slot in group:
            slot.taken = True
        answers: Sequence[Out] = ()
        try:
            # one caller must not tear down the write of the others
            with anyio.CancelScope(shield=True):
                answers = await self._run([slot.item for slot in group])
        except Exception as error:  # noqa: BLE001  # it belongs to each caller of the group, who raises it
            for slot in group:
                slot.fail(error)
        else:
            for slot, answer in zip(group, answers, strict=True):
                slot.fill(answer)
