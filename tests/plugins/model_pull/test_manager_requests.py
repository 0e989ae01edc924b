"""Requests and the transfers they share, on a real hub; a code in a name is a defect of another system."""

from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hostel.plugins.model_pull import (
    Cancelled,
    Completed,
    DownloadRequest,
    DuplicateRequest,
    Progress,
    PullCancelled,
)
from hostel.plugins.model_pull.testing import MIB, Fault, LocalHub, Origin
from hostel.sessions import TaskState

from .scene import blobs, partials, scene, sessions_states, shards, single, slow


async def test_a_pull_is_a_managed_task_whose_id_is_known_at_once(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s1")
        request_id = handle.request_id

        path = await handle

        assert path.name == "m-Q8_0.gguf"
        [record] = await on.host.list_managed("s1")
        assert (request_id, "model_pull", TaskState.COMPLETED) == (record.id, record.kind, record.state)
        assert record.result is not None
        assert str(path) == record.result.value
        assert record.progress is not None
        assert (record.progress.done, record.progress.total, record.progress.unit) == (MIB, MIB, "bytes")
        assert path == await handle


async def test_a_handle_that_nobody_awaits_changes_nothing(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        on.manager.pull("org/m")
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)


async def test_two_callers_share_one_transfer_and_both_are_served(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, 8 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m", session_id="a")
        await on.until_moving("org/m:Q8_0")
        second = on.manager.pull("org/m:Q8_0", session_id="b")

        assert await first == await second
        assert first.request_id != second.request_id
    assert hub.bytes_sent(origin=Origin.CDN) <= 4 * MIB


async def test_a_joiner_is_told_at_once_how_far_it_is(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
        told: list[Progress] = []
        joined = anyio.Event()

        def note(news: Progress) -> None:
            told.append(news)
            joined.set()

        on.manager.pull("org/m", on_progress=note)
        await joined.wait()

        assert told[0].downloaded >= MIB
        await on.manager.cancel(model_id="org/m")
        with pytest.raises(PullCancelled):
            await first


async def test_q_cancelling_one_request_does_not_touch_the_other(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        stays = on.manager.pull("org/m", session_id="a")
        leaves = on.manager.pull("org/m", session_id="b")
        await on.until_moving("org/m:Q8_0")

        receipt = await on.manager.cancel(request_id=leaves.request_id)

        assert (receipt.matched, receipt.newly_cancelled, receipt.already_terminal) == (1, 1, 0)
        with pytest.raises(PullCancelled, match=leaves.request_id):
            await leaves
        assert (await stays).exists()
        assert await sessions_states(on.host, "b") == [TaskState.CANCELLED]


async def test_the_last_to_leave_stops_the_transfer_and_the_partial_stays(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        both = [on.manager.pull("org/m") for _ in range(2)]
        await on.until_moving("org/m:Q8_0", MIB)
        for handle in both:
            await on.manager.cancel(request_id=handle.request_id)
        sent = hub.bytes_sent(origin=Origin.CDN)
        assert isinstance(await on.until_ended("org/m:Q8_0"), Cancelled)

        assert len(partials(own_home)) == 1
        hub.clear_faults()
        assert (await on.manager.pull("org/m")).exists()
        assert hub.bytes_sent(origin=Origin.CDN) - sent < 8 * MIB


async def test_clear_cache_in_the_middle_drops_what_the_last_to_leave_has_fetched(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", shards(MIB, 8 * MIB))
    slow(hub, 4 * MIB, "00002-of")
    async with scene() as on:
        handle = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", 2 * MIB)

        await on.manager.cancel(request_id=handle.request_id, clear_cache=True)

        assert blobs(own_home) == []


async def test_a_wish_to_discard_is_dropped_when_somebody_else_needs_the_bytes(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        discards, pauses = (on.manager.pull("org/m") for _ in range(2))
        await on.until_moving("org/m:Q8_0", MIB)

        await on.manager.cancel(request_id=discards.request_id, clear_cache=True)
        await on.manager.cancel(request_id=pauses.request_id)

        assert len(partials(own_home)) == 1


async def test_a_cancel_before_the_start_is_honoured(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        handle = on.manager.pull("org/m")
        receipt = await on.manager.cancel(request_id=handle.request_id)

        assert receipt.newly_cancelled == 1
        with pytest.raises(PullCancelled):
            await handle
    assert hub.exchanges(origin=Origin.CDN) == []


async def test_a_cancel_that_is_faster_than_its_request_is_remembered(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        receipt = await on.manager.cancel(request_id="later")
        assert receipt.matched == 0

        with pytest.raises(PullCancelled):
            await on.manager.pull("org/m", request_id="later")
        assert (await on.manager.pull("org/m", request_id="later")).exists()


async def test_a_cancel_before_the_start_discards_what_an_earlier_pull_left(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
        await on.manager.cancel(request_id=first.request_id)
        assert partials(own_home)

        await on.manager.cancel(request_id="later", clear_cache=True)
        with pytest.raises(PullCancelled):
            await on.manager.pull("org/m", request_id="later")

        assert partials(own_home) == []


async def test_cancelling_twice_is_the_same_as_once(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        handle = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0")
        first = await on.manager.cancel(request_id=handle.request_id)
        again = await on.manager.cancel(request_id=handle.request_id)

        assert (first.newly_cancelled, first.already_terminal) == (1, 0)
        assert (again.newly_cancelled, again.already_terminal) == (0, 1)


async def test_a_broad_cancel_by_model_stops_that_models_downloads_and_no_other(hub: LocalHub) -> None:
    hub.add_repo("org/m", {**single(8 * MIB), **single(8 * MIB, "Q4_K_M", seed=2)})
    hub.add_repo("org/n", single(MIB, seed=3))
    slow(hub)
    async with scene() as on:
        doomed = [on.manager.pull(f"org/m:{label}", session_id="a") for label in ("Q8_0", "Q4_K_M")]
        other = on.manager.pull("org/n", session_id="b")
        await on.until_moving("org/m:Q4_K_M")

        receipt = await on.manager.cancel(model_id="org/m")

        assert receipt.newly_cancelled == 2
        for handle in doomed:
            with pytest.raises(PullCancelled):
                await handle
        hub.clear_faults()
        assert (await other).exists()


async def test_cancel_wants_one_kind_of_id(hub: LocalHub) -> None:
    async with scene() as on:
        with pytest.raises(ValueError, match="either"):
            await on.manager.cancel()


async def test_asking_while_a_transfer_stops_waits_instead_of_writing_twice(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: on.manager.cancel(request_id=first.request_id))
            second = on.manager.pull("org/m")

        assert (await second).stat().st_size == 4 * MIB
        with pytest.raises(PullCancelled):
            await first


async def test_a_callback_that_raises_is_dropped_and_harms_nobody(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(2 * MIB))
    slow(hub, 4 * MIB)
    told: list[Progress] = []
    async with scene() as on:

        def broken(news: Progress) -> None:
            raise RuntimeError("my display is gone")

        bad = on.manager.pull("org/m", on_progress=broken)
        good = on.manager.pull("org/m", on_progress=told.append)

        assert await bad == await good
        assert isinstance(bad.callback_error, RuntimeError)
        assert told[-1].downloaded == 2 * MIB


async def test_a_callback_that_never_returns_holds_up_nobody_else(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(MIB))
    async with scene() as on:

        async def stuck(news: Progress) -> None:
            await anyio.sleep_forever()

        held = on.manager.pull("org/m", on_progress=stuck)
        assert (await on.manager.pull("org/m")).exists()
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)
        await on.manager.cancel(request_id=held.request_id)


async def test_a_request_id_in_use_is_refused(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        on.manager.pull("org/m", request_id="r")
        with pytest.raises(DuplicateRequest):
            on.manager.pull("org/m", request_id="r")
        await on.manager.cancel(request_id="r")


async def test_cancelling_the_task_through_its_host_leaves_the_download(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s")
        await on.until_moving("org/m:Q8_0")

        record = await on.host.cancel_managed("s", handle.request_id)

        assert record is not None
        assert TaskState.CANCELLED is record.state
        assert isinstance(await on.until_ended("org/m:Q8_0"), Cancelled)
        assert await on.manager.active_count() == 0


async def test_a_request_follows_its_task_to_another_session(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="a")
        await on.until_moving("org/m:Q8_0")
        await on.host.transfer_managed("a", "b", [handle.request_id])

        assert handle.session_id == "b"
        receipt = await on.manager.cancel(request_id=handle.request_id)
        assert receipt.newly_cancelled == 1


async def test_the_limit_of_a_download_holds(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(2 * MIB))
    async with scene() as on:
        began = anyio.current_time()
        await on.manager.pull(DownloadRequest("org/m", limit=2 * MIB))

        assert anyio.current_time() - began > 0.7


async def test_who_shares_a_download_is_not_held_back_by_anothers_limit(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    async with scene() as on:
        began = anyio.current_time()
        patient = on.manager.pull(DownloadRequest("org/m", limit=MIB // 4))
        await on.until_moving("org/m:Q8_0")
        leaving = on.manager.pull(DownloadRequest("org/m", limit=MIB // 2))
        while not leaving.shared:
            await anyio.lowlevel.checkpoint()
        assert patient.limit == MIB // 2
        await on.manager.cancel(request_id=leaving.request_id)
        assert patient.limit == MIB // 4

        await on.manager.pull("org/m")
        await patient

        assert anyio.current_time() - began < 10


async def test_a_cancel_that_comes_too_late_says_so_and_the_model_stays(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        handle = on.manager.pull("org/m")
        path = await handle

        receipt = await on.manager.cancel(request_id=handle.request_id, clear_cache=True)

        assert (receipt.newly_cancelled, receipt.already_terminal) == (0, 1)
        assert path.exists()


async def test_a_cancel_while_the_hub_is_asked_ends_at_once_and_fetches_nothing(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    hub.fault(Fault(path="/api/models/", stall_after=0, times=1))
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s")
        assert await anyio.to_thread.run_sync(hub.wait_until_stalled)

        await on.manager.cancel(request_id=handle.request_id)
        with pytest.raises(PullCancelled):
            await handle
    assert hub.release() == 1
    assert await anyio.to_thread.run_sync(lambda: hub.wait_until_sent(1, path="/api/models/"))
    assert hub.exchanges(path="/tree/") == []


async def test_a_handle_tells_what_was_chosen_and_whether_it_shared(hub: LocalHub) -> None:
    hub.add_repo("org/m", {**single(2 * MIB), **single(2 * MIB, "Q4_K_M", seed=2)})
    slow(hub, 4 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q4_K_M")
        second = on.manager.pull("org/m")
        await first
        await second

        assert (first.shared, second.shared) == (False, True)
        assert first.pulled is not None
        assert first.pulled.choice is not None
        assert "first in the order of preference" in first.pulled.choice.why
