"""The real client accepts the hub; it runs in a process of its own, as it reads its settings at import."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hostel.plugins.model_pull.testing import Blob, LocalHub, Origin

FILES: dict[str, bytes | Blob] = {
    "config.json": b'{"model_type": "llama"}',
    "docs/notes/README.md": b"# notes\n",
    "Q8_0/m-Q8_0-00001-of-00002.gguf": Blob(size=(3 << 20) + 7, seed=1, head=b"GGUF"),
    "Q8_0/m-Q8_0-00002-of-00002.gguf": Blob(size=1 << 20, seed=2, head=b"GGUF"),
}


def run_client(code: str, *, endpoint: str, home: Path, offline: bool = False) -> Any:
    """Run code that leaves its answer in `result` and return that."""
    program = f"import json, huggingface_hub as hf\n{code}\nprint(json.dumps(result))"
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings, "HF_HUB_OFFLINE": str(int(offline))},
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_snapshot_download_gets_every_file_and_finds_them_offline(tmp_path: Path) -> None:
    code = "result = hf.snapshot_download('org/m')"
    with LocalHub(page_size=2) as hub:
        commit = hub.add_repo("org/m", FILES)
        folder = Path(run_client(code, endpoint=hub.endpoint, home=tmp_path))

    assert folder.name == commit
    for path, content in FILES.items():
        wanted = content if isinstance(content, bytes) else content.read()
        assert (folder / path).read_bytes() == wanted
    assert run_client(code, endpoint="http://127.0.0.1:9", home=tmp_path, offline=True) == str(folder)


def test_the_token_never_reaches_the_cdn(tmp_path: Path) -> None:
    with LocalHub() as hub:
        hub.add_repo("org/m", FILES, private=True)
        code = f"result = hf.snapshot_download('org/m', token={hub.tokens.member!r})"
        run_client(code, endpoint=hub.endpoint, home=tmp_path)
        at_hub, at_cdn = (hub.exchanges(origin=origin) for origin in Origin)

    assert {one.request.headers.get("authorization") for one in at_hub} == {f"Bearer {hub.tokens.member}"}
    assert len(at_cdn) == 2
    assert not any("authorization" in one.request.headers for one in at_cdn)
