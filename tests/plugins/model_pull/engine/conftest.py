from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostel.plugins.model_pull._sources.remote_file import RemoteFile
from hostel.plugins.model_pull.testing import Blob, LocalHub


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


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
