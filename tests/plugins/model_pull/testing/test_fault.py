"""Which requests a fault strikes."""

import re
from typing import Any

import httpx
import pytest

from hostel.plugins.model_pull.testing import Fault, LocalHub, Origin


@pytest.fixture(autouse=True)
def repo(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"a b.gguf": b"GGUF", "config.json": b"{}"})


def statuses(client: httpx.Client, count: int) -> list[int]:
    return [client.get("/api/models/org/m").status_code for _ in range(count)]


def test_a_fault_strikes_from_the_nth_match_on_so_many_times(hub: LocalHub, client: httpx.Client) -> None:
    armed = hub.fault(Fault(path="models/org/m$", status=503, nth=2, times=2))

    assert statuses(client, 5) == [200, 503, 503, 200, 200]
    assert armed.hits == 2


def test_a_fault_without_a_count_strikes_until_disarmed(hub: LocalHub, client: httpx.Client) -> None:
    armed = hub.fault(Fault(status=500))
    assert statuses(client, 3) == [500] * 3
    armed.disarm()
    assert statuses(client, 1) == [200]
    hub.fault(Fault(status=500))
    hub.clear_faults()

    assert statuses(client, 1) == [200]
    assert armed.hits == 3


def test_a_fault_looks_at_path_origin_method_and_range(hub: LocalHub, client: httpx.Client) -> None:
    url = client.get("/org/m/resolve/main/a%20b.gguf").headers["Location"]
    faults = {
        "path": hub.fault(Fault(path=r"/a b\.gguf$")),
        "origin": hub.fault(Fault(origin=Origin.CDN)),
        "method": hub.fault(Fault(method="HEAD")),
        "range": hub.fault(Fault(has_range=True)),
        "whole": hub.fault(Fault(has_range=False)),
    }
    client.get("/api/models/org/m")
    client.head("/org/m/resolve/main/a%20b.gguf")
    client.get(url, headers={"Range": "bytes=0-1"})

    assert {name: armed.hits for name, armed in faults.items()} == {
        "path": 2, "origin": 1, "method": 1, "range": 1, "whole": 2,
    }  # fmt: skip


def test_effects_of_several_faults_add_up_and_the_last_armed_wins(
    hub: LocalHub, client: httpx.Client
) -> None:
    hub.fault(Fault(status=503, retry_after=1))
    hub.fault(Fault(retry_after=2))
    answer = client.get("/api/models/org/m")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("wrong", ["nth", "times", "bps"])
def test_a_count_of_nothing_is_refused(wrong: str) -> None:
    counts: dict[str, Any] = {wrong: 0}

    with pytest.raises(ValueError, match="must be"):
        Fault(**counts)


def test_a_path_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(re.error):
        Fault(path="(")
