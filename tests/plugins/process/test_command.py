"""What can be known of a command before it is started is said in one sentence, and nothing is started."""

from pathlib import Path

import pytest

from hostel.plugins.process import FolderNotFound, InvalidCommand, ProgramNotFound, check
from hostel.plugins.process._errors import ProcessFailed
from hostel.sessions import JsonValue


def test_a_command_is_a_list_of_words_or_a_line_for_the_shell(tmp_path: Path) -> None:
    assert check({"argv": ["echo", "a b"]}).argv == ("echo", "a b")
    assert check({"shell": "echo a; echo b"}).argv == ("/bin/sh", "-c", "echo a; echo b")
    assert check({"shell": "echo", "cwd": str(tmp_path)}).cwd == str(tmp_path)
    assert check({"shell": "echo"}).cwd == str(Path.cwd())


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "argv: give either argv or shell"),
        ({"argv": ["a"], "shell": "a"}, "argv: give either argv or shell"),
        ({"argv": []}, "argv: must be a list of texts, the program first"),
        ({"argv": "ls"}, "argv: must be a list of texts, the program first"),
        ({"argv": ["ls", 1]}, "argv: must be text without NUL, not 1"),
        ({"argv": [""]}, "argv: there is no program ''"),
        ({"shell": "a\0b"}, r"shell: must be text without NUL, not 'a\x00b'"),
        ({"shell": "a", "env": {"A=B": "c"}}, "env: 'A=B' cannot be the name of a variable"),
        ({"shell": "a", "env": {"A": 1}}, "env: must be text without NUL, not 1"),
        ({"shell": "a", "env": ["A"]}, "env: must be an object of names and texts"),
        ({"shell": "a", "pass_env": "A"}, "pass_env: must be a list of names"),
        ({"shell": "a", "timeout": -1}, "timeout: must be a number of seconds, not -1"),
        ({"shell": "a", "timeout": True}, "timeout: must be a number of seconds, not True"),
        ({"shell": "a", "timeout": float("nan")}, "timeout: must be a number of seconds, not nan"),
        ({"shell": "a", "interrupt_grace": "1"}, "interrupt_grace: must be a number of seconds, not '1'"),
        ({"shell": "a", "pty": 1}, "pty: must be true or false, not 1"),
        ({"shell": "a", "on_host_loss": "keep"}, "on_host_loss: must be adopt or kill, not 'keep'"),
        ({"shell": "a", "on_host_loss": 1}, "on_host_loss: must be adopt or kill, not 1"),
        ({"shell": "a", "user": "root"}, "user: a process has no such parameter"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(params: dict[str, JsonValue], sentence: str) -> None:
    with pytest.raises(InvalidCommand) as caught:
        check(params)

    assert str(caught.value) == sentence
    assert caught.value.parameter == sentence.split(":")[0]


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProgramNotFound, match="there is no program 'nonsense-of-a-name'"):
        check({"argv": ["nonsense-of-a-name"]})


def test_a_program_is_looked_for_where_the_command_would_look(tmp_path: Path) -> None:
    (tmp_path / "tool").touch(mode=0o755)
    (tmp_path / "data").touch(mode=0o644)

    check({"argv": ["tool"], "env": {"PATH": str(tmp_path)}})
    check({"argv": ["./tool"], "cwd": str(tmp_path)})
    for program, folder in (("tool", "/"), ("./tool", "/"), ("./data", str(tmp_path))):
        with pytest.raises(ProgramNotFound):
            check({"argv": [program], "cwd": folder})


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(FolderNotFound, match=f"cwd: there is no folder '{folder}'"):
            check({"shell": "echo", "cwd": str(folder)})


def test_variables_that_look_like_secrets_are_not_passed_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = [
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "PGPASSWORD",
        "MYSQL_PWD",
        "SSH_PRIVATE",
    ]
    plain = ["EDITOR", "TOKENIZERS_PARALLELISM", "KEYBOARD", "PWD", "OLDPWD", "PASSAGE", "SSH_AUTH_SOCK"]
    for name in secrets + plain:
        monkeypatch.setenv(name, "value")

    passed = check({"shell": "echo"}).env
    asked_for = check({"shell": "echo", "pass_env": ["HF_TOKEN", "NOT_SET"], "env": {"A": "b"}}).env

    assert [name for name in secrets if name in passed] == []
    assert [name for name in plain if name not in passed] == []
    assert asked_for == {"HF_TOKEN": "value", "A": "b"}


def test_values_that_were_given_win_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "ed")
    command = check({"shell": "echo", "env": {"EDITOR": "vi"}})

    assert command.env["EDITOR"] == "vi"
    assert "vi" not in repr(command)


def test_a_failure_says_how_it_ended_and_the_last_lines() -> None:
    assert str(ProcessFailed(2, None, 9, "no such file")) == "exit status 2: no such file"
    assert str(ProcessFailed(None, 9, 0, "")) == "ended by SIGKILL"
    assert (
        str(ProcessFailed(None, 200, 0, "", "its time was over")) == "ended by signal 200 (its time was over)"
    )
