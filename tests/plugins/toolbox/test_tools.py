"""What a model can do with the tasks of its session, and what it is told."""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from hostel.plugins.toolbox import notices_for, tools_for
from hostel.sessions import HostClosed, TaskSpec, TaskState

from .conftest import Model, by_name, opened

if TYPE_CHECKING:
    from hostel.runtime import Session

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def test_a_tool_is_a_plain_typed_async_function(session: Session) -> None:
    tools = tools_for(session)

    assert len(tools) == 8
    for tool in tools:
        hints = typing.get_type_hints(tool)
        assert inspect.iscoroutinefunction(tool)
        assert hints.pop("return") is str
        assert hints.keys() == inspect.signature(tool).parameters.keys()
        assert all(f"    {name}: " in (tool.__doc__ or "") for name in hints)


async def test_the_tool_that_starts_says_what_can_be_started(model: Model) -> None:
    doc = model.tools["start_background_task"].__doc__ or ""

    assert "* say: Say a text. Its params:\n  text (text, required): what to say, word by word\n" in doc
    assert '  how ("loud" or "soft", default "soft")' in doc
    assert "* secret" not in doc
    assert doc.index("* say") < doc.index("Args:\n    kind: ")


async def test_a_model_starts_only_what_it_is_given(session: Session) -> None:
    model = Model(session, kinds=["say"])

    assert await model.starts("sleep") == "There is no kind 'sleep' to start; there is say"
    assert await model.starts("say", text="hi") != ""
    assert "start_background_task" not in by_name(tools_for(session, []))
    assert (await Model(session, kinds="say").starts("sleep")).endswith("there is say")


@pytest.mark.parametrize("kind", ["secret", "nonsense"])
async def test_an_author_cannot_give_what_is_not_exposed(session: Session, kind: str) -> None:
    with pytest.raises(ValueError, match=f"no exposed task kind is called '{kind}'"):
        tools_for(session, ["say", kind])


async def test_a_task_is_started_listed_and_waited_for(model: Model) -> None:
    said = await model.starts("say", text="hi", times=2)
    await model.starts("sleep")

    assert "\n<result>\nhihi\n</result>" in await model.waits(said)
    assert (await model.lists()).startswith("sleep_1_")
    assert (await model.lists(include_ended=True)).startswith(f"{said}: completed")


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "'text' is missing"),
        ({"text": 3}, "'text' must be a text"),
        ({"txt": "a", "text": "b"}, "it takes no 'txt'; there is text, times, how"),
    ],
)
async def test_wrong_params_are_named(model: Model, params: dict[str, Any], why: str) -> None:
    assert why in await model.starts("say", **params)


async def test_params_that_are_no_object_are_a_mistake(model: Model) -> None:
    answer = await model.tools["start_background_task"]("say", ["hi"])

    assert answer == "The params are an object, with a value for each name."


@pytest.mark.parametrize("given", ["say_1", "", "x" * 1000, "\x00", "say_1_zzz"])
async def test_an_unknown_task_is_a_sentence_and_not_an_exception(model: Model, given: str) -> None:
    await model.starts("sleep")

    for name in ("get_background_task", "read_background_output", "cancel_background_task"):
        answer = await model.tools[name](given)
        assert len(answer) < 300
        assert answer.endswith(".")
        assert "\n" not in answer
    assert "sleep_1_" in await model.looks_at("say_1")


async def test_the_tasks_of_other_sessions_are_out_of_reach(model: Model, session: Session) -> None:
    foreign = await session._tasks.register_external("s2", TaskSpec(id="foreign"))

    for name in ("get_background_task", "read_background_output", "cancel_background_task"):
        assert (await model.tools[name]("foreign")).startswith("There is no task 'foreign'")
    assert (await model.waits("foreign")).startswith("There is no task 'foreign'")
    assert await model.lists() == "No background task is live."
    assert not (await session._tasks.list())[0].is_terminal
    assert foreign.session_id == "s2"


async def test_a_task_that_waits_for_its_turn_says_so(model: Model) -> None:
    await model.starts("nap")
    second = await model.starts("nap")

    assert "it waits for its turn: number 1 in line, limit of 1" in await model.looks_at(second)


async def test_a_wait_that_is_over_touches_no_task(model: Model, session: Session) -> None:
    sleeping = await model.starts("sleep")

    answer = await model.waits(sleeping, timeout_seconds=0.01)

    assert answer.startswith(f"None of them has ended within 0.01 s.\n\n{sleeping}: running")
    assert [record.state for record in await session.list()] == [TaskState.RUNNING]


@pytest.mark.parametrize("seconds", [-1, float("nan"), 0])
async def test_a_wait_of_no_time_looks_once(model: Model, seconds: float) -> None:
    assert "None" in await model.waits(await model.starts("sleep"), timeout_seconds=seconds)


async def test_waiting_for_all_tells_of_all_that_ended(model: Model) -> None:
    one, two = await model.starts("say", text="first"), await model.starts("say", text="second")

    answer = await model.waits(one, two, until="all")

    assert answer.index("first") < answer.index("second")


@pytest.mark.parametrize("until", ["any", "all"])
async def test_a_wait_returns_when_a_task_asks(model: Model, until: str) -> None:
    sleeping, asking = await model.starts("sleep"), await model.starts("ask", message="really?")

    answer = await model.waits(sleeping, asking, until=until)

    assert f"{asking} asks:\n<question>\nreally?\n</question>" in answer
    assert f"\n\n{sleeping}: running" in answer


