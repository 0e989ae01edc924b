"""The `hostel` command as a user types it, with plugins of strangers in it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from hostel.runtime import PluginFailed, PluginRegistry
from hostel.runtime._cli.commands import build
from hostel.runtime.cli import main

from .conftest import Site

Hostel = Callable[..., str]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOSTEL_PLUGINS_BLOCKED", "")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def hostel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Hostel]:
    """Runs the command in this process; returns what it prints if it ends well, else what it complains of."""

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["hostel", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, err
        return err if code else out

    yield run
    signal.signal(signal.SIGINT, signal.default_int_handler)


def listed(shown: str) -> dict[str, dict[str, object]]:
    return {str(found["name"]): found for found in json.loads(shown)}


COMMANDS = """
    from hostel.runtime import hookimpl

    @hookimpl
    def register_commands(app):
        @app.command()
        def hello():
            print("hello")
        {more}
"""


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


def test_completion_knows_the_commands_of_plugins(monkeypatch: pytest.MonkeyPatch, hostel: Hostel) -> None:
    for name, value in {
        "_HOSTEL_COMPLETE": "complete_bash",
        "COMP_WORDS": "hostel d",
        "COMP_CWORD": "1",
    }.items():
        monkeypatch.setenv(name, value)

    assert set(hostel().split()) == {"demo", "downloads"}


# `hostel plugins`


def test_plugins_are_tab_separated_when_piped_and_json_when_asked(hostel: Hostel) -> None:
    lines = hostel("plugins").splitlines()
    found = listed(hostel("plugins", "--json"))

    assert lines[0].split("\t")[:4] == ["batch", "hostel", version("hostel"), "ok"]
    assert list(found) == ["batch", "demo", "inspector", "model_pull", "process"]
    assert {str(info["version"]) for info in found.values()} == {version("hostel")}


def test_a_plugin_that_loads_and_does_not_work_is_shown(site: Site, hostel: Hostel) -> None:
    site.install(
        "starting",
        """
        from hostel.runtime import hookimpl

        @hookimpl
        async def on_startup():
            raise OSError("no such device")
        """,
    )
    site.install(
        "serving",
        """
        from hostel.runtime import hookimpl

        @hookimpl
        def register_routes():
            return [1]
        """,
    )
    site.install(
        "showing",
        """
        from hostel.runtime import hookimpl

        @hookimpl
        def register_panels():
            return [1]
        """,
    )
    site.install("idle", "")
    found = listed(hostel("plugins", "--json"))

    assert found["starting"]["failure"] == "on_startup: OSError: no such device"
    assert found["starting"]["active"] is False
    assert found["serving"]["failure"] == (
        "register_routes: answered with an object of type 'int' where Endpoint or Mount is expected"
    )
    assert found["showing"]["failure"] == (
        "register_panels: answered with an object of type 'int' where Panel is expected"
    )
    assert "has no hooks" in str(found["idle"]["failure"])


def test_a_trial_of_the_plugins_leaves_the_users_stores_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hostel: Hostel
) -> None:
    monkeypatch.setenv("HOSTEL_BATCH_STORE", str(tmp_path / "batches.db"))
    hostel("plugins")

    assert not (tmp_path / "batches.db").exists()
    assert not (tmp_path / "data").exists()


# leaving plugins out


def test_plugins_are_blocked_for_one_command(site: Site, hostel: Hostel) -> None:
    site.install("greetings", COMMANDS.format(more=""))

    assert hostel("hello") == "hello\n"
    assert "greetings" not in listed(hostel("--block", "greetings", "plugins", "--json"))
    assert "No such command 'hello'" in hostel("--block=greetings", "--block", "demo", "hello", code=2)


def test_an_argument_of_a_command_blocks_nothing(site: Site, hostel: Hostel) -> None:
    site.install("greetings", COMMANDS.format(more=""))

    assert "--block" in hostel("hello", "--block", "greetings", code=2)


# commands of strangers

PLUGINS = '@app.command()\n        def plugins(): print("mine")'
PS = '@app.command()\n        def ps(): print("mine")'
ROOT = '@app.callback()\n        def root(): print("mine")'


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (PLUGINS, "the command 'plugins' is there already"),
        (PS, "the command 'ps' is there already"),
    ],
)
def test_a_command_that_is_there_already_is_not_replaced(
    site: Site, hostel: Hostel, more: str, why: str
) -> None:
    site.install("pushy", COMMANDS.format(more=more))
    found = listed(hostel("plugins", "--json"))

    assert found["pushy"]["failure"] == f"register_commands: {why}"
    assert hostel("hello") == "hello\n"
    assert "mine" not in hostel("ps")


@pytest.mark.parametrize(
    "more",
    [
        ROOT,
        "app.add_typer('x')",
        "app.command(name=5)(lambda: None)",
        "app.command(help=5)(lambda: None)",
        "app.command()(5)",
        "app.registered_commands = None",
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "import asyncio; raise asyncio.CancelledError",
        "import hostel.runtime; hostel.runtime.no_such_name",
    ],
)
def test_commands_that_cannot_be_built_are_left_out_and_hurt_no_other(
    site: Site, hostel: Hostel, more: str
) -> None:
    site.install("pushy", COMMANDS.format(more=more))
    shown = hostel("--help")
    found = listed(hostel("plugins", "--json"))

    assert "plugins" in shown
    assert "hello" not in shown
    assert str(found["pushy"]["failure"]).startswith("register_commands: ")


def test_commands_registered_by_a_coroutine_are_noted(site: Site, hostel: Hostel) -> None:
    site.install("pushy", COMMANDS.format(more="").replace("def register", "async def register"))

    assert "must not be async" in str(listed(hostel("plugins", "--json"))["pushy"]["failure"])


def test_a_given_plugin_whose_commands_cannot_be_built_is_refused() -> None:
    from hostel.runtime import hookimpl

    class Pushy:
        @hookimpl
        def register_commands(self, app: object) -> None:
            raise SystemExit(3)

    registry = PluginRegistry([Pushy()], blocked=["hostel"])
    registry.load()

    with pytest.raises(PluginFailed, match="plugin 'Pushy' failed: register_commands: SystemExit: 3"):
        build(registry)


def test_a_known_command_without_its_extra_says_what_to_install(site: Site, hostel: Hostel) -> None:
    site.install(
        "greetings",
        COMMANDS.format(more=""),
        {"greetings": " [warm]"},
        requires=('no-such-distribution; extra == "warm"',),
    )

    assert "hello" in hostel("--help")
    assert hostel("hello", "--loudly", "you", code=1) == (
        "hostel: `hostel hello` is not installed: pip install 'greetings[warm]'\n"
    )


# ending


SLEEPING = """
    import sys
    import anyio
    from hostel.runtime import Runtime, console, hookimpl

    @hookimpl
    def register_commands(app):
        @app.command()
        def sleep(stubborn: bool = False):
            console.run(work if not stubborn else linger)

    async def work():
        async with Runtime(blocked=["hostel"], load_installed=False):
            try:
                print("asleep", flush=True)
                await anyio.sleep_forever()
            finally:
                print("left", flush=True)

    async def linger():
        try:
            await work()
        finally:
            with anyio.CancelScope(shield=True):
                print("lingering", flush=True)
                await anyio.sleep_forever()
