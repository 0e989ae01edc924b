"""How the end of a body becomes the end of its task: the table of verdicts."""

import functools
from collections.abc import AsyncIterator

import pytest

from hostel.sessions import FailureKind, TaskOutcome, TaskState
from hostel.sessions._host.body import (
    STOPPED,
    BodyExit,
    Raised,
    Returned,
    TimedOut,
    end_of,
    failure_of,
)
from hostel.sessions._loop.calling import runs_in_thread

DONE, FAILED, CANCELLED = TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED


@pytest.mark.parametrize(
    ("body_exit", "unseen", "seen"),
    [
        (Returned(None), DONE, CANCELLED),
        (Returned(0), DONE, DONE),
        (Returned(False), DONE, DONE),
        (Returned("text"), DONE, DONE),
        (Returned(print), DONE, DONE),
        (Raised(ValueError()), FAILED, FAILED),
        (Raised(SystemExit()), FAILED, FAILED),
        (STOPPED, CANCELLED, CANCELLED),
        (TimedOut(3.0), FAILED, FAILED),
    ],
    ids=str,
)
def test_the_verdict_follows_from_the_ending_and_from_what_the_body_saw(
    body_exit: BodyExit, unseen: TaskState, seen: TaskState
) -> None:
    assert end_of(body_exit, saw_request=False).state is unseen
    assert end_of(body_exit, saw_request=True).state is seen


def test_a_verdict_carries_its_outcome_or_its_failure() -> None:
    assert end_of(Returned([1]), saw_request=False).result == TaskOutcome(value=[1])
    assert end_of(Returned(None), saw_request=False).result is None
    late = end_of(TimedOut(2.5), saw_request=False).failure
    assert late is not None
    assert (late.kind, late.message) == (FailureKind.TIMEOUT, "not done after 2.5 s")


def test_a_failure_keeps_the_frames_of_its_error() -> None:
    def raise_deep() -> None:
        raise ValueError("deep")

    try:
        raise_deep()
    except ValueError as error:
        failure = failure_of(error)

    assert failure.message == "ValueError: deep"
    assert "in raise_deep" in (failure.traceback or "")


def test_a_message_of_many_lines_is_kept_whole() -> None:
    assert failure_of(ValueError("one\n  two\nthree")).message == "ValueError: one\n  two\nthree"


def test_an_error_in_a_local_class_is_named() -> None:
    class Odd(Exception):
        pass

    assert failure_of(Odd()).message.endswith("Odd")


async def a_coroutine() -> None: ...


async def an_async_generator() -> AsyncIterator[None]:
    yield


class Callable:
    async def __call__(self) -> None: ...

    async def method(self) -> None: ...


@pytest.mark.parametrize(
    "body",
    [
        a_coroutine,
        Callable(),
        Callable().method,
        functools.partial(a_coroutine),
        an_async_generator,
        functools.partial(an_async_generator),
    ],
    ids=["function", "object", "method", "partial", "generator", "partial generator"],
)
def test_what_is_async_stays_on_the_loop(body: Callable) -> None:
    assert not runs_in_thread(body)


@pytest.mark.parametrize(
    "body",
    [print, len, lambda: None, int, functools.partial(print)],
    ids=["print", "len", "lambda", "int", "partial"],
)
def test_everything_else_goes_to_a_thread(body: Callable) -> None:
    assert runs_in_thread(body)
