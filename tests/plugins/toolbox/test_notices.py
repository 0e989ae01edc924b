"""What happened meanwhile, as one text for the next turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.plugins.toolbox import notices_for
from hostel.runtime import current_task
from hostel.sessions import Question, TaskSpec, TaskState

from .conftest import Model, opened

if TYPE_CHECKING:
    from pathlib import Path

    from hostel.runtime import Session


async def test_there_is_nothing_to_tell(session: Session) -> None:
    news = await notices_for(session)
    await news.ack()

    assert not news
    assert news.text == ""


async def test_ends_and_questions_are_told_until_they_are_acknowledged(
    model: Model, session: Session
) -> None:
    said = await model.starts("say", text="hi")
    await session.wait(said_id := (await session.list(include_terminal=True))[0].id)
    await session.register_external(TaskSpec(id=said_id + "x", kind="subagent", label="the writer"))
    await session._tasks.update(
        said_id + "x", state=TaskState.WAITING, question=Question("which one?", choices=("a", "b"))
    )
    news = await notices_for(session)

    assert news.text == (await notices_for(session)).text
    assert f"{said} has ended: completed\n<summary>\nhi\n</summary>" in news.text
    assert ' "the writer" asks:\n<question>\nwhich one?\n</question>\nAnswer with answer_' in news.text
    await news.ack()
    assert not await notices_for(session)


async def test_the_end_of_what_a_task_wrote_is_told(model: Model, session: Session) -> None:
    await model.starts("write", pieces=[["stdout", "x" * 5_000 + "the end"]])
    await session.wait_all()

    assert (await notices_for(session)).text.endswith("xthe end\n</output>")


async def test_what_a_task_tells_by_itself_is_told(session: Session) -> None:
    async def work() -> None:
        await current_task().progress("half of it", notify=True)

    await (await session.spawn_managed(TaskSpec(kind="work"), work)).wait()

    assert " tells\n<summary>\nhalf of it\n</summary>" in (await notices_for(session)).text


async def test_what_does_not_fit_is_told_with_the_next_turn(model: Model, session: Session) -> None:
    for number in range(30):
        await model.starts("say", text=f"[{number}]" + "x" * 3_000)
    await session.wait_all()

    texts: list[str] = []
    while news := await notices_for(session, limit=2_000):
        assert len(news.text) <= 2_000
        texts.append(news.text)
        await news.ack()

    assert "More of them are told with your next turn." in texts[0]
    assert "next turn" not in texts[-1]
    everything = "".join(texts)
    assert [everything.count(f"<summary>\n[{number}]") for number in range(30)] == [1] * 30


async def test_a_question_of_any_size_fits(model: Model, session: Session) -> None:
    schema = {"type": "object", "properties": {f"field{n}": {"type": "string"} for n in range(300)}}
    await model.starts("ask", message="?" * 15_000, schema=schema)
    await model.starts("ask", message="?", choices=[str(n) * 50 for n in range(500)])
    events = session.subscribe(after=0)
    while len([one for one in await session.list() if one.question]) < 2:
        await anext(events)

    news = await notices_for(session, limit=2_000)
    assert len(news.text) <= 2_000
    assert len(news.notices) == 1
    for record in await session.list():
        assert len(await model.looks_at(record.id)) <= 10_000


async def test_notices_that_were_forgotten_are_counted(anyio_backend: object) -> None:
    async with opened(retain_terminal=2) as session:
        model = Model(session)
        for number in range(6):
            await model.starts("say", text="hi")
            await session.wait_all()
            if number == 0:
                await (await notices_for(session)).ack()

        assert "3 notices of this session were forgotten" in (await notices_for(session)).text


async def test_what_was_not_acknowledged_outlives_a_restart(anyio_backend: object, tmp_path: Path) -> None:
    async with opened(tmp_path) as session:
        model = Model(session)
        for text in ("one", "two"):
            await model.starts("say", text=text)
            await session.wait_all()
            if text == "one":
                await (await notices_for(session)).ack()
    async with opened(tmp_path) as session:
        news = await notices_for(session)

        assert "say_2_" in news.text
        assert "two" in news.text
        assert "one" not in news.text
