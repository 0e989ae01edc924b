"""olah, a hub that nobody here wrote: a mirror of git repositories without ranges, and a proxy before ours.

It needs an environment of its own: `nox -s oracles` makes one and names its program in HOSTEL_OLAH.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from huggingface_hub import close_session

from hostel.plugins.model_pull import DownloadEvent, Progress, PullError, PullOptions, pull_once
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

OLAH = os.environ.get("HOSTEL_OLAH") or shutil.which("olah-cli")
CONTENT = Blob(20 * MIB, seed=3, head=b"GGUF")

pytestmark = pytest.mark.skipif(OLAH is None, reason="needs olah: run `nox -s oracles`")


@contextmanager
def olah(folder: Path, **settings: str) -> Iterator[str]:
    """Run olah with its files in `folder` and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    known = {"host": "127.0.0.1", "repos-path": str(folder / "repos"), **settings}
    lines = [f"{name} = {value!r}" for name, value in known.items()]
    lines += [f"port = {port}", f"mirrors-path = [{str(folder / 'mirror')!r}]"]
    offline = str("hf-netloc" not in settings).lower()
    config = folder / "olah.toml"
    config.write_text("\n".join(["[basic]", *lines, "[accessibility]", f"offline = {offline}"]))
    command = [str(OLAH), "-c", str(config), "--log-path", str(folder / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("running on" in line for line in process.stdout)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.stdout.read()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A git repository `org/m` that olah serves."""
    repo = tmp_path / "mirror" / "models" / "org" / "m"
    repo.mkdir(parents=True)
    (repo / "m-Q8_0.gguf").write_bytes(CONTENT.read())
    (repo / "config.json").write_text("{}")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "all"]):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *names, *command], cwd=repo, check=True)
    with olah(tmp_path) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield repo
        close_session()


async def test_a_model_is_pulled_and_verified_without_ranges(mirror: Path) -> None:
    with anyio.fail_after(60):
        pulled = await pull_once("org/m")

    assert pulled.path.read_bytes() == CONTENT.read()
    assert pulled.fetched == CONTENT.size + 2


async def test_what_was_interrupted_is_begun_anew_and_right(mirror: Path) -> None:
    with anyio.fail_after(60):
        with anyio.CancelScope() as scope:

            def stop(event: DownloadEvent) -> None:
                if isinstance(event, Progress) and event.downloaded > 2 * MIB:
                    scope.cancel()

            await pull_once("org/m", emit=stop)
        pulled = await pull_once("org/m")

    assert pulled.path.read_bytes() == CONTENT.read()


@pytest.mark.parametrize("reference", ["org/m@nope", "org/nope", "org/m:Q2_K"])
async def test_what_is_not_there_is_a_sentence(reference: str, mirror: Path) -> None:
    with anyio.fail_after(60), pytest.raises(PullError) as caught:
        await pull_once(reference)

    assert str(caught.value).endswith(".")


async def test_through_its_cache_a_model_arrives_and_comes_from_there_the_second_time(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": CONTENT, "config.json": b"{}"})
    netloc = hub.endpoint.removeprefix("http://")
    lfs = hub.cdn_endpoint.removeprefix("http://")
    with olah(tmp_path, **{"hf-scheme": "http", "hf-netloc": netloc, "hf-lfs-netloc": lfs}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        hub.fault(Fault(origin=Origin.CDN, reset_after=7 * MIB, times=1))
        with anyio.fail_after(60):
            first = await pull_once("org/m", PullOptions(cache_dir=tmp_path / "one"))
            hub.clear_log()
            second = await pull_once("org/m", PullOptions(cache_dir=tmp_path / "two"))

    assert first.path.read_bytes() == second.path.read_bytes() == CONTENT.read()
    assert hub.bytes_sent(origin=Origin.CDN) == 0
