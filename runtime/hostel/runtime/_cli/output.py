"""What a command prints to, so that a pipe nobody reads and a disk that is full end it quietly.

Both show as errors of a write, and a write happens anywhere: in a table that is drawn, in a task of a group,
when Python flushes at its end. So the streams themselves turn such an error into `Unwritable`, which nothing
on the way takes for an error of its own, and write nothing from then on. A character that the encoding lacks
is replaced, never an error."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

BROKEN_PIPE = 141
"""What a shell says of a program that SIGPIPE has ended, as it ends others."""
FAILED = 1
RAISING = ("strict", "surrogateescape")
"""How errors of encoding are handled by default, the latter in the locale C."""


class Unwritable(Exception):
    """What is printed cannot be written any more."""

    def __init__(self, number: int | None) -> None:
        super().__init__(f"the output cannot be written: {os.strerror(number or errno.EIO)}")
        self.number = number

    @property
    def code(self) -> int:
        """The exit code of the command."""
        return BROKEN_PIPE if self.number == errno.EPIPE else FAILED


class _Sink(io.FileIO):
    lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self.lost:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            raise Unwritable(error.errno) from None


@contextmanager
def guarded_output() -> Iterator[None]:
    """Let standard output and error be such streams, and end the command when one is lost."""
    sys.stdout = _stream(sys.stdout, sys.__stdout__, 1)
    sys.stderr = _stream(sys.stderr, sys.__stderr__, 2)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except (Unwritable, BaseExceptionGroup) as error:
        lost = _found(error)
        if lost is None:
            raise
        _end(lost)


def _stream(stream: TextIO | None, original: TextIO | None, fd: int) -> TextIO:
    if stream is None:  # it was closed before we began
        return Path(os.devnull).open("w")
    if stream is not original or not isinstance(stream, io.TextIOWrapper):
        return stream  # somebody else looks after it
    stream.flush()
    if stream.errors not in RAISING:
        errors = stream.errors
    else:
        # what is piped may be read again; on a screen each character keeps its width
        errors = "replace" if stream.isatty() else "backslashreplace"
    return io.TextIOWrapper(
        io.BufferedWriter(_Sink(fd, "wb", closefd=False)),
        encoding=stream.encoding,
        errors=errors,
        line_buffering=stream.line_buffering,
    )


def _found(error: BaseException) -> Unwritable | None:
    if isinstance(error, Unwritable):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((lost for one in inner if (lost := _found(one)) is not None), None)


def _end(lost: Unwritable) -> None:
    if lost.code != BROKEN_PIPE:
        sys.stderr.write(f"hostel: {lost}\n")
        sys.stderr.flush()
    raise SystemExit(lost.code) from None
