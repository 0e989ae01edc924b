"""The real client accepts the hub; it runs in a process of its own, as it reads its settings at import."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin

WEIGHTS = Blob(size=(11 << 20) + 7, seed=1, head=b"GGUF")
FILES: dict[str, bytes | Blob] = {
    "config.json": b'{"model_type": "llama"}',
    "docs/notes/README.md": b"# notes\n",
    "Q8_0/m-Q8_0-00001-of-00002.gguf": WEIGHTS,
    "Q8_0/m-Q8_0-00002-of-00002.gguf": Blob(size=1 << 20, seed=2, head=b"GGUF"),
}
FIRST = "Q8_0/m-Q8_0-00001-of-00002.gguf"

PREAMBLE = """
import huggingface_hub as hf, json, pathlib
def error(call, *args, **options):
    try:
        call(*args, **options)
    except Exception as caught:
        cause = caught.__cause__ if isinstance(caught, hf.errors.LocalEntryNotFoundError) else caught
        return type(cause).__name__
"""


def run_client(code: str, endpoint: str, home: Path, **settings: str) -> Any:
    """Run code that leaves its answer in `result` and return that."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "*",
        **settings,
    }
    program = f"{PREAMBLE}\n{code}\nprint(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, timeout=300
    )
    return json.loads(done.stdout)


def test_a_snapshot_has_every_file_and_is_found_offline(tmp_path: Path) -> None:
    code = "result = hf.snapshot_download('org/m')"
    with LocalHub(page_size=2) as hub:
        commit = hub.add_repo("org/m", FILES)
        folder = Path(run_client(code, hub.endpoint, tmp_path))
        endpoint = hub.endpoint

    assert folder.name == commit
    for path, content in FILES.items():
        assert (folder / path).read_bytes() == (content if isinstance(content, bytes) else content.read())
    assert run_client(code, endpoint, tmp_path, HF_HUB_OFFLINE="1") == str(folder)


def test_the_token_goes_to_the_hub_and_never_to_the_cdn(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", FILES, private=True)
    run_client("result = hf.snapshot_download('org/m')", hub.endpoint, tmp_path, HF_TOKEN=hub.tokens.member)
    at_hub, at_cdn = (hub.exchanges(origin=origin) for origin in Origin)

    assert {one.request.headers.get("authorization") for one in at_hub} == {f"Bearer {hub.tokens.member}"}
    assert len(at_cdn) == 2
    assert not any("authorization" in one.request.headers for one in at_cdn)


def test_the_api_calls_are_understood(hub: LocalHub, tmp_path: Path) -> None:
    commit = hub.add_repo("org/m", FILES)
    hub.tag("org/m", "v1")
    code = """
api = hf.HfApi()
info = api.model_info("org/m", files_metadata=True)
tree = list(api.list_repo_tree("org/m", recursive=True, revision="v1"))
refs = api.list_repo_refs("org/m")
first = next(file for file in tree if file.path == "FIRST")
result = {
    "sha": info.sha, "sizes": {file.rfilename: file.size for file in info.siblings},
    "paths": sorted(item.path for item in tree), "lfs": first.lfs.sha256,
    "some": [item.path for item in api.get_paths_info("org/m", ["config.json", "docs", "none"])],
    "refs": [refs.branches[0].target_commit, refs.tags[0].ref],
    "who": api.whoami(token="hf_local_member")["name"], "gate": api.auth_check("org/m"),
    "found": [model.id for model in api.list_models(search="m")],
}
""".replace("FIRST", FIRST)
    result = run_client(code, hub.endpoint, tmp_path)

    assert result == {
        "sha": commit,
        "sizes": {path: len(data) if isinstance(data, bytes) else data.size for path, data in FILES.items()},
        "paths": sorted([*FILES, "Q8_0", "docs", "docs/notes"]),
        "lfs": WEIGHTS.sha256,
        "some": ["config.json", "docs"],
        "refs": [commit, "refs/tags/v1"],
        "who": "member",
        "gate": None,
        "found": ["org/m"],
    }


def test_refusals_become_the_errors_the_client_has_for_them(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", FILES)
    hub.add_repo("org/private", FILES, private=True)
    hub.add_repo("org/gated", FILES, gated=True)
    hub.add_repo("org/disabled", FILES, disabled=True)
    code = """
result = [
    error(hf.hf_hub_download, "org/none", "config.json"),
    error(hf.hf_hub_download, "org/private", "config.json", token="hf_local_stranger"),
    error(hf.hf_hub_download, "org/gated", "config.json", token="hf_local_stranger"),
    error(hf.hf_hub_download, "org/m", "none.json"),
    error(hf.hf_hub_download, "org/m", "config.json", revision="none"),
    error(hf.HfApi().model_info, "org/disabled"),
    error(hf.HfApi().auth_check, "org/gated"),
    error(hf.HfApi().whoami, token="hf_wrong"),
]
"""
    assert run_client(code, hub.endpoint, tmp_path) == [
        "RepositoryNotFoundError",
        "RepositoryNotFoundError",
        "GatedRepoError",
        "RemoteEntryNotFoundError",
        "RevisionNotFoundError",
        "DisabledRepoError",
        "GatedRepoError",
        "HfHubHTTPError",
    ]


def test_a_moved_branch_is_followed_and_the_old_commit_stays(hub: LocalHub, tmp_path: Path) -> None:
    first = hub.add_repo("org/m", {"config.json": b"one"})
    second = hub.commit("org/m", {"config.json": b"two"})
    code = f"""
paths = [hf.hf_hub_download("org/m", "config.json", revision=name) for name in ("main", "{first}")]
result = [(pathlib.Path(path).parent.name, pathlib.Path(path).read_text()) for path in paths]
"""
    assert run_client(code, hub.endpoint, tmp_path) == [[second, "two"], [first, "one"]]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault(origin=Origin.CDN, reset_after=5 << 20, times=1), "ReadError"),
        (Fault(origin=Origin.CDN, close_after=5 << 20, times=1), None),
        (Fault(origin=Origin.CDN, status=403), "HfHubHTTPError"),
        (Fault(origin=Origin.CDN, status=429, retry_after=0, times=1), None),
        (Fault(origin=Origin.CDN, gzip=True), None),
        (Fault(origin=Origin.CDN, length_off_by=-5), "OSError"),
    ],
)
def test_the_client_meets_faults_as_it_does_in_the_wild(
    hub: LocalHub, tmp_path: Path, fault: Fault, outcome: str | None
) -> None:
    hub.add_repo("org/m", FILES)
    armed = hub.fault(fault)
    code = f"result = error(hf.hf_hub_download, 'org/m', '{FIRST}')"

    assert run_client(code, hub.endpoint, tmp_path) == outcome
    assert armed.hits > 0


def test_a_corrupt_byte_passes_the_download_and_fails_the_checksum(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(path="00001", origin=Origin.CDN, corrupt_at=9 << 20))
    code = """
hf.snapshot_download("org/m")
result = [mismatch["path"] for mismatch in hf.HfApi().verify_repo_checksums("org/m").mismatches]
"""
    assert run_client(code, hub.endpoint, tmp_path) == [FIRST]
