"""The event stream, read over real sockets by a client that is not ours."""

import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx_sse
import pytest
from anyio.abc import SocketAttribute

from hostel.plugins.inspector import Inspector
from hostel.plugins.inspector._server.event_stream import EventStreams
from hostel.plugins.inspector._server.tokens import Tokens
from hostel.runtime import Runtime
from hostel.sessions import Progress, TaskSpec, TaskState
from hostel.sessions.json import event_from_json

from ..conftest import Served, client, runtime_with
from ..program import SECONDS

Frame = httpx_sse.ServerSentEvent

# httpx leaves its generators to the collector where a stream is left early, and trio says so
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


@asynccontextmanager
async def stream(
    http: httpx.AsyncClient, query: str = "", last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[Frame]]:
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    async with httpx_sse.aconnect_sse(http, "GET", f"/api/events?{query}", headers=headers) as source:
        assert source.response.status_code == 200, await source.response.aread()
        async with aclosing(source.aiter_sse()) as frames:
            yield frames


async def take(frames: AsyncIterator[Frame], count: int) -> list[Frame]:
    """Return the next `count` frames that carry something."""
    taken: list[Frame] = []
    with anyio.fail_after(SECONDS):
        while len(taken) < count:
            frame = await anext(frames)
            if frame.data:
                taken.append(frame)
    return taken


def streams_of(inspector: Inspector) -> EventStreams:
    assert inspector._api is not None
    return inspector._api.event_streams


async def begin(frames: AsyncIterator[Frame]) -> str:
    """Wait until the stream is in force and return its first cursor."""
    with anyio.fail_after(SECONDS):
        return (await anext(frames)).id


def ids(frame: Frame) -> list[str]:
    return [item["id"] for item in json.loads(frame.data)["items"]]


async def test_what_happens_is_told_as_it_happens(served: Served) -> None:
    async with stream(served.http) as frames:
        await begin(frames)
        await served.host.register_external("s", TaskSpec(id="a", label="one"))
        await served.host.update("a", progress=Progress("half", 1, 2))
        await served.host.complete("a", summary="done")

        told = await take(frames, 3)

    assert [frame.event for frame in told] == ["registered", "progress", "completed"]
    events = [event_from_json(json.loads(frame.data)) for frame in told]
    assert [event.seq for event in events] == [1, 2, 3]
    assert events[-1].record == await served.host.get("a")


async def test_it_resumes_after_the_last_event_seen(served: Served) -> None:
    async with stream(served.http) as frames:
        await begin(frames)
        for number in range(5):
            await served.host.register("s", TaskSpec(id=f"t{number}"))
        cursor = (await take(frames, 2))[-1].id

    async with stream(served.http, last_event_id=cursor) as frames:
        by_header = await take(frames, 3)
    async with stream(served.http, f"after={cursor}") as frames:
        by_query = await take(frames, 3)

    assert [json.loads(frame.data)["task_id"] for frame in by_header] == ["t2", "t3", "t4"]
    assert [frame.data for frame in by_query] == [frame.data for frame in by_header]


async def test_the_first_cursor_comes_before_the_first_event(served: Served) -> None:
    async with stream(served.http) as frames:
        cursor = await begin(frames)
    await served.host.register("s", TaskSpec(id="missed-nothing"))

    async with stream(served.http, last_event_id=cursor) as frames:
        assert json.loads((await take(frames, 1))[0].data)["task_id"] == "missed-nothing"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("session_id=one", ["a", "c", "a"]),
        ("kind=monitor", ["b"]),
        ("state=completed", ["c"]),
        ("parent_task_id=a", ["c", "c"]),
        ("session_id=two", ["b", "a"]),
    ],
)
async def test_streams_are_filtered_and_a_transfer_concerns_both_sides(
    served: Served, query: str, told: list[str]
) -> None:
    async with stream(served.http, query) as frames:
        await begin(frames)
        await served.host.register("one", TaskSpec(id="a"))
        await served.host.register("two", TaskSpec(id="b", kind="monitor"))
        await served.host.register("three", TaskSpec(id="c", parent_task_id="a"))
        if "one" in query:
            await served.host.transfer("c", "one")
        await served.host.complete("c")
        await served.host.transfer("a", "two")

        if "one" in query:
            told = ["a", "c", "c", "a"]
        frames_told = await take(frames, len(told))

    assert [json.loads(frame.data)["task_id"] for frame in frames_told] == told


async def test_a_stream_can_begin_with_a_snapshot_and_leaves_no_hole(served: Served) -> None:
    for number in range(250):
        await served.host.register("s", TaskSpec(id=f"t{number}"))
    await served.host.complete("t0")

    async with stream(served.http, "snapshot=true") as frames:
        parts = await take(frames, 3)
        await served.host.complete("t1")
        after = await take(frames, 1)

    assert [frame.event for frame in parts] == ["snapshot"] * 3
    assert [json.loads(frame.data)["complete"] for frame in parts] == [False, False, True]
    assert [task_id for frame in parts for task_id in ids(frame)] == [f"t{n}" for n in range(1, 250)]
    assert [bool(frame.id) for frame in parts] == [False, False, True]
    assert after[0].event == "completed"


