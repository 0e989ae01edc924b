"""One remote file becomes one verified local file."""

import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
import pytest

from hostel.plugins.model_pull import AccessDenied, BadResponse, Gated, NotFound, RemoteFile, RepoNotFound
from hostel.plugins.model_pull._engine import (
    ConnectionBudget,
    Fetched,
    FetchPhase,
    FetchProgress,
    Limiter,
    discard_partial,
    fetch,
    partial_of,
)
from hostel.plugins.model_pull._sources.remote_file import DigestAlgorithm
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

Publish = Callable[[Blob | bytes], RemoteFile]


def names(blob: Path) -> list[str]:
    return sorted(path.name for path in blob.parent.iterdir())


def unpinned(file: RemoteFile) -> RemoteFile:
    return attrs.evolve(file, sha256=None, git_oid=None)


async def test_a_large_file_arrives_over_several_connections_verified(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(70 * MIB + 12345, seed=1)
    with anyio.fail_after(60):
        fetched = await fetch(publish(content), blob)

    assert blob.read_bytes() == content.read()
    assert (fetched.path, fetched.size, fetched.resumed, fetched.adopted) == (blob, content.size, 0, False)
    assert fetched.digest is not None
    assert fetched.digest.value == content.sha256
    assert fetched.etag is not None
    assert content.size <= fetched.fetched <= content.size + 8 * MIB
    assert 2 <= hub.peak_responses <= 5
    assert names(blob) == ["blob"]


async def test_a_small_file_is_held_against_the_name_git_gives_it(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    fetched = await fetch(publish(b"{}" * 1000), blob)

    assert blob.read_bytes() == b"{}" * 1000
    assert fetched.digest is not None
    assert fetched.digest.algorithm is DigestAlgorithm.GIT_SHA1
    assert hub.peak_responses == 1


async def test_a_medium_file_takes_one_connection(hub: LocalHub, blob: Path, publish: Publish) -> None:
    await fetch(publish(Blob(31 * MIB)), blob)

    assert len(hub.exchanges(origin=Origin.CDN)) == 1
    assert hub.bytes_sent(origin=Origin.CDN) == 31 * MIB


@pytest.mark.parametrize("size", [0, 1])
async def test_tiny_files_arrive(size: int, blob: Path, publish: Publish) -> None:
    await fetch(publish(Blob(size)), blob)

    assert blob.stat().st_size == size


@pytest.mark.parametrize("size", [0, 1, 40 * MIB])
@pytest.mark.parametrize(
    "fault", [Fault(), Fault(no_range=True), Fault(no_range=True, chunked=True)], ids=str
)
async def test_a_file_of_unknown_size_arrives(
    size: int, fault: Fault, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    hub.fault(attrs.evolve(fault, origin=Origin.CDN))
    content = Blob(size, seed=3)
    with anyio.fail_after(60):
        fetched = await fetch(attrs.evolve(unpinned(publish(content)), size=None), blob)

    assert blob.read_bytes() == content.read()
    assert (fetched.size, fetched.digest) == (size, None)


async def test_the_token_is_shown_to_the_origin_only(hub: LocalHub, blob: Path, publish: Publish) -> None:
    await fetch(publish(Blob(40 * MIB)), blob)
    shown = {one.request.origin: "authorization" in one.request.headers for one in hub.exchanges()}

    assert shown == {Origin.HUB: True, Origin.CDN: False}
    assert all(one.request.headers["accept-encoding"] == "identity" for one in hub.exchanges())


async def test_the_origin_is_asked_once_and_parts_name_the_version_where_no_checksum_decides(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    fetched = await fetch(unpinned(publish(Blob(80 * MIB))), blob)
    first, *others = hub.exchanges(origin=Origin.CDN)

    assert len(hub.exchanges(origin=Origin.HUB)) == 1
    assert "if-range" not in first.request.headers
    assert {one.request.headers["if-range"] for one in others} == {fetched.etag}


async def test_progress_is_monotone_ends_exactly_and_is_not_a_flood(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    hub.fault(Fault(origin=Origin.CDN, bps=20 * MIB))
    seen: list[FetchProgress] = []
    fetched = await fetch(publish(Blob(40 * MIB)), blob, on_progress=seen.append)
    counts = [progress.done for progress in seen]

    assert counts == sorted(counts)
    assert (counts[0], counts[-1], seen[-1].total) == (0, 40 * MIB, 40 * MIB)
    assert seen[-1].phase is FetchPhase.PUBLISHING
    assert len(seen) <= fetched.seconds * 10 + 2
    assert max(progress.connections for progress in seen) >= 2


async def test_a_raising_callback_is_told_once_and_the_file_arrives(blob: Path, publish: Publish) -> None:
    calls: list[FetchProgress] = []

    def fail(progress: FetchProgress) -> None:
        calls.append(progress)
        raise LookupError("mine")

    fetched = await fetch(publish(Blob(5 * MIB)), blob, on_progress=fail)

    assert blob.exists()
    assert len(calls) == 1
    assert isinstance(fetched.callback_error, LookupError)


async def test_an_existing_file_of_the_right_content_is_adopted_without_a_request(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(Blob(5 * MIB))
    blob.write_bytes(Blob(5 * MIB).read())
    fetched = await fetch(file, blob)

    assert fetched.adopted
    assert hub.exchanges() == []


async def test_an_existing_file_of_another_size_is_replaced(blob: Path, publish: Publish) -> None:
    content = Blob(5 * MIB)
    blob.write_bytes(b"junk")
    await fetch(publish(content), blob)

    assert blob.read_bytes() == content.read()


async def test_a_file_that_somebody_else_finishes_meanwhile_is_adopted(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(40 * MIB)
    file = publish(content)
    hub.fault(Fault(origin=Origin.CDN, stall_after=MIB))

    async def finish_it() -> None:
        await anyio.to_thread.run_sync(hub.wait_until_stalled)
        other = blob.with_name("other")
        other.write_bytes(content.read())
        other.rename(blob)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(finish_it)
            fetched = await fetch(file, blob)

    assert fetched.adopted
    assert names(blob) == ["blob"]


async def test_two_calls_for_one_blob_fetch_it_once(hub: LocalHub, blob: Path, publish: Publish) -> None:
    content = Blob(40 * MIB)
    file = publish(content)
    adopted: list[bool] = []
    phases: set[FetchPhase] = set()

    async def one() -> None:
        fetched = await fetch(file, blob, on_progress=lambda progress: phases.add(progress.phase))
        adopted.append(fetched.adopted)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one)

    assert sorted(adopted) == [False, True, True]
    assert FetchPhase.LOCKED_OUT in phases
    assert hub.bytes_sent(origin=Origin.CDN) <= 48 * MIB
    assert names(blob) == ["blob"]


async def test_the_limit_holds_for_all_connections_together(blob: Path, publish: Publish) -> None:
    content = Blob(40 * MIB)
    whole = Limiter(200 * MIB)
    fetched = await fetch(publish(content), blob, limiter=Limiter(40 * MIB, parent=whole))

    assert fetched.seconds >= 0.8
    assert blob.read_bytes() == content.read()


async def test_a_call_takes_no_more_connections_than_it_may(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    await fetch(publish(Blob(40 * MIB)), blob, connections=1)
    assert hub.peak_responses == 1
    blob.unlink()
    hub.clear_log()
    hub.fault(Fault(origin=Origin.CDN, bps=2 * MIB))
    file = RemoteFile("m.gguf", 40 * MIB, None, f"{hub.endpoint}/org/m/resolve/main/m.gguf")
    await fetch(file, blob, budget=ConnectionBudget(8))

    assert 6 <= hub.peak_responses <= 8


async def test_transfers_that_share_a_budget_share_its_connections(hub: LocalHub, blob: Path) -> None:
    hub.add_repo("org/m", {f"{number}.gguf": Blob(40 * MIB, seed=number) for number in range(3)})
    hub.fault(Fault(origin=Origin.CDN, bps=20 * MIB))
    budget = ConnectionBudget(4)

    async def one(number: int) -> None:
        url = f"{hub.endpoint}/org/m/resolve/main/{number}.gguf"
        file = RemoteFile(f"{number}.gguf", 40 * MIB, Blob(40 * MIB, seed=number).sha256, url)
        await fetch(file, blob.with_name(str(number)), budget=budget)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(one, number)

    assert (
        hub.peak_responses <= 7
    )  # a busy server sees for a while what was closed; each alone would take four
    assert names(blob) == ["0", "1", "2"]


async def test_three_calls_for_one_file_fetch_it_once(hub: LocalHub, blob: Path, publish: Publish) -> None:
    file, fetched = publish(Blob(20 * MIB, seed=4)), list[Fetched]()

    async def one() -> None:
        fetched.append(await fetch(file, blob))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one)

    assert sorted(each.adopted for each in fetched) == [False, True, True]
    assert hub.bytes_sent(origin=Origin.CDN) == 20 * MIB


async def test_memory_stays_below_two_mib_per_connection(hub: LocalHub, blob: Path, publish: Publish) -> None:
    file = publish(Blob(100 * MIB))
    hub.fault(Fault(origin=Origin.CDN, bps=50 * MIB))
    tracemalloc.start()
    try:
        await fetch(file, blob, budget=ConnectionBudget(8))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * 2 * MIB


async def test_a_partial_is_told_and_can_be_discarded(hub: LocalHub, blob: Path, publish: Publish) -> None:
    file = publish(Blob(40 * MIB))
    hub.fault(Fault(origin=Origin.CDN, stall_after=3 * MIB))
    assert partial_of(file, blob) is None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch, file, blob)
        await anyio.to_thread.run_sync(hub.wait_until_stalled)
        assert not await discard_partial(blob)
        tasks.cancel_scope.cancel()
    partial = partial_of(file, blob)

    assert partial is not None
    assert 0 < partial.done <= 40 * MIB
    assert partial.allocated >= partial.done
    assert partial_of(attrs.evolve(file, sha256="0" * 64), blob) is None
    assert await discard_partial(blob)
    assert names(blob) == []
    assert not await discard_partial(blob)


@pytest.mark.parametrize(
    ("repo", "path", "token", "error"),
    [
        ("org/none", "x.gguf", "member", RepoNotFound),
        ("org/gated", "x.gguf", "stranger", Gated),
        ("org/gated", "x.gguf", None, Gated),
        ("org/private", "x.gguf", None, RepoNotFound),
        ("org/off", "x.gguf", "member", AccessDenied),
        ("org/gated", "y.gguf", "member", NotFound),
    ],
)
async def test_what_the_origin_refuses_fails_at_once_with_its_reason(
    repo: str, path: str, token: str | None, error: type[Exception], hub: LocalHub, blob: Path
) -> None:
    hub.add_repo("org/gated", {"x.gguf": Blob(MIB)}, gated=True)
    hub.add_repo("org/private", {"x.gguf": Blob(MIB)}, private=True)
    hub.add_repo("org/off", {"x.gguf": Blob(MIB)}, disabled=True)
    headers = {"Authorization": f"Bearer {getattr(hub.tokens, token)}"} if token else {}
    file = RemoteFile(path, MIB, None, f"{hub.endpoint}/{repo}/resolve/main/{path}", headers)
    with anyio.fail_after(60), pytest.raises(error) as caught:
        await fetch(file, blob)

    assert type(caught.value) is error
    assert len(hub.exchanges()) == 1
    assert names(blob) == []


async def test_a_server_that_speaks_something_else_is_told_soon(blob: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def greet() -> None:
            for _ in range(4):
                client, _ = server.accept()
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                client.close()

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.to_thread.run_sync, greet)
                with pytest.raises(BadResponse, match="does not speak"):
                    await fetch(RemoteFile("m", None, None, f"http://127.0.0.1:{port}/m"), blob)


async def test_what_cannot_be_asked_for_is_refused_before_any_request(blob: Path) -> None:
    file = RemoteFile("m", 1, None, "https://hub.invalid/m")
    with pytest.raises(BadResponse):
        await fetch(attrs.evolve(file, url="ftp://hub.invalid/m"), blob)
    with pytest.raises(ValueError, match="header") as caught:
        await fetch(attrs.evolve(file, headers={"Authorization": "Bearer secret\r\nX: y"}), blob)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="connection"):
        await fetch(file, blob, connections=0)