async def test_many_ends_are_not_acknowledged_before_they_were_told(session: Session) -> None:
    model = Model(session, limit=2_000)
    tasks = [await model.starts("say", text=f"<{number}>" * 200) for number in range(5)]
    await session.wait_all()

    answer = await model.waits(*tasks, until="all")

    assert len(answer) <= 2_000
    told = {task for task in tasks if f"{task}: completed" in answer}
    assert told == set(tasks)
    assert answer.count("<result>") == 1
    assert len(await session.inbox().drain()) == 4


async def test_what_a_tool_has_told_is_not_told_again(model: Model, session: Session) -> None:
    asking, ended = await model.starts("ask", message="?"), await model.starts("say", text="hi")
    await model.waits(ended)
    await model.waits(asking)

    assert not await notices_for(session)


async def test_a_question_is_answered_once(model: Model) -> None:
    asking = await model.starts("ask", message="which?", choices=["a", "b"])
    assert 'one of "a", "b".' in await model.waits(asking)

    assert await model.answers(asking, "c") == (
        f"That does not answer {asking}: it is one of 'a', 'b'. Answer with "
        f'answer_background_task(task="{asking}", answer=...), where the answer is one of "a", "b".'
    )
    assert await model.answers(asking, "a") == f"{asking} has its answer and goes on."
    assert "<result>\na\n</result>" in await model.waits(asking)
    assert (await model.answers(asking, "b")).startswith(f"{asking} asks nothing: ")


@pytest.mark.parametrize("answer", [{"name": "Ann"}, '{"name": "Ann"}'])
async def test_an_object_may_be_written_as_text(model: Model, answer: Any) -> None:
    asking = await model.starts("ask", message="who?", schema=FORM)
    await model.waits(asking)

    assert "it is an object" in await model.answers(asking, "Ann")
    await model.answers(asking, answer)

    assert '<result>\n{"name": "Ann"}\n</result>' in await model.waits(asking)


async def test_a_text_that_looks_like_json_is_a_text_where_nobody_wants_an_object(model: Model) -> None:
    asking = await model.starts("ask", message="what?")
    await model.waits(asking)
    await model.answers(asking, "[1]")

    assert "<result>\n[1]\n</result>" in await model.waits(asking)


async def test_a_message_reaches_a_task(model: Model, session: Session) -> None:
    listening = await model.starts("listen")
    external = await session.register_external(TaskSpec(id="elsewhere"))

    assert await model.sends(listening, {"eof": True}) == f"The message is sent to {listening}."
    assert '{"eof": true}' in await model.waits(listening)
    assert "takes no messages: it is completed" in await model.sends(listening, "more")
    assert "takes no messages" in await model.sends(external.id, "more")


async def test_a_full_mailbox_and_an_endless_message_are_mistakes(model: Model) -> None:
    sleeping = await model.starts("sleep")
    for _ in range(100):
        await model.sends(sleeping, "wake up")

    assert "has not read the last 100 messages" in await model.sends(sleeping, "wake up")
    assert "cannot be told that: a message has at most" in await model.sends(sleeping, "x" * 70_000)


async def test_a_task_is_cancelled_in_the_name_of_the_agent(model: Model, session: Session) -> None:
    sleeping = await model.starts("sleep")

    assert await model.cancels(sleeping, reason="not needed") == f"{sleeping} has ended: cancelled."
    assert await model.cancels(sleeping) == f"{sleeping} had ended before: cancelled."
    (record,) = await session.list(include_terminal=True)
    assert (record.cancel_actor, record.cancel_reason) == ("agent", "not needed")
    assert not await notices_for(session)


async def test_a_failure_is_told(model: Model) -> None:
    failing = await model.starts("fail", why="no such file")

    assert "it failed (error):\n<failure>\nValueError: no such file\n</failure>" in await model.waits(failing)


async def test_a_long_result_is_read_in_parts(model: Model) -> None:
    text = "".join(f"{number:06}" for number in range(5_000))
    said = await model.starts("say", text=text)
    await model.waits(said)

    read, answer = "", ""
    while len(read) < len(text):
        answer = await model.looks_at(said, result_after=len(read))
        assert len(answer) <= 10_000
        read += answer.split("<result>\n")[1].split("\n</result>")[0]
        assert len(read) == len(text) or f"read on with result_after={len(read)}" in answer

    assert read == text
    assert "read on" not in answer


async def test_many_tasks_are_listed_within_bounds_the_latest_surely(session: Session) -> None:
    model = Model(session, limit=2_000)
    names = [await model.starts("sleep") for _ in range(80)]

    answer = await model.lists()

    shown = [line.split(":")[0] for line in answer.splitlines()[1:]]
    assert len(answer) <= 2_000
    assert shown == names[-len(shown) :]
    assert answer.startswith(f"{80 - len(shown)} older tasks are left out.\n")


async def test_a_limit_that_nothing_fits_into_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="at least 2000"):
        tools_for(session, limit=100)
    with pytest.raises(ValueError, match="at least 2000"):
        await notices_for(session, limit=100)


async def test_what_no_model_can_mend_is_raised(anyio_backend: object) -> None:
    async with opened() as session:
        model = Model(session)

    assert "takes no new tasks" in await model.starts("sleep")
    with pytest.raises(HostClosed):
        await model.lists()


async def test_a_framework_that_gives_up_waiting_leaves_the_task_alone(
    model: Model, session: Session
) -> None:
    sleeping = await model.starts("sleep")
    with anyio.move_on_after(0.01):
        await model.waits(sleeping)

    assert [record.state for record in await session.list()] == [TaskState.RUNNING]