@pytest.mark.parametrize("cursor", ["nonsense", "00000000-1", "", "{run}-x", "{run}-"])
async def test_an_unknown_cursor_gets_missed_and_a_snapshot_never_silence(
    served: Served, cursor: str
) -> None:
    await served.host.register("s", TaskSpec(id="a"))
    async with stream(served.http) as frames:
        run = (await begin(frames)).partition("-")[0]

    async with stream(served.http, f"after={cursor.replace('{run}', run)}") as frames:
        missed, snapshot = await take(frames, 2)
        await served.host.complete("a")
        completed = (await take(frames, 1))[0]

    assert (missed.event, missed.id) == ("missed", "")
    assert (snapshot.event, ids(snapshot)) == ("snapshot", ["a"])
    assert completed.event == "completed"


@pytest.mark.parametrize("after", ["start", "0"])
async def test_the_start_replays_all_that_is_kept_and_nothing_is_missed(served: Served, after: str) -> None:
    for task_id in ("a", "b"):
        await served.host.register("s", TaskSpec(id=task_id))

    async with stream(served.http, f"after={after}&snapshot=true") as frames:
        replayed = await take(frames, 2)
        await served.host.complete("a")
        told = [*replayed, *await take(frames, 1)]

    assert [frame.event for frame in told] == ["registered", "registered", "completed"]
    assert [json.loads(frame.data)["task_id"] for frame in told] == ["a", "b", "a"]


async def test_the_start_says_what_is_no_longer_kept() -> None:
    inspector = Inspector()
    async with SmallRuntime(inspector) as runtime, client(inspector) as http:
        for number in range(20):
            await runtime.tasks.register("s", TaskSpec(id=f"t{number}"))

        async with stream(http, "after=start") as frames:
            missed, snapshot, *kept = await take(frames, 12)

    assert json.loads(missed.data)["count"] == 10
    assert len(ids(snapshot)) == 20
    assert [json.loads(frame.data)["task_id"] for frame in kept] == [f"t{n}" for n in range(10, 20)]


async def test_a_ticket_opens_one_stream_without_a_header(served: Served) -> None:
    made = await served.http.post("/api/events/ticket")
    ticket = made.json()["ticket"]
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False, timeout=SECONDS) as stranger:
        assert (await stranger.get(f"/api/tasks?ticket={ticket}")).status_code == 401
        async with stream(stranger, f"session_id=s&ticket={ticket}") as frames:
            await begin(frames)
            await served.host.register("s", TaskSpec(id="a"))
            [told] = await take(frames, 1)
        again = await stranger.get(f"/api/events?ticket={ticket}")
        nobody = await stranger.post("/api/events/ticket")

    assert made.status_code == 201
    assert json.loads(told.data)["task_id"] == "a"
    assert (again.status_code, nobody.status_code) == (401, 401)
    assert served.inspector.token not in made.text


@pytest.mark.parametrize("query", ["ticket=", "ticket=nonsense", "ticket={ticket}&ticket=x"])
async def test_what_is_no_ticket_opens_nothing(served: Served, query: str) -> None:
    ticket = (await served.http.post("/api/events/ticket")).json()["ticket"]
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False) as stranger:
        answer = await stranger.get(f"/api/events?{query.replace('{ticket}', ticket)}")

    assert answer.status_code == 401


@pytest.mark.virtual_time
async def test_tickets_expire_and_are_not_gathered() -> None:
    tokens = Tokens(None)
    early, late = tokens.ticket(), tokens.ticket()
    await anyio.sleep(29)
    assert tokens.redeem(early)
    await anyio.sleep(2)
    assert not tokens.redeem(late)

    tickets = [tokens.ticket() for _ in range(2_000)]
    assert not tokens.redeem(tickets[0])
    assert tokens.redeem(tickets[-1])


async def test_a_cursor_of_the_future_gets_missed_and_a_snapshot(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="a"))
    async with stream(served.http) as frames:
        run = (await begin(frames)).partition("-")[0]

    async with stream(served.http, f"after={run}-999999") as frames:
        assert [frame.event for frame in await take(frames, 2)] == ["missed", "snapshot"]


async def test_a_cursor_that_is_no_longer_kept_gets_missed_and_a_snapshot() -> None:
    inspector = Inspector()
    async with SmallRuntime(inspector) as runtime, client(inspector) as http:
        async with stream(http) as frames:
            cursor = await begin(frames)
        await runtime.tasks.register_external("s", TaskSpec(id="a"))
        for number in range(50):
            await runtime.tasks.register("s", TaskSpec(id=f"t{number}"))
            await runtime.tasks.complete(f"t{number}")

        async with stream(http, last_event_id=cursor) as frames:
            missed, snapshot = await take(frames, 2)

    assert missed.event == "missed"
    assert json.loads(missed.data)["count"] == 91
    assert (snapshot.event, ids(snapshot)) == ("snapshot", ["a"])


