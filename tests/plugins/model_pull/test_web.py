import pytest

from hostel.plugins.model_pull import BadResponse
from hostel.plugins.model_pull._web import Origin, origin_of, proxy_for, redirected, target_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://hub.example/x", Origin("https", "hub.example", 443)),
        ("http://HUB.example:81/x?y", Origin("http", "hub.example", 81)),
        ("http://[::1]:8080/", Origin("http", "::1", 8080)),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hub/x",
        "file:///etc/passwd",
        "//hub/x",
        "https:///x",
        "http://hub:99999/",
        "http://[::1/x",
        "http://a..b/",
        f"http://{'a' * 64}.example/",
        "x",
    ],
)
def test_other_urls_are_refused_by_name(url: str) -> None:
    with pytest.raises(BadResponse) as refused:
        origin_of(url)

    assert url.removesuffix("/") in str(refused.value)


def test_a_refused_url_is_named_without_its_secrets() -> None:
    for url in ("http://me:secret@hub:99999/x?sig=secret", "http://me:secret@[::1/x?sig=secret"):
        with pytest.raises(BadResponse) as refused:
            origin_of(url)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a/x/y", "z?q=1", "https://a/x/z?q=1"),
        ("https://a/x", "//b/z", "https://b/z"),
        ("http://a/x", "https://b/z", "https://b/z"),
        ("https://a/x", "http://127.0.0.1:8000/z", "http://127.0.0.1:8000/z"),
        ("https://a/x", "http://[::1]/z", "http://[::1]/z"),
        ("https://a/x", "https://b/m%20d\xc3\xa9l.gguf?a=%2F", "https://b/m%20d%C3%A9l.gguf?a=%2F"),
    ],
)
def test_a_redirect_is_followed(url: str, location: str, target: str) -> None:
    assert redirected(url, location) == target


@pytest.mark.parametrize(
    "location",
    ["http://b/z", "http://127.0.0.1.evil.example/z", "ftp://b/z", "file:///etc/passwd", "http://[::1/x"],
)
def test_a_redirect_that_gives_up_encryption_or_http_is_refused(location: str) -> None:
    with pytest.raises(BadResponse):
        redirected("https://a/x", location)


def test_what_goes_into_a_request_line_cannot_break_out_of_it() -> None:
    assert target_of("https://a") == "/"
    assert target_of("https://a/ä b?x=1") == "/%C3%A4%20b?x=1"
    assert target_of(redirected("https://a/", "/x\r\nEvil: 1")).isprintable()


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_for("https://hub/x") is None

    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,.inside.example")
    assert proxy_for("https://hub/x") == "http://proxy.example:3128"
    assert proxy_for("http://hub/x") is None
    assert proxy_for("https://cdn.inside.example/x") is None

    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example")
    assert proxy_for("http://hub/x") == "socks5://proxy.example"
