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

    def run(*command: str) -> str:
        code = (
            f"import site, sys; site.addsitedir({str(target)!r}); from hostel.runtime.cli import main; main()"
        )
        return subprocess.run(
            [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
        ).stdout

    return run


def test_it_shows_up_with_its_distribution(run: Run) -> None:
    (info,) = [info for info in json.loads(run("plugins", "--json")) if info["name"] == "counter"]

    assert (info["distribution"], info["version"], info["failure"]) == ("hostel-counter", "1.0.0", None)


def test_its_command_runs_its_task_kind(run: Run) -> None:
    assert run("count", "7") == "7\n"