"""


def started(site: Site, *arguments: str, source: str = SLEEPING) -> subprocess.Popen[str]:
    site.install("sleeping", source)
    code = "from hostel.runtime.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(site.folder)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_command_that_runs_a_runtime_cleanly(
    site: Site, number: signal.Signals, code: int
) -> None:
    with started(site, "sleep") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        process.send_signal(number)
        out, err = process.communicate()

    assert (out, err, process.returncode) == ("left\n", "", code)


def test_a_second_ctrl_c_ends_a_command_that_lingers_without_a_traceback(site: Site) -> None:
    with started(site, "sleep", "--stubborn") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        process.send_signal(signal.SIGINT)
        assert [process.stdout.readline() for _ in range(2)] == ["left\n", "lingering\n"]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()

    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in err


def test_ctrl_c_while_plugins_are_imported_prints_no_traceback(site: Site) -> None:
    source = "import time\nprint('asleep', flush=True)\nwhile True: time.monotonic()"
    with started(site, "--help", source=source) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()

    assert (err, process.returncode) == ("", 130)


def test_a_plugin_that_blocks_a_thread_does_not_keep_the_command_from_ending(site: Site) -> None:
    source = SLEEPING.replace(
        "    async def work():",
        """
    import threading
    from hostel.runtime import console

    class Blocking:
        name = "blocking"

        @hookimpl
        def on_task_event(self, event):
            print("blocked", flush=True)
            threading.Event().wait()

    async def work():
        from hostel.runtime import TaskSpec
        async with Runtime([Blocking()], blocked=["hostel"], load_installed=False) as runtime:
            await runtime.tasks.spawn_managed("s1", TaskSpec(), anyio.lowlevel.checkpoint)
        return

    async def unused():""",
    )
    with started(site, "sleep", source=source) as process:
        out, err = process.communicate()

    assert out == "blocked\n"
    assert process.returncode == 0
    assert "on_task_event: not done after 5 s" in err
