"""The address that plugins send requests to."""

import pytest

from hostel.runtime import InvalidUpstream, Runtime, Upstream


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "https://models.example", "http://[::1]:1/v1/"])
def test_an_address_of_an_endpoint_is_taken(url: str) -> None:
    assert Upstream(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "models.example",
        "localhost:8000",
        "ftp://models.example",
        "http://",
        "http://host:port",
        "http://host:70000",
        "http://host:0",
        "http://[::1/v1",
        "http://host/v1?key=x",
        "http://host/#v1",
        "http://host/a b",
        "http://host/\n",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(InvalidUpstream):
        Upstream(url)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidUpstream, match="HOSTEL_UPSTREAM_KEY") as refused:
        Upstream("https://me:hidden@models.example/v1")

    assert "hidden" not in str(refused.value)


async def test_an_application_offers_things_before_its_runtime_opens() -> None:
    runtime = Runtime(load_installed=False, blocked=["batch"])
    runtime.offer(Upstream("http://127.0.0.1:9"))

    async with runtime:
        assert runtime.get(Upstream).concurrency == 10