class SmallRuntime(Runtime):
    """Keeps ten events."""

    def __init__(self, *plugins: object) -> None:
        super().__init__(plugins, load_installed=False, blocked=["model_pull"])

    def _host(self) -> Any:
        from hostel.sessions import LocalBackgroundTaskHost

        return LocalBackgroundTaskHost(retain_events=10)


async def test_ten_thousand_events_cut_in_the_middle_come_once_each(served: Served) -> None:
    seen: list[int] = []
    cursor = ""
    async with anyio.create_task_group() as group:
        async with stream(served.http, "snapshot=true") as frames:
            await take(frames, 1)
            group.start_soon(publish, served, 10_000)
            for frame in await take(frames, 3_777):
                seen.append(json.loads(frame.data)["seq"])
                cursor = frame.id
        async with stream(served.http, "snapshot=true", cursor) as frames:
            while len(seen) < 10_000:
                seen.append(json.loads((await take(frames, 1))[0].data)["seq"])

    assert seen == list(range(1, 10_001))


async def publish(served: Served, count: int) -> None:
    for number in range(count):
        await served.host.register("s", TaskSpec(id=f"t{number}"))
        if number % 100 == 0:
            await anyio.lowlevel.checkpoint()


async def test_there_are_only_so_many_streams() -> None:
    inspector = Inspector()
    async with runtime_with(inspector), client(inspector) as http:
        streams_of(inspector)._max_streams = 2
        async with stream(http) as one, stream(http) as two:
            await begin(one)
            await begin(two)
            refused = await http.get("/api/events")
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "5"
        with anyio.fail_after(SECONDS):
            while len(streams_of(inspector)):
                await anyio.lowlevel.checkpoint()
        async with stream(http) as three:
            await begin(three)


async def test_no_stream_is_opened_once_they_were_closed(served: Served) -> None:
    streams_of(served.inspector).close()

    refused = await served.http.get("/api/events")

    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:hostel:problem:too-many-streams"


async def test_streams_end_when_the_runtime_stops() -> None:
    inspector = Inspector()
    async with client_of_later() as http, anyio.create_task_group() as group:
        ended = anyio.Event()
        ready = anyio.Event()

        async def read() -> None:
            async with stream(http) as frames:
                await begin(frames)
                ready.set()
                async for _ in frames:
                    pass
            ended.set()

        async with runtime_with(inspector):
            http.base_url = httpx.URL(inspector.url)
            http.headers["authorization"] = f"Bearer {inspector.token}"
            group.start_soon(read)
            with anyio.fail_after(SECONDS):
                await ready.wait()
        with anyio.fail_after(SECONDS):
            await ended.wait()


def client_of_later() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=SECONDS)


async def test_a_reader_that_goes_is_forgotten(served: Served) -> None:
    async with stream(served.http) as frames:
        await begin(frames)
        assert len(streams_of(served.inspector)) == 1

    with anyio.fail_after(SECONDS):
        while len(streams_of(served.inspector)):
            await anyio.lowlevel.checkpoint()
    record = await served.host.register("s", TaskSpec(id="a"))
    assert record.state is TaskState.PENDING


async def test_a_reader_that_resets_its_connection_is_no_failure(served: Served) -> None:
    port = httpx.URL(served.inspector.url).port
    head = f"Host: localhost\r\nAuthorization: Bearer {served.inspector.token}"
    async with await anyio.connect_tcp("127.0.0.1", port or 0) as reader:
        await reader.send(f"GET /api/events HTTP/1.1\r\n{head}\r\n\r\n".encode())
        with anyio.fail_after(SECONDS):
            while b"\nid: " not in await reader.receive():
                pass
        raw = reader.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with anyio.fail_after(SECONDS):
        while len(streams_of(served.inspector)):
            await anyio.lowlevel.checkpoint()
    await served.http.get("/health")

    assert [info.name for info in served.runtime.plugins if info.failure] == []


async def test_a_peer_that_never_reads_does_not_hold_up_the_others(served: Served) -> None:
    port = httpx.URL(served.inspector.url).port
    head = f"Host: localhost\r\nAuthorization: Bearer {served.inspector.token}"
    asked = f"GET /api/events HTTP/1.1\r\n{head}\r\n\r\n"
    async with await anyio.connect_tcp("127.0.0.1", port or 0) as stuck, stream(served.http) as frames:
        await stuck.send(asked.encode())
        await begin(frames)
        async with anyio.create_task_group() as group:
            group.start_soon(publish, served, 5_000)
            told = await take(frames, 5_000)

    assert [json.loads(frame.data)["seq"] for frame in told] == list(range(1, 5_001))


async def test_asking_for_the_head_of_the_stream_is_answered_at_once(served: Served) -> None:
    with anyio.fail_after(SECONDS):
        head = await served.http.head("/api/events")

    assert head.status_code == 200
    assert head.headers["content-type"] == "text/event-stream"
