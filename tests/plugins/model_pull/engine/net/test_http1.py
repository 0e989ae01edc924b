"""The plain connection by itself."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from hostel.plugins.model_pull._engine.net.connection import ConnectionBroken
from hostel.plugins.model_pull._engine.net.http1 import Address, SocketConnection
from hostel.plugins.model_pull._web import Origin, origin_of
from hostel.plugins.model_pull.testing import Blob, Ending, Fault, LocalHub


@pytest.fixture
def reached() -> dict[Origin, Address]:
    return {}


@pytest.fixture
def connection(reached: dict[Origin, Address]) -> Iterator[SocketConnection]:
    connection = SocketConnection(ssl.create_default_context, reached, stall=5)
    yield connection
    connection.close()


def url(hub: LocalHub, size: int = 1000) -> str:
    hub.add_repo("org/m", {"config.json": bytes(size)})
    return f"{hub.endpoint}/org/m/resolve/main/config.json"


def test_a_connection_is_kept_for_the_next_request(connection: SocketConnection, hub: LocalHub) -> None:
    where = url(hub)
    assert [connection.get(where, {}).status for _ in range(3)] == [307] * 3

    assert len({one.request.headers["host"] for one in hub.exchanges()}) == 1
    assert len(hub.exchanges()) == 3


def test_a_kept_connection_that_went_away_is_no_failure(connection: SocketConnection, hub: LocalHub) -> None:
    where = url(hub)
    connection.get(where, {})
    hub.fault(Fault(before_headers=Ending.CLOSE, times=1))
    with pytest.raises(ConnectionBroken) as caught:
        connection.get(where, {})

    assert caught.value.stale
    assert connection.get(where, {}).status == 307


def test_a_dead_address_is_passed_over_and_the_living_one_remembered(
    connection: SocketConnection, hub: LocalHub, reached: dict[Origin, Address]
) -> None:
    where = url(hub)
    origin = origin_of(where)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        reached[origin] = (socket.AF_INET, gone.getsockname())

    assert connection.get(where, {}).status == 307
    assert reached[origin] == (socket.AF_INET, ("127.0.0.1", origin.port))


def test_one_receive_gives_what_is_there_and_no_more_than_asked(
    connection: SocketConnection, hub: LocalHub
) -> None:
    hub.add_repo("org/b", {"m.gguf": Blob(5000)})
    place = connection.get(f"{hub.endpoint}/org/b/resolve/main/m.gguf", {}).headers["location"]
    reply, view = connection.get(place, {}), memoryview(bytearray(9000))
    counts = [reply.readinto(view[:10]), reply.readinto(view)]

    assert counts[0] == 10
    assert 0 < counts[1] <= 4990


def test_a_connection_that_is_cut_stays_dead(connection: SocketConnection, hub: LocalHub) -> None:
    connection.cut()
    with pytest.raises(ConnectionBroken):
        connection.get(url(hub), {})

    assert hub.exchanges() == []


def test_cutting_wakes_whoever_waits_for_bytes(connection: SocketConnection, hub: LocalHub) -> None:
    hub.fault(Fault(first_byte_after=60))
    where = url(hub)

    def ask() -> None:
        with pytest.raises(ConnectionBroken):
            connection.get(where, {})

    waiting = threading.Thread(target=ask)
    waiting.start()
    assert hub.wait_for(lambda: len(hub.exchanges()) == 1)
    connection.cut()
    waiting.join(3)

    assert not waiting.is_alive()
