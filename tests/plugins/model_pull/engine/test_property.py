"""Whatever goes wrong, however often it is cancelled: right bytes, few of them twice, nothing left over."""

import tempfile
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostel.plugins.model_pull import PullError, RemoteFile
from hostel.plugins.model_pull._engine import ConnectionBudget, fetch
from hostel.plugins.model_pull.testing import MIB, Blob, Ending, Fault, LocalHub, Origin

SIZE = 36 * MIB + 4321
COST = 6 * MIB
"""What an interruption may cost: bytes under way in two kernels when a connection is cut."""

offsets = st.integers(0, 12 * MIB)
harmless = st.one_of(
    offsets.map(lambda at: Fault(origin=Origin.CDN, reset_after=at)),
    offsets.map(lambda at: Fault(origin=Origin.CDN, close_after=at)),
    offsets.map(lambda at: Fault(origin=Origin.CDN, stall_after=at)),
    st.sampled_from([403, 429, 500, 503]).map(lambda status: Fault(origin=Origin.CDN, status=status)),
    st.sampled_from([500, 503]).map(lambda status: Fault(origin=Origin.HUB, status=status)),
    st.sampled_from(Ending).map(lambda ending: Fault(origin=Origin.CDN, before_headers=ending)),
    st.just(Fault(origin=Origin.CDN, html=True)),
    st.just(Fault(origin=Origin.CDN, gzip=True)),
    st.just(Fault(origin=Origin.CDN, shift_range=7)),
    st.just(Fault(origin=Origin.CDN, chunked=True)),
)
struck = st.builds(lambda fault, nth: attrs.evolve(fault, nth=nth, times=1), harmless, st.integers(1, 6))


@attrs.frozen
class Call:
    """One call of fetch: what goes wrong during it, and after how many more bytes it is cancelled."""

    faults: list[Fault]
    cancel_after: int | None
    connections: int
    backend: str


calls = st.builds(
    Call,
    st.lists(struck, max_size=3),
    st.none() | st.integers(0, SIZE),
    st.sampled_from([1, 4, 8]),
    st.sampled_from(["asyncio", "trio"]),
)


async def made(call: Call, hub: LocalHub, file: RemoteFile, blob: Path) -> None:
    """Make the call; it may be cancelled and may use up its retry budget."""

    async def cancel_in_time() -> None:
        if call.cancel_after is not None:
            enough = hub.bytes_sent() + call.cancel_after
            await anyio.to_thread.run_sync(
                lambda: hub.wait_for(lambda: hub.bytes_sent() >= enough, timeout=2)
            )
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel_in_time)
        try:
            await fetch(file, blob, budget=ConnectionBudget(call.connections), retry_seconds=1.0, stall=0.3)
        except PullError as error:
            assert error.recoverable or call.faults  # noqa: PT017 - nonsense struck too often in a row
        tasks.cancel_scope.cancel()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(calls, max_size=3), st.booleans())
def test_any_history_of_faults_and_cancels_ends_in_the_right_bytes(history: list[Call], pinned: bool) -> None:
    content = Blob(SIZE, seed=11)
    with LocalHub() as hub, tempfile.TemporaryDirectory() as folder:
        hub.add_repo("org/m", {"m.gguf": content})
        url = f"{hub.endpoint}/org/m/resolve/main/m.gguf"
        file = RemoteFile("m.gguf", SIZE, content.sha256 if pinned else None, url)
        blob = Path(folder) / "blob"
        hub.fault(Fault(origin=Origin.CDN, bps=60 * MIB))
        for call in history:
            armed = [hub.fault(fault) for fault in call.faults]
            anyio.run(made, call, hub, file, blob, backend=call.backend)
            for fault in armed:
                fault.disarm()
        fetched = anyio.run(fetch, file, blob)
        cuts = sum(call.connections * (call.cancel_after is not None) + len(call.faults) for call in history)

        assert blob.read_bytes() == content.read()
        assert fetched.adopted or (fetched.digest is not None) == pinned
        assert hub.bytes_sent(origin=Origin.CDN) <= SIZE + COST * (cuts + 1)
        assert [path.name for path in Path(folder).iterdir()] == ["blob"]
