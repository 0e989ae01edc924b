"""Bounded waits: for one, for all; running out of time touches nothing."""

from __future__ import annotations

import anyio
import pytest

from hostel.sessions import BackgroundTaskHost, TaskSpec, TaskState, UnknownTask, Waited

from .steering import Body, settle
from .test_asking import ask, asking


def ids(waited: Waited) -> tuple[list[str], list[str]]:
    return [record.id for record in waited.ended], [record.id for record in waited.live]


async def test_waiting_for_any_returns_with_the_first_end(host: BackgroundTaskHost) -> None:
    bodies = {id: Body(id) for id in "abc"}
    for id, body in bodies.items():
        await host.spawn_managed("s1", TaskSpec(id=id), body.run)
    waited: list[Waited] = []

    async def wait() -> None:
        waited.append(await host.wait_any("abc"))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await settle()
        assert waited == []
        bodies["b"].go.set()

    assert ids(waited[0]) == (["b"], ["a", "c"])
    assert waited[0].ended[0].result is not None
    assert waited[0].ended[0].result.value == "b"


async def test_waiting_for_all_returns_with_the_last_end(host: BackgroundTaskHost) -> None:
    one, two = Body(), Body()
    await host.spawn_managed("s1", TaskSpec(id="one"), one.run)
    await host.spawn_managed("s1", TaskSpec(id="two"), two.run)
    one.go.set()
    two.go.set()

    assert ids(await host.wait_all(["two", "one", "two"])) == (["two", "one"], [])


@pytest.mark.virtual_time
async def test_running_out_of_time_touches_no_task(host: BackgroundTaskHost) -> None:
    await host.spawn_managed("s1", TaskSpec(id="t"), anyio.sleep, 100)

    assert ids(await host.wait_any(["t"], timeout=5)) == ([], ["t"])
    assert ids(await host.wait_all(["t"], timeout=5)) == ([], ["t"])
    assert ids(await host.wait_any(["t"], timeout=0)) == ([], ["t"])
    assert (await host.wait("t")).state is TaskState.COMPLETED


async def test_a_wait_may_end_when_a_task_asks(host: BackgroundTaskHost) -> None:
    await host.spawn_managed("s1", TaskSpec(id="t"), ask, "well?")
    await host.spawn_managed("s1", TaskSpec(id="u"), anyio.sleep_forever)

    for wait in (host.wait_any, host.wait_all):
        waited = await wait(["u", "t"], or_asking=True)

        assert ids(waited) == ([], ["u", "t"])
        assert waited.live[1].question is not None
    await asking(host, "t")


async def test_waiting_for_nothing_returns_at_once(host: BackgroundTaskHost) -> None:
    assert ids(await host.wait_any([])) == ([], [])
    assert ids(await host.wait_all([])) == ([], [])


async def test_an_unknown_id_is_refused_before_anything_is_waited_for(host: BackgroundTaskHost) -> None:
    await host.spawn_managed("s1", TaskSpec(id="t"), anyio.sleep_forever)

    for wait in (host.wait_any, host.wait_all):
        with pytest.raises(UnknownTask):
            await wait(["t", "nobody"])
