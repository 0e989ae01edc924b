"""The JSON API and the /resolve urls of the hub origin."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hostel.plugins.model_pull.testing import Blob, LocalHub

WEIGHTS = Blob(size=100_000, seed=7)
FILES: dict[str, bytes | Blob] = {
    "config.json": b"{}",
    "BF16/m-00001-of-00002.gguf": WEIGHTS,
    "BF16/m-00002-of-00002.gguf": b"GGUF tail",
    "docs/a/b.md": b"deep",
}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_model_info_names_the_commit_and_tells_sizes_only_when_asked(
    hub: LocalHub, client: httpx.Client
) -> None:
    commit = hub.add_repo("org/m", FILES)
    plain = client.get("/api/models/org/m").json()
    full = client.get("/api/models/org/m/revision/main?blobs=True").json()

    assert plain["sha"] == full["sha"] == commit
    assert {"rfilename": "config.json"} in plain["siblings"]
    weights = next(row for row in full["siblings"] if row["rfilename"].startswith("BF16/m-00001"))
    assert weights["lfs"] == {"sha256": WEIGHTS.sha256, "size": WEIGHTS.size, "pointerSize": 131}
    assert weights["size"] == WEIGHTS.size


def test_a_tree_comes_in_pages_that_link_to_the_next(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", FILES)
    pages, url = [], "/api/models/org/m/tree/main?recursive=true"
    while url:
        answer = client.get(url)
        pages.append(answer.json())
        url = answer.links.get("next", {}).get("url", "")

    assert [len(page) for page in pages] == [3, 3, 1]
    entries = {entry["path"]: entry for page in pages for entry in page}
    assert set(entries) == {*FILES, "BF16", "docs", "docs/a"}
    assert entries["docs"]["type"] == "directory"
    assert entries["BF16/m-00001-of-00002.gguf"]["lfs"]["oid"] == WEIGHTS.sha256
    assert entries["config.json"]["oid"] == "9e26dfeeb6e641a33dae4961196235bdb965b21b"


def test_a_tree_without_recursion_lists_one_folder(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", FILES)

    def paths(url: str) -> list[str]:
        return [entry["path"] for entry in client.get(url).json()]

    assert paths("/api/models/org/m/tree/main") == ["BF16", "config.json", "docs"]
    assert paths("/api/models/org/m/tree/main/docs") == ["docs/a"]
    assert paths("/api/models/org/m/tree/main/docs%2Fa/") == ["docs/a/b.md"]


def test_paths_info_answers_forms_and_json_and_leaves_out_the_unknown(
    hub: LocalHub, client: httpx.Client
) -> None:
    hub.add_repo("org/m", FILES)
    asked = ["config.json", "docs", "no/such"]
    url = "/api/models/org/m/paths-info/main"
    answers: list[Any] = [client.post(url, data={"paths": asked}), client.post(url, json={"paths": asked})]

    for answer in answers:
        assert [(row["type"], row["path"]) for row in answer.json()] == [
            ("file", "config.json"),
            ("directory", "docs"),
        ]


def test_revisions_are_branches_tags_refs_and_shas(hub: LocalHub, client: httpx.Client) -> None:
    first = hub.add_repo("org/m", FILES)
    hub.tag("org/m", "v1")
    second = hub.commit("org/m", {"config.json": b"{2}", "docs/a/b.md": None})
    pr = hub.commit("org/m", {"new.txt": b"n"}, revision="refs/pr/1")

    def sha(revision: str) -> str:
        return str(client.get(f"/api/models/org/m/revision/{revision}").json()["sha"])

    assert [sha(name) for name in ("main", "v1", "refs%2Fheads%2Fmain", "refs%2Fpr%2F1", first)] == [
        second, first, second, pr, first,
    ]  # fmt: skip
    refs = client.get("/api/models/org/m/refs").json()
    assert refs["tags"] == [{"name": "v1", "ref": "refs/tags/v1", "targetCommit": first}]
    assert refs["branches"] == [{"name": "main", "ref": "refs/heads/main", "targetCommit": second}]
    assert client.get("/org/m/resolve/main/docs/a/b.md").headers["X-Error-Code"] == "EntryNotFound"
    assert client.get("/org/m/resolve/v1/docs/a/b.md").status_code == 307


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_large_file_redirects_to_a_signed_url_elsewhere(
    hub: LocalHub, client: httpx.Client, method: str
) -> None:
    commit = hub.add_repo("org/m", FILES)
    answer = client.request(method, "/org/m/resolve/main/BF16/m-00001-of-00002.gguf")
    location = httpx.URL(answer.headers["Location"])

    assert answer.status_code == 302
    assert location.host != httpx.URL(hub.endpoint).host
    assert {"Expires", "Signature"} <= set(location.params)
    assert answer.headers["X-Repo-Commit"] == commit
    assert answer.headers["X-Linked-Size"] == str(WEIGHTS.size)
    assert answer.headers["X-Linked-Etag"] == f'"{WEIGHTS.sha256}"'
    assert WEIGHTS.sha256 not in answer.headers["ETag"]


def test_a_small_file_redirects_on_the_same_origin(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", FILES)
    answer = client.get("/org/m/resolve/main/config.json")
    content = client.get(answer.headers["Location"])

    assert answer.status_code == 307
    assert answer.headers["Location"].startswith("/api/resolve-cache/")
    assert (content.status_code, content.content) == (200, b"{}")
    assert (
        content.headers["ETag"]
        == answer.headers["X-Linked-Etag"]
        == '"9e26dfeeb6e641a33dae4961196235bdb965b21b"'
    )


def test_overwriting_changes_content_and_keeps_the_commit(hub: LocalHub, client: httpx.Client) -> None:
    commit = hub.add_repo("org/m", FILES)
    hub.overwrite("org/m", "config.json", b"{3}")
    answer = client.get("/org/m/resolve/main/config.json", follow_redirects=True)

    assert answer.content == b"{3}"
    assert answer.headers["X-Repo-Commit"] == commit


MEMBER, STRANGER, ANONYMOUS = bearer("hf_local_member"), bearer("hf_local_stranger"), dict[str, str]()


@pytest.mark.parametrize(
    ("repo", "headers", "status", "code"),
    [
        ("no/such", ANONYMOUS, 401, "RepoNotFound"),
        ("no/such", MEMBER, 404, "RepoNotFound"),
        ("org/private", ANONYMOUS, 401, "RepoNotFound"),
        ("org/private", STRANGER, 404, "RepoNotFound"),
        ("org/private", MEMBER, 307, None),
        ("org/gated", ANONYMOUS, 401, "GatedRepo"),
        ("org/gated", STRANGER, 403, "GatedRepo"),
        ("org/gated", MEMBER, 307, None),
        ("org/disabled", MEMBER, 403, None),
        ("org/open", bearer("hf_wrong"), 401, None),
    ],
)
def test_access_follows_the_token(
    hub: LocalHub, client: httpx.Client, repo: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    hub.add_repo("org/open", FILES)
    hub.add_repo("org/private", FILES, private=True)
    hub.add_repo("org/gated", FILES, gated=True)
    hub.add_repo("org/disabled", FILES, disabled=True)
    answer = client.get(f"/{repo}/resolve/main/config.json", headers=headers)

    assert answer.status_code == status
    assert answer.headers.get("X-Error-Code") == code


def test_refusals_say_why(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/disabled", FILES, disabled=True)
    hub.add_repo("org/m", FILES)
    missing = client.get("/org/m/resolve/main/none.txt")

    def message(url: str, **headers: str) -> str:
        return client.get(url, headers=headers).headers["X-Error-Message"]

    assert message("/api/models/org/disabled") == "Access to this resource is disabled."
    assert message("/api/models/org/m", **bearer("bad")) == "Invalid credentials in Authorization header"
    assert client.get("/api/models/org/m/tree/nope").headers["X-Error-Code"] == "RevisionNotFound"
    assert (missing.status_code, missing.headers["X-Error-Code"]) == (404, "EntryNotFound")
    assert len(missing.headers["X-Repo-Commit"]) == 40


def test_whoami_and_auth_check(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/gated", FILES, gated=True)

    assert client.get("/api/whoami-v2", headers=MEMBER).json()["name"] == "member"
    assert client.get("/api/whoami-v2").status_code == 401
    assert client.get("/api/models/org/gated/auth-check", headers=MEMBER).status_code == 200
    assert client.get("/api/models/org/gated/auth-check", headers=STRANGER).status_code == 403


def test_search_lists_what_the_token_may_see(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/tiny-llama", FILES)
    hub.add_repo("org/secret-llama", FILES, private=True)
    hub.add_repo("org/other", FILES)

    def found(**headers: str) -> list[str]:
        return [row["id"] for row in client.get("/api/models?search=LLAMA", headers=headers).json()]

    assert found() == ["org/tiny-llama"]
    assert found(**MEMBER) == ["org/tiny-llama", "org/secret-llama"]


def test_a_repo_id_is_owner_and_name_and_taken_once(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    for wrong in ("m", "a/b/c", "org/m"):
        with pytest.raises(ValueError, match=wrong):
            hub.add_repo(wrong, FILES)
    with pytest.raises(LookupError, match="no revision 'nope'"):
        hub.tag("org/m", "v1", revision="nope")


ODD_NAMES = ["a b.txt", "50%.gguf", "a+b (1).gguf", "é/ü.gguf", "x?y#z.txt", "q&r=s.gguf", "..x.txt"]


@pytest.mark.parametrize("path", ODD_NAMES)
def test_names_survive_every_encoding(hub: LocalHub, client: httpx.Client, path: str) -> None:
    hub.add_repo("org/m", {path: path.encode()})
    url = f"/org/m/resolve/main/{quote(path)}"

    assert client.get(url, follow_redirects=True).content == path.encode()
    assert [entry["path"] for entry in client.get("/api/models/org/m/tree/main").json()] == [
        path.split("/")[0]
    ]


@pytest.mark.parametrize("query", ["cursor=x", "limit=-1", "cursor="])
def test_a_number_that_is_none_is_a_bad_request(hub: LocalHub, client: httpx.Client, query: str) -> None:
    hub.add_repo("org/m", FILES)

    assert client.get(f"/api/models/org/m/tree/main?{query}").status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense"])
def test_a_body_that_names_no_paths_is_a_bad_request(
    hub: LocalHub, client: httpx.Client, body: bytes
) -> None:
    hub.add_repo("org/m", FILES)
    headers = {"Content-Type": "application/json"}

    assert client.post("/api/models/org/m/paths-info/main", content=body, headers=headers).status_code == 400
