"""Every fault of a hub or a network ends in right bytes or in a typed error, never in a wrong file.

Faults are met in worker threads, below any event loop, so the single tests here run on one of the two.
"""

import email.utils
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from hostel.plugins.model_pull import (
    AccessDenied,
    BadResponse,
    ContentChanged,
    IntegrityFailed,
    PullError,
    RemoteFile,
    TransferFailed,
)
from hostel.plugins.model_pull._engine import Fetched, FetchProgress, fetch
from hostel.plugins.model_pull.testing import MIB, Blob, Ending, Fault, LocalHub, Origin

Publish = Callable[[Blob | bytes], RemoteFile]

SMALL, LARGE = Blob(20 * MIB, seed=5), Blob(40 * MIB, seed=6)
OTHER = Blob(LARGE.size, seed=7)


def cdn(**effects: object) -> Fault:
    return Fault(origin=Origin.CDN, **effects)  # type: ignore[arg-type]


def hub_(**effects: object) -> Fault:
    return Fault(origin=Origin.HUB, **effects)  # type: ignore[arg-type]


def unpinned(file: RemoteFile) -> RemoteFile:
    return attrs.evolve(file, sha256=None)


Pull = Callable[..., Fetched]


@pytest.fixture
def pull(blob: Path, request: pytest.FixtureRequest) -> Pull:
    """Fetch to `blob` on one of the loops, within a minute."""
    backend = ["asyncio", "trio"][len(request.node.name) % 2]

    def pull(file: RemoteFile, **options: Any) -> Fetched:
        async def bounded() -> Fetched:
            with anyio.fail_after(60):
                return await fetch(file, blob, **options)

        return anyio.run(bounded, backend=backend)

    return pull


PASSING = {
    "reset in the middle": cdn(reset_after=7 * MIB, times=2),
    "reset before the headers": cdn(before_headers=Ending.RESET, times=1),
    "hang-up before the headers": cdn(before_headers=Ending.CLOSE, times=2),
    "reset at the origin": hub_(before_headers=Ending.RESET, times=1),
    "short body": cdn(close_after=7 * MIB, times=2),
    "empty body": cdn(close_after=0, times=1),
    "no ranges": cdn(no_range=True),
    "no ranges on a retry": cdn(no_range=True, nth=2, times=1),
    "no ranges, cut in the middle": cdn(no_range=True, close_after=13 * MIB, times=1),
    "no ranges, chunked": cdn(no_range=True, chunked=True),
    "no ranges, no length": cdn(no_range=True, drop_headers=("content-length",)),
    "parts without a length": cdn(drop_headers=("content-length",)),
    "parts in chunks": cdn(chunked=True),
    "no etag": cdn(drop_headers=("ETag",)),
    "status 500": cdn(status=500, times=1),
    "status 503": cdn(status=503, times=1),
    "status 503 at the origin": hub_(status=503, times=1),
    "status 429 with seconds": cdn(status=429, retry_after=1, times=1),
    "status 429 with a ratelimit": cdn(status=429, ratelimit_reset=1, times=1),
    "a CDN url that is refused": cdn(status=403, times=1),
    "a web page once": cdn(html=True, times=1),
    "gzip once": cdn(gzip=True, times=1),
    "a shifted range once": cdn(shift_range=1, times=1),
    "a longer length once": cdn(length_off_by=100, times=1),
    "a shorter length once": cdn(length_off_by=-100, times=1),
    "a redirect loop once at the CDN": cdn(redirect_loop=True, times=1, nth=2),
    "another object for one part": cdn(changed=OTHER, nth=2, times=1),
    "416 once": cdn(status=416, times=1),
    "a flipped byte once": cdn(corrupt_at=9 * MIB, times=1),
    "one flipped byte that the range path always has": cdn(corrupt_at=9 * MIB, has_range=True),
    "one object under the old etag once": cdn(changed=OTHER, keep_etag=True, times=1),
    "a size of 5,000 digits at the origin": hub_(set_headers={"X-Linked-Size": "9" * 5000}),
    "a length of 5,000 digits": cdn(set_headers={"Content-Length": "9" * 5000}, no_range=True),
}


