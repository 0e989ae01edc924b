"""Cards: how other processes of the user find a runtime."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostel.runtime import cards

TOKEN = "a-token-for-this-test"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "hostel"


def write(folder: Path, name: str, **fields: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"url": "http://x", "token": TOKEN, "started_at": 1.0, **fields}))
    path.chmod(0o600)
    return path


def test_a_card_is_found_by_others_and_read_by_the_user_alone(folder: Path) -> None:
    path = cards.leave("http://127.0.0.1:1", TOKEN, 12.5)

    assert [(card.url, card.token, card.pid, card.started_at) for card in cards.running()] == [
        ("http://127.0.0.1:1", TOKEN, os.getpid(), 12.5)
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(json.loads(path.read_text())) >= {"url", "token", "pid", "started_at"}
    assert [found.name for found in folder.iterdir()] == [path.name]


def test_a_token_does_not_show_in_a_representation() -> None:
    assert TOKEN not in repr(cards.Card("http://x", TOKEN, 1, 1.0))


def test_a_card_of_a_dead_process_is_removed(folder: Path) -> None:
    code = "from hostel.runtime import cards; cards.leave('http://x', 'token', 1.0)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list(folder.iterdir())) == 1

    assert cards.running() == []
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when it began")
def test_a_card_whose_pid_was_given_to_another_process_is_removed(folder: Path) -> None:
    path = write(folder, "reused", pid=os.getpid(), process_start=1)

    assert cards.running() == []
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"url": "x"}', '{"url": "x", "token": "y", "pid": "z", "started_at": 1}'],
)
def test_what_is_not_a_card_is_passed_over(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "odd.json").write_text(content)
    (folder / "odd.json").chmod(0o600)

    assert cards.running() == []


def test_a_card_that_others_could_read_or_write_is_not_believed(folder: Path) -> None:
    write(folder, "open", pid=os.getpid()).chmod(0o644)

    assert cards.running() == []


def test_a_card_with_fields_of_a_newer_version_is_read(folder: Path) -> None:
    write(folder, "newer", pid=os.getpid(), colour="red")

    assert [card.pid for card in cards.running()] == [os.getpid()]


def test_without_the_folder_there_are_no_cards() -> None:
    assert cards.running() == []
