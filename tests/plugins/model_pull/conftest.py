import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session
from tqdm import tqdm  # type: ignore[import-untyped]

from hostel.plugins.model_pull import RemoteFile
from hostel.plugins.model_pull.testing import Blob, LocalHub


@pytest.fixture(autouse=True)
def own_home(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """No test sees the caches, tokens, queues and running runtimes of whoever runs it."""
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    tqdm.monitor_interval = 0  # its monitor is a thread that never ends
    home = tmp_path / "hf"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HOSTEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    return home


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with LocalHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub
    close_session()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 30 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """The final name of what is fetched, in a folder of its own."""
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder / "blob"


@pytest.fixture
def publish(hub: LocalHub) -> Callable[[Blob | bytes], RemoteFile]:
    """Put content into the hub's repository and return what a listing would say about it."""

    def publish(content: Blob | bytes) -> RemoteFile:
        path = "m.gguf" if isinstance(content, Blob) else "config.json"
        made = content if isinstance(content, Blob) else Blob.of(content)
        hub.add_repo("org/m", {path: content})
        return RemoteFile(
            path,
            made.size,
            made.sha256 if path == "m.gguf" else None,
            f"{hub.endpoint}/org/m/resolve/main/{path}",
            {"Authorization": f"Bearer {hub.tokens.member}"},
            git_oid=None if path == "m.gguf" else made.git_sha1,
        )

    return publish
