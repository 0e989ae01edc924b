"""What has ended, the latest end first, page by page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import (
    BackgroundTaskHost,
    LocalBackgroundTaskHost,
    TaskFilter,
    TaskSpec,
    TaskState,
    UnknownCursor,
)
from hostel.sessions._journal.schema import SCANNED

STATES = (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED)


async def ended(host: BackgroundTaskHost, filter: TaskFilter | None = None, limit: int = 100) -> list[str]:
    """Return the ids of all that has ended, read page by page."""
    found: list[str] = []
    before: str | None = None
    while True:
        page = await host.ended(filter, limit=limit, before=before)
        assert len(page.records) <= limit
        found += [record.id for record in page.records]
        before = page.next
        if before is None:
            return found


async def end_some(host: BackgroundTaskHost, order: str, session: str = "s") -> None:
    for task_id in sorted(order):
        await host.register_external(session, TaskSpec(id=task_id, kind=f"k{ord(task_id) % 2}"))
    for place, task_id in enumerate(order):
        await host.complete(task_id, STATES[place % 3], session_id=session)


async def test_the_latest_end_comes_first_whenever_a_task_began(host: BackgroundTaskHost) -> None:
    await end_some(host, "caebd")
    await host.register("s", TaskSpec(id="live"))

    assert await ended(host) == ["d", "b", "e", "a", "c"]


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_pages_hold_each_task_once(host: BackgroundTaskHost, limit: int) -> None:
    await end_some(host, "caebd")

    assert await ended(host, limit=limit) == ["d", "b", "e", "a", "c"]


async def test_what_ends_between_two_pages_is_in_none_of_those_that_follow(host: BackgroundTaskHost) -> None:
    await end_some(host, "abc")
    first = await host.ended(limit=1)
    await end_some(host, "xyz")

    rest = await host.ended(before=first.next)

    assert [record.id for record in (*first.records, *rest.records)] == ["c", "b", "a"]


async def test_each_field_of_a_filter_narrows_what_has_ended(host: BackgroundTaskHost) -> None:
    await end_some(host, "abc", "one")
    await end_some(host, "abc", "two")
    await host.register_external("one", TaskSpec(id="child", parent_task_id="a"))
    await host.complete("child", session_id="one")

    assert await ended(host, TaskFilter(session_id="one")) == ["child", "c", "b", "a"]
    assert await ended(host, TaskFilter(session_id="one", kind="k0")) == ["b"]
    assert await ended(host, TaskFilter(state=TaskState.FAILED)) == ["b", "b"]
    assert await ended(host, TaskFilter(parent_task_id="a")) == ["child"]
    assert await ended(host, TaskFilter(session_id="nowhere")) == []
    assert await ended(host, TaskFilter(state=TaskState.RUNNING)) == []


async def test_a_task_that_moved_is_in_the_session_it_ended_in(host: BackgroundTaskHost) -> None:
    await host.register_external("one", TaskSpec(id="a"))
    await host.transfer("a", "two")
    await host.complete("a")

    assert await ended(host, TaskFilter(session_id="one")) == []
    assert await ended(host, TaskFilter(session_id="two")) == ["a"]


@pytest.mark.parametrize("before", ["x", "-1", "", "9" * 19, "9" * 40, "\u0661"])
async def test_a_place_that_is_none_is_refused(host: BackgroundTaskHost, before: str) -> None:
    with pytest.raises(UnknownCursor):
        await host.ended(before=before)


async def test_a_page_of_nothing_is_refused(host: BackgroundTaskHost) -> None:
    with pytest.raises(ValueError, match="at least one record"):
        await host.ended(limit=0)


async def test_far_apart_ends_are_found_over_several_pages(
    host: LocalBackgroundTaskHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostel.sessions._journal.schema.SCANNED", 5)
    monkeypatch.setattr("hostel.sessions._journal.queries.SCANNED", 5)
    await end_some(host, "a")
    for number in range(SCANNED // 1_000):
        await host.register("s", TaskSpec(id=f"live-{number}"))
    await end_some(host, "b")

    assert await ended(host) == ["b", "a"]


@given(st.permutations("abcdefg"), st.integers(1, 8))
async def test_pages_are_the_list_cut_in_pieces(order: list[str], limit: int) -> None:
    async with LocalBackgroundTaskHost() as host:
        await end_some(host, "".join(order))

        assert await ended(host, limit=limit) == order[::-1]
