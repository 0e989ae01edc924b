"""The built-in sources against real servers and folders."""

from itertools import repeat
from pathlib import Path

import pytest
from huggingface_hub.hf_api import RepoFolder

from hostel.plugins.model_pull import (
    AccessDenied,
    BadResponse,
    FolderSource,
    Gated,
    HubSource,
    InvalidReference,
    NotFound,
    RepoNotFound,
    RevisionNotFound,
    Unreachable,
    UrlSource,
    parse_reference,
)
from hostel.plugins.model_pull._sources.base import source_for
from hostel.plugins.model_pull._sources.hub import MOST_FILES, _files
from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin

FILES: dict[str, bytes | Blob] = {"config.json": b"{}", "m-Q8_0.gguf": Blob(size=1 << 20, seed=1)}


def log_in(home: Path, token: str) -> None:
    home.mkdir()
    (home / "token").write_text(f"{token}\n")


async def test_a_repository_is_listed_at_one_commit_with_sizes_and_checksums(hub: LocalHub) -> None:
    sha = hub.add_repo("org/m", FILES)

    files = {file.path: file for file in await HubSource().resolve(parse_reference("org/m"))}

    assert {sha} == {file.commit for file in files.values()}
    assert files["m-Q8_0.gguf"].size == 1 << 20
    assert files["m-Q8_0.gguf"].sha256 is not None
    assert files["config.json"].sha256 is None
    assert files["config.json"].git_oid is not None
    assert files["config.json"].url == f"{hub.endpoint}/org/m/resolve/{sha}/config.json"


async def test_a_branch_a_tag_and_a_commit_each_name_a_revision(hub: LocalHub) -> None:
    first = hub.add_repo("org/m", FILES)
    second = hub.commit("org/m", {"new": b"x"}, revision="dev")
    hub.tag("org/m", "v1", revision="dev")

    for revision, commit in (("main", first), ("dev", second), ("v1", second), (first, first)):
        [file, *_] = await HubSource().resolve(parse_reference(f"org/m@{revision}"))
        assert commit == file.commit


async def test_a_push_while_listing_does_not_mix_two_commits(hub: LocalHub) -> None:
    sha = hub.add_repo("org/m", FILES)

    files = await HubSource().resolve(parse_reference("org/m"))
    hub.commit("org/m", {"m-Q8_0.gguf": Blob(size=5, seed=9)})

    assert all(file.commit == sha and sha in file.url for file in files)


async def test_an_unknown_repository_is_named(hub: LocalHub) -> None:
    with pytest.raises(RepoNotFound, match="org/nope does not exist or is private"):
        await HubSource().resolve(parse_reference("org/nope"))


