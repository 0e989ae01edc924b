"""`hostel history`: what a journal still tells when its runtime is gone."""

import json
from pathlib import Path

import pytest

from ..program import running
from .test_commands import NASTY, has_controls, hostel, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a runtime that was killed."""
    folder = tmp_path_factory.mktemp("past")
    folder.chmod(0o700)
    with running("asyncio", folder, env={"SCENARIO_DATA": str(folder)}) as program:
        program.tell("work late")
    return folder


def print_history(folder: Path, *arguments: str, code: int = 0) -> str:
    done = hostel(folder, "history", *arguments, "--data-dir", str(folder), code=code)
    return done.stdout if code == 0 else done.stderr


def test_the_tasks_of_a_killed_runtime_are_listed(folder: Path) -> None:
    found = {row[0]: row for row in rows(hostel(folder, "history", "--data-dir", str(folder)))}

    assert set(found) == {"parent", "child", "hostile", "broken", "late"}
    assert found["broken"][1:4] == ["chat", "other", "failed"]
    assert found["late"][-1] == str(folder / "journal.sqlite3")


def test_live_tasks_of_a_killed_runtime_are_said_to_be_cut_off(folder: Path) -> None:
    done = hostel(folder, "history", "--session", "build", "--data-dir", str(folder))

    assert "was cut off" in done.stderr


def test_they_can_be_asked_for_by_session_and_kind(folder: Path) -> None:
    listed = json.loads(print_history(folder, "--session", "build", "--kind", "observer", "--json"))

    assert [record["id"] for record in listed] == ["child"]


def test_one_of_them_is_shown_with_what_happened_to_it(folder: Path) -> None:
    shown = print_history(folder, "broken")
    told = json.loads(print_history(folder, "broken", "--json"))

    assert "the disk is made of paper" in shown
    assert [event["type"] for event in told["history"]] == ["registered", "failed"]


def test_children_are_named(folder: Path) -> None:
    told = json.loads(print_history(folder, "parent", "--json"))

    assert [child["id"] for child in told["children"]] == ["child"]


def test_no_text_of_a_journal_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with running("asyncio", tmp_path, env={"SCENARIO_DATA": str(tmp_path)}) as program:
        program.tell("hostile past")

    assert not has_controls(print_history(tmp_path) + print_history(tmp_path, f"past{NASTY}"))


def test_what_a_journal_does_not_have_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    assert print_history(folder, "nope", code=1) == "hostel: the journal has no task 'nope'\n"
    assert len(print_history(tmp_path, code=1).splitlines()) == 1
