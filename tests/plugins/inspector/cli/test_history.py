"""`hostel history`: what a journal still tells when its runtime is gone."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hostel.sessions import TaskFilter
from hostel.sessions.journal import JournalReader

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


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A data folder whose journal has lost its first page."""
    copy = Path(shutil.copytree(folder, tmp_path / "damaged"))
    with closing(sqlite3.connect(copy / "journal.sqlite3")) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (copy / "journal.sqlite3").open("r+b") as first_page:
        first_page.write(bytes(4096))
    return copy


def test_what_is_left_of_a_damaged_journal_is_saved_whole_and_counted(damaged: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    before = (damaged / "journal.sqlite3").read_bytes()

    told = print_history(damaged, "--salvage", "--to", str(saved))

    with JournalReader(saved) as journal:
        records = journal.records(TaskFilter(include_terminal=True))
        events = sum(1 for _ in journal.events())
        assert not journal.damage
    assert told == f"saved {len(records)} tasks and {events} events to {saved}\n"
    assert {record.id for record in records} == {"parent", "child", "hostile", "broken", "late"}
    assert (damaged / "journal.sqlite3").read_bytes() == before


def test_a_journal_that_cannot_be_read_whole_is_listed_with_how_to_save_it(
    folder: Path, tmp_path: Path
) -> None:
    torn = Path(shutil.copytree(folder, tmp_path / "torn"))
    with closing(sqlite3.connect(torn / "journal.sqlite3")) as file, file:
        file.execute("UPDATE events SET json = '{' || json WHERE seq = (SELECT max(seq) FROM events)")

    done = hostel(torn, "history", "--data-dir", str(torn))

    assert "broken" in done.stdout
    assert "`hostel history --salvage --to FILE`" in done.stderr


def test_saving_writes_over_nothing_and_disturbs_no_runtime(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")

    said = print_history(folder, "--salvage", "--to", str(there), code=1)

    assert said == f"hostel: journal {there}: it is there already\n"
    assert there.read_text() == "mine"
    tmp_path.chmod(0o700)
    with running("asyncio", tmp_path, env={"SCENARIO_DATA": str(tmp_path)}):
        said = print_history(tmp_path, "--salvage", "--to", str(tmp_path / "new"), code=1)
    assert said == f"hostel: journal {tmp_path / 'journal.sqlite3'}: is in use by another host\n"
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_there_is_named_as_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "nowhere" / "new"

    said = print_history(folder, "--salvage", "--to", str(into), code=1)

    assert said == f"hostel: journal {into}: its folder is not there\n"


@pytest.mark.parametrize("options", [["--salvage"], ["--to", "x"], ["--salvage", "--to", "x", "late"]])
def test_options_that_make_no_sense_together_are_bad_usage(folder: Path, options: list[str]) -> None:
    assert "Invalid value" in print_history(folder, *options, code=2)
