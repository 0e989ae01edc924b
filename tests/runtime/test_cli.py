"""The `hostel` command as a user types it."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).parent / "hostel")]


def hostel(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_version_is_that_of_the_distribution() -> None:
    assert hostel("--version").stdout == f"hostel {version('hostel')}\n"


def test_help_lists_the_commands_of_all_plugins() -> None:
    shown = hostel("--help").stdout

    assert "demo" in shown
    assert "plugins" in shown


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"], ["plugins", "surplus"]])
def test_bad_usage_exits_with_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    assert arguments[-1] in hostel(*arguments, code=2).stderr


def test_plugins_are_tab_separated_when_piped_and_json_when_asked() -> None:
    lines = hostel("plugins").stdout.splitlines()
    listed = json.loads(hostel("plugins", "--json").stdout)

    assert lines[0].split("\t")[:2] == ["model_pull", "hostel"]
    assert listed[0]["name"] == "model_pull"
    assert listed[0]["version"] == version("hostel")
