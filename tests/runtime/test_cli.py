"""The `hostel` command as a user types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from hostel.runtime.cli import main

Hostel = Callable[..., str]


@pytest.fixture
def hostel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hostel:
    """Runs the command in this process; returns what it prints if it ends well, else what it complains of."""

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["hostel", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, err
        return err if code else out

    return run


def test_the_installed_command_prints_the_version_of_the_distribution() -> None:
    command = [str(Path(sys.executable).parent / "hostel"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == (f"hostel {version('hostel')}\n", "")


def test_help_lists_the_commands_of_all_plugins(hostel: Hostel) -> None:
    shown = hostel("--help")

    assert "demo" in shown
    assert "plugins" in shown


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"], ["plugins", "surplus"]])
def test_bad_usage_exits_with_2_and_says_what_is_wrong(hostel: Hostel, arguments: list[str]) -> None:
    assert arguments[-1] in hostel(*arguments, code=2)


def test_plugins_are_tab_separated_when_piped_and_json_when_asked(hostel: Hostel) -> None:
    lines = hostel("plugins").splitlines()
    listed = json.loads(hostel("plugins", "--json"))

    assert lines[0].split("\t")[:4] == ["batch", "hostel", version("hostel"), "ok"]
    assert [found["name"] for found in listed] == ["batch", "demo", "inspector", "model_pull"]
    assert listed[0]["version"] == version("hostel")