async def test_right_bytes_in_spite_of_every_fault(tmp_path: Path) -> None:
    """Eight at a time: most of it is waiting for the next try."""
    wrong: dict[str, BaseException] = {}
    gate = anyio.CapacityLimiter(8)

    async def one(name: str, content: Blob) -> None:
        async with gate:
            (tmp_path / name).mkdir()
            try:
                await survive(PASSING[name], content, tmp_path / name / "blob")
            except (AssertionError, PullError, TimeoutError) as error:
                wrong[name] = error

    async with anyio.create_task_group() as tasks:
        for number, (name, fault) in enumerate(PASSING.items()):
            tasks.start_soon(one, name, LARGE if number % 2 or fault.nth > 1 else SMALL)

    assert wrong == {}


async def survive(fault: Fault, content: Blob, blob: Path) -> None:
    seen: list[FetchProgress] = []
    with LocalHub() as hub, anyio.fail_after(60):
        hub.add_repo("org/m", {"m.gguf": content})
        if fault.changed is not None:
            fault = attrs.evolve(fault, changed=attrs.evolve(content, seed=99))
        armed = hub.fault(fault)
        url = f"{hub.endpoint}/org/m/resolve/main/m.gguf"
        file = RemoteFile("m.gguf", content.size, content.sha256, url)
        await fetch(file, blob, on_progress=seen.append)

        assert armed.hits > 0
        assert hub.bytes_sent(origin=Origin.CDN) <= 3 * content.size
    assert blob.read_bytes() == content.read()
    assert [path.name for path in blob.parent.iterdir()] == ["blob"]
    counts = [progress.done for progress in seen]
    assert counts == sorted(counts)


FAILING: dict[str, tuple[Fault, type[PullError]]] = {
    "always a web page": (cdn(html=True), PullError),
    "always gzip": (cdn(gzip=True), BadResponse),
    "always shifted ranges": (cdn(shift_range=1), BadResponse),
    "a redirect loop": (hub_(redirect_loop=True), BadResponse),
    "always refused by the CDN": (cdn(status=403), BadResponse),
    "gone from the CDN": (cdn(status=404), BadResponse),
    "always damaged": (cdn(corrupt_at=9 * MIB), IntegrityFailed),
    "another object, same size and etag": (cdn(changed=OTHER, keep_etag=True), IntegrityFailed),
    "another object of another size": (cdn(changed=Blob(MIB)), ContentChanged),
    "another checksum at the origin": (hub_(set_headers={"X-Linked-Etag": f'"{"0" * 64}"'}), ContentChanged),
    "another size at the origin": (hub_(set_headers={"X-Linked-Size": "5"}), ContentChanged),
    "refused by the origin": (hub_(status=403), AccessDenied),
    "status 418": (cdn(status=418), BadResponse),
    "always a shorter length": (cdn(length_off_by=-100), BadResponse),
    "always a longer length": (cdn(length_off_by=100), PullError),
    "always a shorter length, without ranges": (cdn(length_off_by=-100, no_range=True), ContentChanged),
    "always status 503": (cdn(status=503), TransferFailed),
    "always a reset": (cdn(reset_after=0), TransferFailed),
    "a redirect to half an address": (
        hub_(status=302, set_headers={"Location": "http://[::1/x"}),
        BadResponse,
    ),
    "a redirect to no host name": (hub_(status=302, set_headers={"Location": "http://a..b/"}), BadResponse),
    "a redirect to no port": (hub_(status=302, set_headers={"Location": "http://h:99999/"}), BadResponse),
    "a part of 5,000 digits": (cdn(set_headers={"Content-Range": f"bytes 0-1/{'9' * 5000}"}), BadResponse),
    "416 for 5,000 digits": (
        cdn(status=416, set_headers={"Content-Range": f"bytes */{'9' * 5000}"}),
        BadResponse,
    ),
    "429 until the end of time": (cdn(status=429, retry_after="9" * 5000), TransferFailed),
    "503 until a day that no calendar has": (
        cdn(status=503, retry_after="Mon, 01 Jan 99999999999 00:00:00 GMT"),
        TransferFailed,
    ),
}


