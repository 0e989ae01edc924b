"""The panel of commands, as the page uses it: rows, and telling a command something."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from hostel.plugins.inspector import Inspector
from hostel.plugins.process._running import LONGEST, RunningCommand
from hostel.runtime import Runtime
from hostel.sessions import JsonValue, Limits, TaskState

from .test_task import shows

SECONDS = 60


@asynccontextmanager
async def serving(
    data_dir: Path | None = None, **given: Any
) -> AsyncIterator[tuple[Runtime, httpx.AsyncClient]]:
    inspector = Inspector()
    async with Runtime([inspector], data_dir=data_dir, load_installed=False, **given) as runtime:
        headers = {"authorization": f"Bearer {inspector.token}"}
        async with httpx.AsyncClient(
            base_url=inspector.url, headers=headers, trust_env=False, timeout=SECONDS
        ) as http:
            yield runtime, http


async def rows(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await http.get("/api/processes")
    assert answer.status_code == 200
    return list(answer.json()["items"])


async def act(http: httpx.AsyncClient, title: str, row: dict[str, Any], **filled_in: str) -> httpx.Response:
    """Do what the page does with a verb of the panel."""
    panels = (await http.get("/api/panels")).json()["items"]
    (panel,) = [one for one in panels if (one["plugin"], one["name"]) == ("process", "processes")]
    (action,) = [one for one in panel["actions"] if one["title"] == title]
    fields = {name: row[field] for name, field in action["body"].items()}
    return await http.post(action["path"], json={**fields, **filled_in})


async def test_a_command_is_a_row_as_long_as_it_runs(tmp_path: Path) -> None:
    async with serving() as (runtime, http):
        assert await rows(http) == []
        argv: list[JsonValue] = ["sh", "-c", "echo $$; read line; echo got $line"]
        task = await runtime.start(
            "s", "process", {"argv": argv, "stdin": True, "cwd": str(tmp_path)}, id="t"
        )
        pid = int(await shows(runtime, "\n"))

        (row,) = await rows(http)
        assert row["command"] == "sh -c 'echo $$; read line; echo got $line'"
        assert (row["id"], row["session_id"], row["state"]) == ("t", "s", "running")
        assert (row["cwd"], row["pid"], row["takes_input"]) == (str(tmp_path), pid, True)
        assert row["started_at"] == task.record.started_at

        assert (await act(http, "Send a line", row, line="a word")).status_code == 200
        await task.wait()
        assert await rows(http) == []
        assert "got a word" in (await runtime.tasks.read_output("t")).text
        gone = await act(http, "Send a line", row, line="a word")
        assert (gone.status_code, gone.json()["detail"]) == (404, "no command of a task 't' runs here")


async def test_the_end_of_its_input_and_a_signal_reach_a_command() -> None:
    async with serving() as (runtime, http):
        reads = await runtime.start("s", "process", {"shell": "cat; echo over", "stdin": True}, id="cat")
        waits = await runtime.start(
            "s", "process", {"shell": "trap 'echo usr1; exit 0' USR1; echo up; while :; do sleep 0.01; done"}
        )
        await shows(runtime, "up", waits.id)
        by_id = {row["id"]: row for row in await rows(http)}

        refused = await act(http, "Send a line", by_id[waits.id], line="x")
        assert (refused.status_code, "it was started without `stdin`" in refused.json()["detail"]) == (
            400,
            True,
        )
        nonsense = await act(http, "Send a signal", by_id[waits.id], signal="NONE")
        assert nonsense.status_code == 400
        assert (await act(http, "Send a signal", by_id[waits.id], signal="USR1")).status_code == 200
        await shows(runtime, "usr1", waits.id)
        assert (await runtime.tasks.wait(waits.id)).state is TaskState.COMPLETED

        # before it runs there is no command to tell anything
        while "cat" not in {row["id"] for row in await rows(http) if row["runs"]}:
            pass
        (cat,) = await rows(http)
        assert (await act(http, "End its input", cat)).status_code == 200
        await reads.wait()
        assert "over" in (await runtime.tasks.read_output("cat")).text


async def test_a_command_that_waits_for_its_turn_has_no_pid_yet() -> None:
    async with serving(limits=Limits(total=1)) as (runtime, http):
        first = await runtime.start("s", "process", {"shell": "cat", "stdin": True}, id="first")
        await runtime.start("s", "process", {"shell": "true"}, id="second", label="all is well")

        (row,) = [row for row in await rows(http) if row["id"] == "second"]
        assert (row["command"], row["state"], row["pid"], row["runs"]) == (
            "all is well",
            "pending",
            None,
            False,
        )
        assert (await act(http, "Send a signal", row, signal="INT")).status_code == 404
        await runtime.tasks.request_cancel(first.id)
        assert (await runtime.tasks.wait("second")).state is TaskState.COMPLETED


async def test_what_the_body_does_not_say_is_asked_for() -> None:
    async with serving() as (_, http):
        for path, body, why in [
            ("processes/send", [], "the body is a JSON object"),
            ("processes/send", {"id": "t"}, "line is to be given as a text"),
            ("processes/signal", {"id": "t", "signal": 2}, "signal is to be given as a text"),
            ("processes/eof", {}, "id is to be given as a text"),
            ("processes/eof", {"id": "t", "session_id": 3}, "session_id is a text"),
        ]:
            refused = await http.post(f"/api/{path}", json=body)
            assert (refused.status_code, refused.json()["detail"]) == (400, why)


async def test_an_adopted_command_is_shown_by_the_next_runtime(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as (runtime, http):
        await runtime.start("s", "process", {"shell": "echo up; read line", "stdin": True}, id="t")
        await shows(runtime, "up")
        (before,) = await rows(http)
    async with serving(tmp_path / "data") as (runtime, http):
        while not (found := await rows(http)) or not found[0]["runs"]:
            pass
        (after,) = found
        assert (after["command"], after["pid"], after["cwd"]) == ("echo up; read line", before["pid"], None)
        assert (await act(http, "Send a line", after, line="")).status_code == 200
        await runtime.tasks.wait("t")


def test_a_very_long_command_is_cut() -> None:
    command = RunningCommand.of({"shell": "x" * 3_000}, None, 7)

    assert (len(command.line), command.line[-1]) == (LONGEST, "…")


async def test_two_tasks_of_one_id_are_two_commands() -> None:
    async with serving() as (runtime, http):
        for session in ("a", "b"):
            params: dict[str, JsonValue] = {"shell": f"echo {session}; cat", "stdin": True}
            await runtime.start(session, "process", params, id="t")
        while len(found := [row for row in await rows(http) if row["runs"]]) < 2:
            pass

        assert {row["session_id"]: row["command"] for row in found} == {
            "a": "echo a; cat",
            "b": "echo b; cat",
        }
        assert len({row["key"] for row in found}) == 2
        for row in found:
            assert (await act(http, "End its input", row)).status_code == 200
        for session in ("a", "b"):
            await runtime.tasks.wait("t", session_id=session)
