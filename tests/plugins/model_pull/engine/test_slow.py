"""One slow connection never holds the end: another takes over, or there is a clear error."""

from collections.abc import Callable
from pathlib import Path

import anyio
import attrs
import pytest

from hostel.plugins.model_pull import (
    HubSource,
    RemoteFile,
    TransferFailed,
    Unreachable,
    UrlSource,
    parse_reference,
)
from hostel.plugins.model_pull._engine import ConnectionBudget, Limiter, fetch
from hostel.plugins.model_pull._sources import hub as _hub
from hostel.plugins.model_pull._sources import url as _url
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

Publish = Callable[[Blob | bytes], RemoteFile]


def cdn(**effects: object) -> Fault:
    return Fault(origin=Origin.CDN, **effects)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [2000, 3 * MIB], ids=["tiny", "small"])
@pytest.mark.parametrize(
    "fault",
    [cdn(bps=50, times=1), cdn(head_bps=10, times=1), Fault(origin=Origin.HUB, head_bps=10, times=1)],
    ids=["trickling body", "trickling head", "trickling redirect"],
)
async def test_a_lone_small_file_changes_its_connection(
    fault: Fault, size: int, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    armed = hub.fault(fault)
    with anyio.fail_after(60):
        await fetch(publish(Blob(size)), blob, stall=1)

    assert armed.hits == 1
    assert blob.read_bytes() == Blob(size).read()
    slow = hub.exchanges(origin=fault.origin)[0]
    assert slow.sent < 1000


async def test_the_tail_of_a_large_file_is_taken_over_from_a_connection_far_below_the_best(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(64 * MIB, seed=3)
    hub.fault(cdn(bps=8 * MIB))
    slow = hub.fault(cdn(bps=20_000, nth=3, times=1))
    with anyio.fail_after(120):
        await fetch(publish(content), blob, stall=2)

    assert slow.hits == 1
    assert blob.read_bytes() == content.read()
    assert hub.exchanges(origin=Origin.CDN)[2].sent < MIB


async def test_one_connection_alone_is_measured_by_what_its_host_gave_before(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    budget, content = ConnectionBudget(), Blob(24 * MIB, seed=3)
    file = publish(content)
    hub.fault(cdn(bps=8 * MIB))
    await fetch(file, blob, budget=budget)
    blob.unlink()
    hub.clear_log()
    hub.fault(cdn(bps=20_000, times=1))
    with anyio.fail_after(120):
        await fetch(file, blob, budget=budget, stall=2)

    assert blob.read_bytes() == content.read()
    assert hub.exchanges(origin=Origin.CDN)[0].sent < MIB


@pytest.mark.parametrize("no_range", [False, True], ids=["ranges", "no ranges"])
async def test_a_byte_a_second_ends_in_a_clear_error(
    no_range: bool, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    hub.fault(cdn(bps=1, no_range=no_range))
    with anyio.fail_after(60), pytest.raises(TransferFailed, match="far too slow"):
        await fetch(publish(Blob(MIB)), blob, retry_seconds=2, stall=3)


async def test_heads_that_trickle_for_ever_end_in_a_clear_error(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    hub.fault(cdn(head_bps=10))
    with anyio.fail_after(60), pytest.raises(TransferFailed, match="trickles"):
        await fetch(publish(Blob(MIB)), blob, retry_seconds=1, stall=0.5)


async def test_a_slow_network_is_enough_where_nothing_can_be_continued(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    hub.fault(cdn(bps=900, no_range=True))
    file = attrs.evolve(publish(Blob(1500)), sha256=None)
    with anyio.fail_after(60):
        await fetch(file, blob, stall=0.3)

    assert blob.read_bytes() == Blob(1500).read()
    assert len(hub.exchanges(origin=Origin.CDN)) > 1


async def test_a_limit_of_ones_own_is_no_slow_connection(hub: LocalHub, blob: Path, publish: Publish) -> None:
    with anyio.fail_after(60):
        await fetch(publish(Blob(1500)), blob, stall=0.3, retry_seconds=0.5, limiter=Limiter(500))

    assert len(hub.exchanges(origin=Origin.CDN)) == 1


async def test_a_listing_that_trickles_ends_in_a_clear_error(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setattr(_hub, "LISTING_SECONDS", 1.0)
    monkeypatch.setattr(_url, "TIMEOUT", 1.0)
    hub.add_repo("org/m", {"m.gguf": Blob(MIB)})
    hub.fault(Fault(head_bps=5))
    with anyio.fail_after(60):
        with pytest.raises(Unreachable, match="too long"):
            await HubSource().resolve(parse_reference("org/m"))
        with pytest.raises(Unreachable, match="in time"):
            await UrlSource().resolve(parse_reference(f"{hub.endpoint}/org/m/resolve/main/m.gguf"))
