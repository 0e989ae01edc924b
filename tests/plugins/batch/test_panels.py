"""The panels of batches and their lines, as the page uses them: rows, verbs, and results as files."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest

from hostel.plugins.batch import Batch, Batches, BatchInput, SqlStorage
from hostel.plugins.batch._http_api import LONGEST_TEXT
from hostel.plugins.batch.testing import ENDPOINT, Answer, Upstream, eventually, finished, template
from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
from hostel.sessions import TaskState

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)


@attrs.frozen
class Page:
    """Does what the page of the inspector does with panels."""

    runtime: Runtime
    http: httpx.AsyncClient
    panels: dict[str, Row]

    @property
    def batches(self) -> Batches:
        return self.runtime.get(Batches)

    async def submit(self, *names: str, session: str = "s1") -> Batch:
        storage = await self.batches.storage()
        file_id = await storage.create_file("f", None, [template(name) for name in names])
        return await self.batches.submit(BatchInput(file_id, ENDPOINT, "24h", session_id=session))

    async def finished(self, batch: Batch) -> Batch:
        with anyio.fail_after(60):
            await self.runtime.tasks.wait(batch.id)
            return await finished(await self.batches.storage(), batch)

    async def get(self, path: str, **query: object) -> Row:
        answer = await self.http.get(path, params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def rows(self, panel: str, outer: Row | None = None, **query: object) -> list[Row]:
        described = self.panels[panel]
        filled_in = {name: (outer or {})[field] for name, field in described["params"].items()}
        return list((await self.get(described["rows"], **filled_in, **query))["items"])

    def offered(self, panel: str, row: Row) -> dict[str, Row]:
        return {
            one["title"]: one
            for one in self.panels[panel]["actions"]
            if one["scope"] == "row" and all(row[field] in values for field, values in one["when"].items())
        }

    async def act(self, panel: str, title: str, row: Row) -> httpx.Response:
        action = self.offered(panel, row)[title]
        return await self.http.post(action["path"], json={name: row[f] for name, f in action["body"].items()})

    async def act_on_all(self, panel: str, title: str, outer: Row) -> httpx.Response:
        (action,) = [one for one in self.panels[panel]["actions"] if one["title"] == title]
        params = {name: outer[field] for name, field in self.panels[panel]["params"].items()}
        return await self.http.post(action["path"], json={n: params[f] for n, f in action["body"].items()})

    async def save(self, panel: str, title: str, row: Row) -> tuple[str, list[Row]]:
        save = self.offered(panel, row)[title]
        answer = await self.http.get(save["address"].format(**row))
        assert answer.status_code == 200, answer.text
        return save["name"].format(**row), [json.loads(line) for line in answer.text.splitlines()]


@asynccontextmanager
async def page(upstream: Upstream | None, data_dir: Path | None = None) -> AsyncIterator[Page]:
    inspector = Inspector()
    async with Runtime([inspector], data_dir=data_dir, load_installed=False) as runtime:
        if upstream is not None:
            await runtime.get(Batches).work(upstream.url, poll=0.05, grace=0.2)
        headers = {"authorization": f"Bearer {inspector.token}"}
        async with httpx.AsyncClient(
            base_url=inspector.url, headers=headers, trust_env=False, timeout=60
        ) as http:
            told = (await http.get("/api/panels")).json()["items"]
            yield Page(runtime, http, {one["name"]: one for one in told if one["plugin"] == "batch"})


def refusing(upstream: Upstream, *names: str) -> None:
    upstream.script = lambda call: Answer(400, "no such thing") if call.prompt in names else Answer()


async def test_a_batch_is_a_row_with_its_results_as_a_file(upstream: Upstream) -> None:
    refusing(upstream, "bad")
    async with page(upstream) as shown:
        batch = await shown.finished(await shown.submit("a", "bad", "c"))

        (row,) = await shown.rows("batches")
        assert (row["id"], row["status"], row["share"]) == (batch.id, "completed", 1)
        assert (row["total"], row["completed"], row["failed"], row["canceled"]) == (3, 2, 1, 0)
        assert (row["model"], row["endpoint"]) == ("m", ENDPOINT)
        assert list(shown.offered("batches", row)) == ["Send failed lines again", "Results", "Errors"]
        task = await shown.get(f"/api/tasks/{row['task_id']}", session_id=row["session_id"])
        assert task["kind"] == "batch"

        name, results = await shown.save("batches", "Results", row)
        assert name == f"{batch.id}.jsonl"
        assert sorted(line["custom_id"] for line in results) == ["a", "c"]
        name, errors = await shown.save("batches", "Errors", row)
        assert (name, [line["custom_id"] for line in errors]) == (f"{batch.id}-errors.jsonl", ["bad"])


async def test_failed_lines_are_seen_and_sent_again(upstream: Upstream) -> None:
    refusing(upstream, "x", "y")
    async with page(upstream) as shown:
        batch = await shown.finished(await shown.submit("a", "x", "y"))
        (outer,) = await shown.rows("batches")

        x, y = await shown.rows("lines", outer)
        assert (x["custom_id"], x["line"], x["status"], x["error"]) == (
            "x",
            2,
            "failed",
            "HTTP 400: no such thing",
        )
        assert "x" in x["asked"]
        assert [row["custom_id"] for row in await shown.rows("lines", outer, status="completed")] == ["a"]
        first = await shown.get("/api/batches/lines", batch_id=batch.id, limit=1)
        rest = await shown.get("/api/batches/lines", batch_id=batch.id, limit=1, after=first["next"])
        assert (first["items"], rest) == ([x], {"items": [y], "next": None})

        upstream.script = lambda _: Answer()
        one = await shown.act("lines", "Send again", x)
        assert one.json() == {"retried": 1, "message": "1 line is sent again."}
        await shown.finished(batch)
        assert await shown.rows("lines", outer) == [y]
        again = await shown.act("lines", "Send again", x)
        assert (again.status_code, "is completed" in again.json()["detail"]) == (400, True)

        assert (await shown.act_on_all("lines", "Send all again", outer)).json()["retried"] == 1
        await shown.finished(batch)
        assert await shown.rows("lines", outer) == []
        (row,) = await shown.rows("batches")
        refused = await shown.http.post("/api/batches/retry", json={"id": batch.id})
        assert (row["completed"], row["has_failures"], refused.status_code) == (3, False, 400)


async def test_a_batch_is_cancelled_through_its_task(upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with page(upstream) as shown:
        batch = await shown.submit("a", "b")
        await upstream.until(lambda up: up.in_flight["m"] == 2)
        (row,) = await shown.rows("batches")
        assert (row["status"], row["share"], list(shown.offered("batches", row))) == (
            "in_progress",
            0,
            ["Cancel"],
        )

        assert (await shown.act("batches", "Cancel", row)).status_code == 200
        record = await shown.runtime.tasks.wait(batch.id)
        assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "inspector")
        (after,) = await shown.rows("batches")
        assert (after["status"], list(shown.offered("batches", after))) == ("cancelled", [])
        refused = await shown.http.post("/api/batches/cancel", json={"id": batch.id})
        assert (refused.status_code, "is finished" in refused.json()["detail"]) == (400, True)


async def test_who_cancels_a_batch_may_say_so(upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with page(upstream) as shown:
        batch = await shown.submit("a")

        await shown.http.post("/api/batches/cancel", json={"id": batch.id, "actor": "ada"})
        assert (await shown.runtime.tasks.wait(batch.id)).cancel_actor == "ada"


async def test_a_batch_that_a_task_made_names_that_task(upstream: Upstream, tmp_path: Path) -> None:
    lines = tmp_path / "in.jsonl"
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    lines.write_text(json.dumps({"custom_id": "a", "method": "POST", "url": ENDPOINT, "body": body}))
    async with page(upstream) as shown:
        task = await shown.runtime.start("s7", "batch", {"file": str(lines)}, id="mine:1")
        with anyio.fail_after(60):
            await task.wait()

        (row,) = await shown.rows("batches")
        assert (row["task_id"], row["session_id"], row["status"]) == ("mine:1", "s7", "completed")


async def test_batches_come_in_pages_the_newest_first(upstream: Upstream) -> None:
    async with page(upstream) as shown:
        ids = [(await shown.finished(await shown.submit("a"))).id for _ in range(3)]

        first = await shown.get("/api/batches", limit=2)
        rest = await shown.get("/api/batches", limit=2, after=first["next"])
        assert [row["id"] for row in (*first["items"], *rest["items"])] == ids[::-1]
        assert rest["next"] is None


async def test_an_input_that_is_not_valid_says_why(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("this is no request")
    async with page(None) as shown:
        file_id = await shown.batches.upload(tmp_path / "in.jsonl")
        await shown.batches.submit(BatchInput(file_id, ENDPOINT, "24h"))

        (row,) = await shown.rows("batches")
        assert (row["status"], row["share"], row["model"]) == ("failed", None, None)
        assert "line 1" in row["problems"]


async def test_looking_makes_no_store(tmp_path: Path) -> None:
    async with page(None, tmp_path / "data") as shown:
        assert await shown.rows("batches") == []
        for path in ("/api/batches/lines?batch_id=batch_1", "/batches/batch_1/results"):
            missing = await shown.http.get(path)
            assert (missing.status_code, missing.json()["detail"]) == (404, "There is no batch batch_1.")
        assert (await shown.http.post("/api/batches/retry", json={"id": "batch_1"})).status_code == 404

    assert not (tmp_path / "data" / "batch.db").exists()


async def test_without_an_upstream_a_store_is_shown_and_what_is_sent_again_waits(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with SqlStorage(tmp_path / "data" / "batch.db") as storage:
        await storage.create_file("f", None, [template("x" * (LONGEST_TEXT + 1))])
    async with Upstream.serve() as upstream:
        upstream.script = lambda _: Answer(400, "no")
        async with page(upstream, tmp_path / "data") as shown:
            await shown.finished(await shown.submit("x" * (LONGEST_TEXT + 1)))
    async with page(None, tmp_path / "data") as shown:
        (row,) = await shown.rows("batches")
        assert (await shown.save("batches", "Errors", row))[1][0]["response"]["status_code"] == 400
        (line,) = await shown.rows("lines", row)
        assert line["asked"].endswith("characters)")

        answer = await shown.act("batches", "Send failed lines again", row)
        assert (
            answer.json()["message"]
            == "1 line is sent again, once somebody sends requests: nobody does from here."
        )
        (again,) = await shown.rows("batches")
        assert again["status"] == "in_progress"

        async def has_its_task() -> bool:
            record = await shown.runtime.tasks.get(row["id"])
            return record is not None and record.state.is_live

        await eventually(has_its_task)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/api/batches?limit=x", "limit is a whole number up to 500"),
        ("/api/batches?limit=501", "limit is a whole number up to 500"),
        ("/api/batches/lines?batch_id=B&after=-1", "after is a whole number up to 1000000000"),
    ],
)
async def test_what_makes_no_sense_is_refused(upstream: Upstream, path: str, why: str) -> None:
    async with page(upstream) as shown:
        batch = await shown.submit("a")

        refused = await shown.http.get(path.replace("=B", f"={batch.id}"))
        assert (refused.status_code, refused.json()["detail"]) == (400, why)
        assert (await shown.http.get("/api/batches?after=batch_1")).status_code == 404
        for path in ("cancel", "retry", "retry-line"):
            refused = await shown.http.post(f"/api/batches/{path}", json={"id": 3})
            assert (refused.status_code, refused.json()["detail"]) == (400, "id is to be given as a text")


async def test_what_no_database_takes_is_the_fault_of_who_asks(
    location: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTEL_BATCH_STORE", str(location))
    async with page(None) as shown:
        for path in ("/api/batches?after=%00", "/api/batches/lines?batch_id=%00"):
            assert (await shown.http.get(path)).status_code in (400, 404)
        for path in ("cancel", "retry"):
            assert (await shown.http.post(f"/api/batches/{path}", json={"id": "\0"})).status_code in (
                400,
                404,
            )
        assert (await shown.http.get("/batches/%00/results")).status_code in (400, 404)
        assert {info.failure for info in shown.runtime.plugins} == {None}
