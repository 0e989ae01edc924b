"""Short ids: a model can repeat them, and they never mean another task than they did."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hostel.plugins.toolbox import notices_for
from hostel.sessions import TaskSpec, TaskState

from .conftest import Model, opened

if TYPE_CHECKING:
    from pathlib import Path

    from hostel.runtime import Session


async def test_they_count_the_tasks_of_a_kind_by_age(model: Model, session: Session) -> None:
    named = [await model.starts(kind, text="") for kind in ("say", "say")]
    await session.register_external(TaskSpec(id="elsewhere", kind="model pull"))
    named.append((await model.lists()).splitlines()[-1].split(":")[0])

    assert [re.sub(r"_[2-9a-z]{3}\Z", "", name) for name in named] == ["say_1", "say_2", "model_pull_1"]


async def test_a_task_that_the_tools_did_not_start_has_one_and_its_own_id_too(
    model: Model, session: Session
) -> None:
    await session.register_external(TaskSpec(id="monitor:build", kind="monitor"))

    short = (await model.lists()).split(":")[0]

    assert short.startswith("monitor_1_")
    assert await model.looks_at(short) == await model.looks_at("monitor:build")
    assert "id: monitor:build" in await model.looks_at(short)


async def test_tools_made_later_and_notices_use_the_same(model: Model, session: Session) -> None:
    said = await model.starts("say", text="hi")
    await session.wait_all()

    assert (await notices_for(session)).text.splitlines()[2].startswith(f"{said} has ended")
    assert f"{said}: completed" in await Model(session).lists(include_ended=True)


async def test_with_a_journal_they_outlive_a_restart(anyio_backend: object, tmp_path: Path) -> None:
    async with opened(tmp_path) as session:
        model = Model(session)
        said, napping = await model.starts("say", text="hi"), await model.starts("nap")
        await model.waits(said)
    async with opened(tmp_path) as session:
        model = Model(session)

        assert "<result>\nhi\n</result>" in await model.looks_at(said)
        assert f"{napping}: running" in await model.lists()


async def test_without_one_they_mean_nothing_after_a_restart(anyio_backend: object) -> None:
    async with opened() as session:
        before = await Model(session).starts("say", text="hi")
    async with opened() as session:
        model = Model(session)
        after = await model.starts("say", text="hi")

        assert before[:-4] == after[:-4] == "say_1"
        assert (await model.looks_at(before)).startswith(f"There is no task '{before}'")


async def test_when_old_tasks_were_forgotten_the_counting_does_not_deceive(
    anyio_backend: object, tmp_path: Path
) -> None:
    async with opened(tmp_path) as session:
        model = Model(session)
        forgotten, kept = await model.starts("say", text="one"), await model.starts("nap")
        await model.waits(forgotten)
    async with opened(tmp_path, retain_terminal=1) as session:
        model = Model(session)
        await model.waits(await model.starts("say", text="two"))
        await model.waits(await model.starts("say", text="three"))

        assert "one" not in await model.looks_at(forgotten)
        assert f"{kept}: running" in await model.looks_at(kept)


async def test_an_id_that_was_used_again_is_another_task(model: Model, session: Session) -> None:
    await session.register_external(TaskSpec(id="build", kind="monitor"))
    old = (await model.lists()).split(":")[0]
    await session.mark_terminal("build", TaskState.COMPLETED)
    await session.register_external(TaskSpec(id="build", kind="monitor"))
    assert old.startswith("monitor_1_")

    assert (await model.looks_at(old)).startswith(f"There is no task '{old}'; live are monitor_2_")
