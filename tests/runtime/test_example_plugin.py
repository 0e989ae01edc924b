"""A stranger's plugin, installed from a folder of its own, is a plugin like any other."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent.parent

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a program of an environment that has hostel-counter on top of what this one has."""
    target = tmp_path_factory.mktemp("counter")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT / "examples/hostel-counter", check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(target)

    def run(*command: str, code: str = "from hostel.runtime.cli import main; main()") -> str:
        code = f"import site; site.addsitedir({str(target)!r})\n{code}"
        return subprocess.run(
            [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
        ).stdout

    return run


def test_it_shows_up_with_its_distribution(run: Run) -> None:
    (info,) = [info for info in json.loads(run("plugins", "--json")) if info["name"] == "counter"]

    assert (info["distribution"], info["version"], info["failure"]) == ("hostel-counter", "1.0.0", None)


def test_its_command_runs_its_task_kind(run: Run) -> None:
    assert run("count", "7") == "7\n"


SERVING = """
import anyio, httpx, json
from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime

async def main():
    inspector = Inspector()
    async with Runtime([inspector]), httpx.AsyncClient(trust_env=False) as http:
        http.headers["authorization"] = f"Bearer {inspector.token}"
        begun = await http.post(f"{inspector.url}/api/counts", json={"to": 3})
        panels = (await http.get(f"{inspector.url}/api/panels")).json()["items"]
        (panel,) = [panel for panel in panels if panel["plugin"] == "counter"]
        rows = (await http.get(inspector.url + panel["rows"])).json()["items"]
        print(json.dumps([begun.json(), panel["title"], panel["actions"][0]["path"], rows[0]["session_id"]]))

anyio.run(main)
"""


def test_it_brings_a_view_to_the_page(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)

    assert json.loads(run(code=SERVING)) == [
        {"message": "Counting to 3."},
        "Counts",
        "/api/counts",
        "counting",
    ]