async def test_an_unknown_revision_is_named(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    with pytest.raises(RevisionNotFound, match="org/m has no revision 'nope'"):
        await HubSource().resolve(parse_reference("org/m@nope"))


async def test_a_gated_repository_says_where_its_conditions_are(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/m", FILES, gated=True)

    with pytest.raises(Gated, match=f"accept its conditions at {hub.endpoint}/org/m"):
        await HubSource().resolve(parse_reference("org/m"))
    monkeypatch.setenv("HF_TOKEN", hub.tokens.member)
    assert await HubSource().resolve(parse_reference("org/m"))


async def test_a_disabled_repository_is_refused(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES, disabled=True)

    with pytest.raises(AccessDenied):
        await HubSource().resolve(parse_reference("org/m"))


async def test_a_token_is_read_from_the_home_of_the_moment(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES, private=True)
    log_in(own_home, hub.tokens.member)

    files = await HubSource().resolve(parse_reference("org/m"))

    assert {f"Bearer {hub.tokens.member}"} == {file.headers["authorization"] for file in files}
    assert hub.tokens.member not in repr(files)


async def test_a_hub_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 cannot be reached"):
        await HubSource().resolve(parse_reference("org/m"))


@pytest.mark.parametrize(
    "endpoint",
    ["not a url", "ftp://x", "127.0.0.1:9", "http://[::1/x", "http://a..b", "http://h:99999", "http://"],
)
async def test_a_wrong_endpoint_is_named(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)

    with pytest.raises(Unreachable, match="HF_ENDPOINT"):
        await HubSource().resolve(parse_reference("org/m"))


async def test_offline_mode_asks_nobody(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(Unreachable, match="HF_HUB_OFFLINE is set"):
        await HubSource().resolve(parse_reference("org/m"))

    assert hub.exchanges() == []


async def test_a_hub_in_trouble_is_asked_again(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    trouble = hub.fault(Fault(path="/api/models/", status=502, times=2))

    assert await HubSource().resolve(parse_reference("org/m"))
    assert trouble.hits == 2


async def test_a_page_instead_of_an_answer_is_no_crash(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(path="/api/models/", status=200))

    with pytest.raises(BadResponse, match="does not speak as a hub"):
        await HubSource().resolve(parse_reference("org/m"))


async def test_long_listings_are_read_page_by_page(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub(page_size=3) as paging:
        monkeypatch.setenv("HF_ENDPOINT", paging.endpoint)
        paging.add_repo("org/m", {f"f{i}": b"x" for i in range(10)})

        assert len(await HubSource().resolve(parse_reference("org/m"))) == 10


async def test_a_url_is_one_file_of_known_size(hub: LocalHub) -> None:
    sha = hub.add_repo("org/m", FILES)
    url = f"{hub.endpoint}/org/m/resolve/{sha}/m-Q8_0.gguf"

    [file] = await UrlSource().resolve(parse_reference(f"{url}?a=b#sha256={'ab' * 32}"))

    assert (file.path, file.size, file.sha256) == ("m-Q8_0.gguf", 1 << 20, "ab" * 32)
    assert file.version is not None


async def test_the_query_of_a_url_stays_with_it(hub: LocalHub) -> None:
    sha = hub.add_repo("org/m", FILES)
    url = f"{hub.endpoint}/org/m/resolve/{sha}/m-Q8_0.gguf?Signature=s3cret&Expires=5"

    [file] = await UrlSource().resolve(parse_reference(url))

    assert file.url == url


async def test_credentials_in_a_url_become_a_header_for_its_origin(hub: LocalHub) -> None:
    sha = hub.add_repo("org/m", FILES)
    url = f"{hub.endpoint}/org/m/resolve/{sha}/m-Q8_0.gguf".replace("http://", "http://user:p%40ss@")

    [file] = await UrlSource().resolve(parse_reference(url))

    assert "user" not in file.url
    assert file.headers == {"Authorization": "Basic dXNlcjpwQHNz"}


async def test_credentials_in_a_url_stay_at_its_origin_when_it_redirects(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    url = f"{hub.endpoint}/org/m/resolve/main/m-Q8_0.gguf".replace("http://", "http://user:pass@")

    await UrlSource().resolve(parse_reference(url))

    [first] = hub.exchanges(origin=Origin.HUB)
    [second] = hub.exchanges(origin=Origin.CDN)
    assert "authorization" in {name.lower() for name in first.request.headers}
    assert "authorization" not in {name.lower() for name in second.request.headers}


async def test_a_url_that_redirects_in_a_circle_is_given_up(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(redirect_loop=True))

    with pytest.raises(BadResponse, match="redirects more than 10 times"):
        await UrlSource().resolve(parse_reference(f"{hub.endpoint}/org/m/resolve/main/m-Q8_0.gguf"))


async def test_a_url_that_leads_nowhere_is_said_so(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    with pytest.raises(NotFound):
        await UrlSource().resolve(parse_reference(f"{hub.endpoint}/org/m/resolve/main/nope.gguf"))
    with pytest.raises(Unreachable):
        await UrlSource().resolve(parse_reference("http://127.0.0.1:9/x"))


async def test_a_page_of_html_is_not_taken_for_a_model(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(path="m-Q8_0", set_headers={"Content-Type": "text/html; charset=utf-8"}))

    with pytest.raises(BadResponse, match="page of HTML"):
        await UrlSource().resolve(parse_reference(f"{hub.endpoint}/org/m/resolve/main/m-Q8_0.gguf"))


async def test_a_folder_is_listed_with_everything_visible_below_it(tmp_path: Path) -> None:
    (tmp_path / "m/sub").mkdir(parents=True)
    for name in ("m/a.gguf", "m/sub/b.json", "m/.hidden"):
        (tmp_path / name).write_text(name)

    files = await FolderSource().resolve(parse_reference(str(tmp_path / "m")))

    assert [(file.path, file.size) for file in files] == [("a.gguf", 8), ("sub/b.json", 12)]
    with pytest.raises(NotFound):
        await FolderSource().resolve(parse_reference(str(tmp_path / "nope")))


def test_a_scheme_without_a_source_is_named() -> None:
    with pytest.raises(InvalidReference, match="no source is registered for s3://"):
        source_for(parse_reference("s3://bucket/m"), [HubSource(), UrlSource(), FolderSource()])


@pytest.mark.parametrize("place", ["http://[::1/x", "http://a..b/", "http://h:99999/", "ftp://x/"])
async def test_a_redirect_to_no_address_is_one_sentence(place: str, hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(status=302, set_headers={"Location": place}))

    for reference in ("org/m", f"{hub.endpoint}/org/m/resolve/main/config.json"):
        source = source_for(parse_reference(reference), [HubSource(), UrlSource()])
        with pytest.raises((BadResponse, Unreachable)):
            await source.resolve(parse_reference(reference))


@pytest.mark.parametrize("size", ["9" * 19, "9" * 5000])
async def test_a_size_that_no_file_has_is_not_known(size: str, hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(set_headers={"Content-Range": f"bytes 0-0/{size}"}))

    [file] = await UrlSource().resolve(parse_reference(f"{hub.endpoint}/org/m/resolve/main/config.json"))

    assert file.size is None


def test_a_listing_of_folders_beyond_the_limit_is_refused_and_never_cut() -> None:
    entry = {"path": "a", "oid": "0" * 40, "type": "directory"}
    folder = RepoFolder(**entry)  # type: ignore[no-untyped-call, unused-ignore]

    with pytest.raises(BadResponse, match="it lists more than 100000 files and folders"):
        _files(repeat(folder, MOST_FILES + 1), "https://hub")
    assert _files(repeat(folder, 3), "https://hub") == []
