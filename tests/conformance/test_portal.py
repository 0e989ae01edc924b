"""Using a host from other threads."""

import threading
from collections.abc import Callable

import anyio
import anyio.to_thread
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    HostClosed,
    HostPortal,
    TaskAlreadyExists,
    TaskFilter,
    TaskSpec,
    TaskState,
)

from .conftest import HostFactory
from .steering import Body


async def in_plain_thread(work: Callable[[], object]) -> object:
    """Run `work` in a thread that anyio knows nothing of, and return what it returned or raised."""
    answers: list[object] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the test
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    with anyio.fail_after(60):
        await anyio.to_thread.run_sync(thread.join)
    return answers[0]


async def test_another_thread_can_spawn_list_wait_and_cancel(host: BackgroundTaskHost) -> None:
    portal = host.portal()
    body = Body(value="from the loop")
    body.go.set()

    def use() -> tuple[object, list[str], TaskState]:
        handle = portal.call(host.spawn_managed, "s1", TaskSpec(id="quick"), body.run)
        value = portal.call(handle.wait)
        portal.call(host.spawn_managed, "s1", TaskSpec(id="slow"), anyio.sleep_forever)
        listed = portal.call(host.list, TaskFilter("s1"))
        record = portal.call(host.cancel_managed, "s1", "slow", "enough", actor="a thread")
        assert record is not None
        assert record.cancel_actor == "a thread"
        return value, [found.id for found in listed], record.state

    assert await in_plain_thread(use) == ("from the loop", ["slow"], TaskState.CANCELLED)


async def test_another_thread_can_follow_events(host: BackgroundTaskHost) -> None:
    portal, events = host.portal(), host.subscribe()

    def use() -> str:
        portal.call(host.register, "s1", TaskSpec(id="t1"))
        return portal.call(events.__anext__).task_id

    assert await in_plain_thread(use) == "t1"


async def test_what_a_verb_raises_is_raised_in_the_thread(host: BackgroundTaskHost) -> None:
    portal = host.portal()
    await host.register("s1", TaskSpec(id="t1"))

    answer = await in_plain_thread(lambda: portal.call(host.register, "s1", TaskSpec(id="t1")))

    assert isinstance(answer, TaskAlreadyExists)


async def test_a_sync_body_may_use_the_portal_of_its_host(host: BackgroundTaskHost) -> None:
    portal = host.portal()

    def body() -> str:
        return portal.call(host.register, "s1", TaskSpec(id="from a body")).id

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    with anyio.fail_after(60):
        assert await handle.wait() == "from a body"


async def test_a_portal_refuses_the_thread_of_its_own_loop(host: BackgroundTaskHost) -> None:
    with pytest.raises(RuntimeError, match="for other threads"):
        host.portal().call(host.list)


async def test_a_portal_of_a_closed_host_says_so(open_host: HostFactory) -> None:
    async with open_host() as host:
        portal = host.portal()

    assert isinstance(await in_plain_thread(lambda: portal.call(host.list)), HostClosed)


def test_a_portal_to_a_loop_that_is_gone_says_so() -> None:
    from hostel.sessions import LocalBackgroundTaskHost

    async def open_and_close() -> tuple[HostPortal, LocalBackgroundTaskHost]:
        async with LocalBackgroundTaskHost() as host:
            return host.portal(), host

    for backend in ("asyncio", "trio"):
        portal, host = anyio.run(open_and_close, backend=backend)
        with pytest.raises(anyio.RunFinishedError):
            portal.call(host.list)
