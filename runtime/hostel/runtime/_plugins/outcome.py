"""What a call of a plugin came to, in words, and how to tell its KeyboardInterrupt from the user's."""

from __future__ import annotations

from opcode import opmap
from types import FrameType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ON_PURPOSE = opmap["RAISE_VARARGS"]
LONGEST = 300


class Misbehaved(Exception):
    """Code of a plugin raised what it must not, answered with something else than was asked for, or did not
    come back; the text says which.
    """

    @classmethod
    def by(cls, error: BaseException) -> Misbehaved:
        """Return what is said of code that raised `error`, which is its cause."""
        if isinstance(error, cls):
            return error
        fault = cls(describe(error))
        fault.__cause__ = error
        return fault


def describe(error: BaseException) -> str:
    """Say what was raised on one line, whatever its own text does."""
    try:
        text = str(error)
    except BaseException as worse:
        if is_ctrl_c(worse):
            raise
        text = "its text cannot be had"
    name = type(error).__name__
    return one_line(f"{name}: {text}" if text else name)


def one_line(text: str) -> str:
    """Return a text as it may be shown: one line without control characters, at most 300 characters."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text[:2000]).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def is_ctrl_c(error: BaseException) -> bool:
    """Tell whether the user has interrupted, rather than a plugin raised KeyboardInterrupt.

    A signal interrupts between two statements, or raises in its handler, which has been given a frame.
    """
    trace = error.__traceback__
    if not isinstance(error, KeyboardInterrupt) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame
    if frame.f_code.co_code[trace.tb_lasti] != ON_PURPOSE:
        return True
    return any(isinstance(value, FrameType) for value in frame.f_locals.values())


@attrs.frozen
class Outcome(Generic[T]):
    """What a call came to."""

    value: T | None = None
    error: BaseException | None = None

    @classmethod
    def of(cls, func: Callable[[], T]) -> Outcome[T]:
        """Call `func()` and keep what it raises.

        :raises KeyboardInterrupt: if it is the user's.
        """
        try:
            return cls(func())
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            return cls(error=error)

    def result(self, passing: tuple[type[Exception], ...] = ()) -> T:
        """Return what the call returned, or raise those in `passing` if it raised one of them.

        :raises Misbehaved: if it raised anything else.
        """
        if self.error is None:
            return cast("T", self.value)
        if isinstance(self.error, passing):
            raise self.error
        raise Misbehaved.by(self.error)