@pytest.mark.parametrize(("fault", "error"), FAILING.values(), ids=FAILING.keys())
def test_a_typed_error_and_no_file_for(
    fault: Fault, error: type[PullError], hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = publish(SMALL)
    if fault.changed is not None and fault.changed.size == OTHER.size:
        fault = attrs.evolve(fault, changed=attrs.evolve(SMALL, seed=99))
    hub.fault(fault)
    with pytest.raises(error) as caught:
        pull(file, retry_seconds=0.2 if error is not IntegrityFailed else 5)

    assert isinstance(caught.value, error)
    assert not blob.exists()
    assert "Signature" not in str(caught.value)


def test_nonsense_is_asked_about_a_few_times_only(hub: LocalHub, publish: Publish, pull: Pull) -> None:
    hub.fault(cdn(gzip=True))
    with pytest.raises(BadResponse):
        pull(publish(SMALL))

    assert len(hub.exchanges(origin=Origin.CDN)) == 4


def test_the_damaged_file_is_named_with_both_checksums(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(corrupt_at=5))
    with pytest.raises(IntegrityFailed) as caught:
        pull(publish(SMALL))

    assert caught.value.expected == SMALL.sha256
    assert len(caught.value.actual) == 64
    assert caught.value.actual != SMALL.sha256
    assert list(blob.parent.iterdir()) == []
    assert [one.request.range for one in hub.exchanges(origin=Origin.CDN)][-1] is None
    assert len(hub.exchanges(origin=Origin.HUB)) == 2


def test_an_expired_url_is_renewed_without_patience(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = publish(LARGE)
    hub.fault(cdn(status=403, nth=2, times=1))
    pull(file, retry_seconds=0)

    assert blob.read_bytes() == LARGE.read()
    assert len(hub.exchanges(origin=Origin.HUB)) == 2


def test_what_is_in_place_is_not_written_again(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(no_range=True))
    hub.fault(cdn(close_after=13 * MIB, times=1))
    hub.fault(cdn(corrupt_at=5 * MIB, nth=2))
    pull(publish(SMALL))

    assert blob.read_bytes() == SMALL.read()


def test_fetching_the_same_bytes_again_and_again_is_no_progress(
    hub: LocalHub, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(no_range=True, close_after=5 * MIB))
    with pytest.raises(TransferFailed, match="ended early"):
        pull(publish(SMALL), retry_seconds=1.5)


def test_urls_that_live_for_a_moment_are_renewed_again_and_again(pull: Pull) -> None:
    with LocalHub(url_ttl=2.0) as hub:
        hub.add_repo("org/m", {"m.gguf": Blob(100 * MIB)})
        hub.fault(cdn(bps=6 * MIB))
        url = f"{hub.endpoint}/org/m/resolve/main/m.gguf"
        pull(RemoteFile("m.gguf", 100 * MIB, Blob(100 * MIB).sha256, url))

        assert len(hub.exchanges(origin=Origin.HUB)) > 1


def test_a_silent_connection_is_replaced_and_keeps_what_it_brought(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(stall_after=7 * MIB, times=1))
    pull(publish(SMALL), stall=3)

    assert blob.read_bytes() == SMALL.read()
    assert hub.exchanges(origin=Origin.CDN)[1].request.range == f"bytes={7 * MIB}-{SMALL.size - 1}"


def test_silence_before_the_first_byte_is_a_stall_too(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(hub_(first_byte_after=600, times=1))
    hub.fault(cdn(first_byte_after=600, times=1))
    pull(publish(SMALL), stall=1)

    assert blob.read_bytes() == SMALL.read()


def test_patience_is_time_without_a_byte_and_bytes_renew_it(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(close_after=MIB))
    fetched = pull(publish(SMALL), retry_seconds=4)

    assert fetched.seconds > 4
    assert blob.read_bytes() == SMALL.read()


def test_patience_ends_with_the_last_reason_and_keeps_the_bytes(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = publish(SMALL)
    hub.fault(cdn(reset_after=7 * MIB, times=1))
    armed = hub.fault(cdn(status=502, nth=2))
    with pytest.raises(TransferFailed) as caught:
        pull(file, retry_seconds=2.0)

    assert caught.value.reason == "status 502"
    assert caught.value.seconds >= 1.9
    assert armed.hits >= 1
    armed.disarm()
    fetched = pull(file)
    assert fetched.resumed == 7 * MIB
    assert fetched.fetched == 13 * MIB


def test_no_patience_allows_exactly_one_try(hub: LocalHub, blob: Path, publish: Publish, pull: Pull) -> None:
    hub.fault(cdn(status=500))
    with pytest.raises(TransferFailed):
        pull(publish(SMALL), retry_seconds=0)

    assert len(hub.exchanges(origin=Origin.CDN)) == 1


def test_a_server_that_asks_for_more_than_the_patience_fails_at_once(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(status=429, retry_after=email.utils.formatdate(time.time() + 3600, usegmt=True)))
    with pytest.raises(TransferFailed) as caught:
        pull(publish(SMALL))

    assert "429" in str(caught.value)


def test_a_date_to_come_back_at_is_kept(hub: LocalHub, blob: Path, publish: Publish, pull: Pull) -> None:
    date = email.utils.formatdate(time.time() + 5, usegmt=True)
    hub.fault(cdn(status=503, retry_after=date, times=1))
    fetched = pull(publish(SMALL))

    assert fetched.seconds >= 0.8


def test_trouble_is_told_while_it_lasts(hub: LocalHub, blob: Path, publish: Publish, pull: Pull) -> None:
    hub.fault(cdn(status=503, retry_after=2, times=1))
    seen: list[FetchProgress] = []
    pull(publish(SMALL), on_progress=seen.append)

    assert "status 503" in {progress.trouble for progress in seen}
    assert seen[-1].trouble is None


def test_an_unpinned_file_that_changes_meanwhile_is_begun_anew_not_spliced(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = unpinned(publish(LARGE))
    hub.fault(cdn(close_after=5 * MIB, times=1))
    hub.fault(cdn(changed=OTHER, nth=2))
    fetched = pull(file)

    assert blob.read_bytes() == OTHER.read()
    assert fetched.attempts == 2


def test_an_unpinned_file_that_never_stops_changing_is_given_up(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = unpinned(publish(SMALL))
    for number in range(20):
        other = Blob(SMALL.size, seed=100 + number)
        hub.fault(cdn(changed=other, close_after=5 * MIB, nth=number + 1, times=1))
    with pytest.raises(ContentChanged) as caught:
        pull(file)

    assert caught.value.recoverable
    assert list(blob.parent.iterdir()) == []


def test_without_ranges_and_version_a_cut_file_is_begun_anew(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = unpinned(publish(LARGE))
    hub.fault(cdn(no_range=True, drop_headers=("ETag",)))
    hub.fault(cdn(close_after=5 * MIB, times=1))
    hub.fault(cdn(changed=OTHER, nth=2))
    fetched = pull(file)

    assert blob.read_bytes() == OTHER.read()
    assert fetched.attempts == 2


def test_resets_halve_the_connections(hub: LocalHub, blob: Path, publish: Publish, pull: Pull) -> None:
    file = publish(Blob(120 * MIB))
    hub.fault(cdn(bps=40 * MIB))
    hub.fault(cdn(reset_after=MIB, nth=3, times=1))
    seen: list[FetchProgress] = []
    fetched: Fetched = pull(file, on_progress=seen.append)

    assert fetched.digest is not None
    assert max(progress.connections for progress in seen) >= 3
    assert next(progress.connections for progress in seen if progress.done > 80 * MIB) <= 2


def test_a_partial_that_is_longer_than_what_the_file_became_is_not_taken_for_it(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = attrs.evolve(unpinned(publish(LARGE)), size=None)
    hub.fault(cdn(close_after=15 * MIB, times=1))
    down = hub.fault(cdn(status=500, nth=2))
    with pytest.raises(TransferFailed):
        pull(file, retry_seconds=0.5)
    down.disarm()
    shorter = Blob(10 * MIB, seed=8)
    hub.overwrite("org/m", "m.gguf", shorter)
    fetched = pull(file)

    assert blob.read_bytes() == shorter.read()
    assert fetched.size == shorter.size


def test_a_server_that_sends_everything_again_is_never_counted_beyond_the_total(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    hub.fault(cdn(close_after=7 * MIB, times=1))
    hub.fault(cdn(no_range=True, nth=2))
    seen: list[FetchProgress] = []
    pull(publish(SMALL), on_progress=seen.append)

    assert blob.read_bytes() == SMALL.read()
    assert max(progress.done for progress in seen) == SMALL.size


def test_a_body_that_ends_early_is_never_a_file(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = attrs.evolve(unpinned(publish(SMALL)), size=None)
    hub.fault(cdn(close_after=7 * MIB, times=1))
    hub.fault(cdn(close_after=0, nth=2))
    with pytest.raises(TransferFailed):
        pull(file, retry_seconds=0.5)

    assert not blob.exists()


ODD = {
    "an error page with status 200": cdn(
        set_headers={"Content-Type": "text/plain"}, changed=Blob.of(b"try later")
    ),
    "a web page with status 200": cdn(html=True),
    "another size": cdn(changed=Blob(MIB)),
    "another etag each time": cdn(set_headers={"ETag": '"another"'}, status=502),
    "gone": cdn(status=410),
    "a redirect to nowhere": hub_(status=302, set_headers={"Location": "http://a..b/"}),
}


@pytest.mark.parametrize("fault", ODD.values(), ids=ODD.keys())
def test_what_is_here_is_kept_through_odd_answers(
    fault: Fault, hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = publish(SMALL)
    leave_half(hub, file, pull)
    odd = hub.fault(fault)
    with pytest.raises(PullError):
        pull(file, retry_seconds=0.2)
    assert odd.hits > 0
    odd.disarm()

    assert pull(file).resumed == 7 * MIB
    assert blob.read_bytes() == SMALL.read()


def leave_half(hub: LocalHub, file: RemoteFile, pull: Pull) -> None:
    """Fetch the first 7 MiB, then fail."""
    cut, down = hub.fault(cdn(reset_after=7 * MIB, times=1)), hub.fault(cdn(status=502, nth=2))
    with pytest.raises(TransferFailed):
        pull(file, retry_seconds=0)
    cut.disarm()
    down.disarm()


def test_backends_that_disagree_about_the_etag_are_all_believed_where_a_checksum_decides(
    hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = publish(LARGE)
    for number in range(40):
        hub.fault(cdn(set_headers={"ETag": f'"backend {number % 2}"'}, nth=number + 1, times=1))
    hub.fault(cdn(close_after=2 * MIB, times=15))
    fetched = pull(file)

    assert blob.read_bytes() == LARGE.read()
    assert (fetched.attempts, fetched.fetched) == (1, LARGE.size)


@pytest.mark.parametrize(
    "headers", [{"X-Linked-Etag": f'"{"0" * 64}"'}, {"X-Linked-Size": "5"}], ids=["checksum", "size"]
)
def test_what_is_here_goes_when_the_origin_names_another_content(
    headers: dict[str, str], hub: LocalHub, blob: Path, publish: Publish, pull: Pull
) -> None:
    file = publish(SMALL)
    leave_half(hub, file, pull)
    hub.fault(hub_(set_headers=headers))
    with pytest.raises(ContentChanged):
        pull(file)

    assert list(blob.parent.iterdir()) == []
