"""Tasks that ask: the question is seen, one answer takes effect, and nobody's time runs meanwhile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import pytest

from hostel.sessions import (
    AsksNothing,
    BackgroundTaskHost,
    CancelPolicy,
    EventType,
    IllegalTransition,
    InvalidQuestion,
    JsonValue,
    Question,
    QuestionWithdrawn,
    StaleQuestion,
    TaskFailed,
    TaskFilter,
    TaskRecord,
    TaskSpec,
    TaskState,
    WrongAnswer,
    current_task,
)

from .steering import take_until

if TYPE_CHECKING:
    from .conftest import HostFactory

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def ask(message: str = "go on?", **how: Any) -> JsonValue:
    return await current_task().ask(message, **how)


async def asking(host: BackgroundTaskHost, task_id: str, but: str = "") -> TaskRecord:
    """Wait until the task asks something other than question `but`."""
    events = host.subscribe()
    with anyio.fail_after(60):
        while True:
            record = await host.get(task_id)
            assert record is not None
            if record.question is not None and record.question.id != but:
                return record
            await anext(events)


async def test_a_question_is_in_the_record_until_it_is_answered(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), ask, "what name?")

    record = await asking(host, "t")
    assert record.state is TaskState.WAITING
    assert record.question is not None
    assert record.question.message == "what name?"
    assert record.question.asked_at >= record.created_at
    answered = await host.answer("t", "Ada", actor="me")

    assert answered.question is None
    assert await handle.wait() == "Ada"
    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    (answer,) = [event for event in told if event.type is EventType.ANSWERED]
    assert (answer.actor, answer.value, answer.previous) == ("me", None, TaskState.WAITING)


async def test_only_one_answer_takes_effect(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), ask)
    record = await asking(host, "t")
    assert record.question is not None
    outcomes: list[object] = []

    async def answer(value: str, question_id: str | None) -> None:
        try:
            await host.answer("t", value, question_id=question_id)
            outcomes.append(value)
        except (AsksNothing, StaleQuestion) as error:
            outcomes.append(type(error))

    async with anyio.create_task_group() as group:
        group.start_soon(answer, "yes", record.question.id)
        group.start_soon(answer, "yes", record.question.id)

    assert sorted(map(str, outcomes)) == sorted(["yes", str(StaleQuestion)])
    assert await handle.wait() == "yes"


async def test_an_answer_to_what_is_not_asked_any_more_is_refused(host: BackgroundTaskHost) -> None:
    async def twice() -> list[JsonValue]:
        return [await ask("one?"), await ask("two?")]

    handle = await host.spawn_managed("s1", TaskSpec(id="t"), twice)
    first = (await asking(host, "t")).question
    assert first is not None
    await host.answer("t", 1, question_id=first.id)
    second = (await asking(host, "t", but=first.id)).question
    assert second is not None

    with pytest.raises(StaleQuestion, match=first.id):
        await host.answer("t", 3, question_id=first.id)
    await host.answer("t", 2, question_id=second.id)

    assert await handle.wait() == [1, 2]
    with pytest.raises(AsksNothing, match="'t' asks nothing"):
        await host.answer("t", 3)


async def test_a_wrong_answer_is_refused_and_the_task_goes_on_asking(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), partial(ask, schema=NAME))
    question = (await asking(host, "t")).question

    wrong: list[JsonValue] = ["Ada", {}, {"name": 1}, {"name": "Ada", "more": 1}]
    for value in wrong:
        with pytest.raises(WrongAnswer):
            await host.answer("t", value)
    record = await host.get("t")
    assert record is not None
    assert record.question == question
    await host.answer("t", {"name": "Ada"})

    assert await handle.wait() == {"name": "Ada"}


async def test_choices_are_answered_with_one_of_them(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), partial(ask, choices=["yes", "no"]))
    await asking(host, "t")

    with pytest.raises(WrongAnswer, match="'yes', 'no'"):
        await host.answer("t", "maybe")
    await host.answer("t", "no")

    assert await handle.wait() == "no"


@pytest.mark.parametrize(
    "how", [{"schema": {"type": "string"}}, {"choices": []}, {"choices": ["a"], "schema": NAME}]
)
async def test_a_question_that_nobody_could_answer_is_not_asked(
    host: BackgroundTaskHost, how: dict[str, Any]
) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), partial(ask, **how))

    with pytest.raises(TaskFailed) as failed:
        await handle.wait()
    assert isinstance(failed.value.__cause__, InvalidQuestion)


@pytest.mark.virtual_time
async def test_waiting_for_an_answer_stops_the_clock_of_the_timeout(host: BackgroundTaskHost) -> None:
    async def work() -> None:
        await anyio.sleep(6)
        await ask()
        await anyio.sleep(6)

    handle = await host.spawn_managed("s1", TaskSpec(id="t", timeout=10), work)
    await asking(host, "t")
    await anyio.sleep(3600)
    await host.answer("t", None)

    with pytest.raises(TaskFailed, match="not done after 10 s"):
        await handle.wait()
    assert anyio.current_time() % 3600 == pytest.approx(10)


async def test_a_body_in_a_thread_asks_as_well(host: BackgroundTaskHost) -> None:
    def work() -> object:
        return anyio.from_thread.run(ask, "from a thread?")

    handle = await host.spawn_managed("s1", TaskSpec(id="t", timeout=3600), work)
    await asking(host, "t")
    await host.answer("t", 5)

    assert await handle.wait() == 5


@pytest.mark.virtual_time
async def test_a_question_that_nobody_answers_in_time_is_withdrawn(host: BackgroundTaskHost) -> None:
    async def work() -> str:
        with pytest.raises(TimeoutError):
            await ask(timeout=5)
        record = current_task().record
        return f"{record.state} {record.question}"

    handle = await host.spawn_managed("s1", TaskSpec(id="t"), work)

    assert await handle.wait() == "running None"


@pytest.mark.virtual_time
async def test_an_answer_of_the_last_moment_counts(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), partial(ask, timeout=5))
    await asking(host, "t")

    await anyio.sleep_until(anyio.current_time() + 5)
    try:
        await host.answer("t", "yes")
    except AsksNothing:
        with pytest.raises(TaskFailed):
            await handle.wait()
    else:
        assert await handle.wait() == "yes"


async def test_questions_of_one_task_are_asked_one_after_the_other(host: BackgroundTaskHost) -> None:
    answers: list[JsonValue] = []

    async def one(message: str) -> None:
        answers.append(await ask(message))

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(one, "a?")
            group.start_soon(one, "b?")

    handle = await host.spawn_managed("s1", TaskSpec(id="t"), work)
    first = (await asking(host, "t")).question
    assert first is not None
    await host.answer("t", 1)
    await asking(host, "t", but=first.id)
    await host.answer("t", 2)
    await handle.wait()

    assert answers == [1, 2]


async def test_a_task_that_asks_can_move_and_is_answered_where_it_is(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), ask)
    question = (await asking(host, "t")).question
    await host.transfer("t", "s2")
    record = await host.get("t", session_id="s2")
    assert record is not None
    assert record.question == question

    await host.answer("t", "yes", session_id="s1")

    assert (await handle.wait(), handle.session_id) == ("yes", "s2")


@pytest.mark.parametrize("policy", [CancelPolicy.ABORT_LOCAL, CancelPolicy.COOPERATIVE])
async def test_a_request_to_stop_withdraws_the_question(
    host: BackgroundTaskHost, policy: CancelPolicy
) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t", cancel_policy=policy), ask)
    await asking(host, "t")

    record = await handle.cancel()
    assert record.question is None
    with pytest.raises(AsksNothing):
        await host.answer("t", "late")

    assert (await host.wait("t")).state is TaskState.CANCELLED


async def test_a_cooperative_body_may_go_on_when_its_question_is_withdrawn(host: BackgroundTaskHost) -> None:
    async def work() -> str:
        with pytest.raises(QuestionWithdrawn):
            await ask()
        return "saved"

    spec = TaskSpec(id="t", cancel_policy=CancelPolicy.COOPERATIVE)
    handle = await host.spawn_managed("s1", spec, work)
    await asking(host, "t")
    await handle.cancel()

    assert await handle.wait() == "saved"


async def test_an_external_task_asks_and_reads_the_answer_in_its_event(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    events = host.subscribe(TaskFilter(session_id="s1"))

    record = await host.update("t", state=TaskState.WAITING, question=Question("which?", choices=("a", "b")))
    assert record.question is not None
    assert record.question.id
    with pytest.raises(WrongAnswer):
        await host.answer("t", "c")
    await host.answer("t", "b", actor="me")

    told = await take_until(events, lambda event: event.type is EventType.ANSWERED)
    assert (told[-1].value, told[-1].actor) == ("b", "me")
    assert (await host.list())[0].state is TaskState.RUNNING


async def test_a_question_needs_a_task_that_waits_and_that_somebody_else_runs(
    host: BackgroundTaskHost,
) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    await host.spawn_managed("s1", TaskSpec(id="m"), anyio.sleep_forever)

    with pytest.raises(ValueError, match="state=WAITING"):
        await host.update("t", question=Question("?"))
    with pytest.raises(ValueError, match="somebody else runs"):
        await host.update("m", state=TaskState.WAITING, question=Question("?"))
    await host.complete("t")
    with pytest.raises(IllegalTransition):
        await host.update("t", state=TaskState.WAITING, question=Question("?"))


async def test_a_host_that_stops_leaves_no_question_behind(open_host: HostFactory) -> None:
    async with open_host() as host:
        handle = await host.spawn_managed("s1", TaskSpec(id="t"), ask)
        await asking(host, "t")

    assert (handle.record.state, handle.record.question) == (TaskState.CANCELLED, None)


async def test_only_an_answer_lets_a_body_go_on_that_waits_for_one(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), ask)
    question = (await asking(host, "t")).question

    with pytest.raises(IllegalTransition):
        await host.update("t", state=TaskState.RUNNING)
    await host.mark_live_state("s1", "t", TaskState.RUNNING)
    assert handle.record.question == question
    await host.answer("t", "yes")

    assert await handle.wait() == "yes"
