"""The panels of downloads and models, as the page uses them: rows, and verbs on them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import httpx
import pytest

from hostel.plugins.inspector import Inspector
from hostel.plugins.model_pull import DownloadManager, QueueSnapshot
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Row = dict[str, Any]


@attrs.frozen
class Page:
    """Does what the page of the inspector does with a panel."""

    http: httpx.AsyncClient
    manager: DownloadManager
    panels: dict[str, Row]

    async def rows(self, panel: str, **query: object) -> list[Row]:
        answer = await self.http.get(self.panels[panel]["rows"], params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def offered(self, panel: str, row: Row | None = None) -> dict[str, Row]:
        """Return what may be done with a row, or with the whole panel."""
        return {
            one["title"]: one
            for one in self.panels[panel]["actions"]
            if (one["scope"] == "row") == (row is not None)
            and all((row or {}).get(field) in values for field, values in one["when"].items())
        }

    async def act(
        self, panel: str, title: str, row: Row | None = None, **filled_in: object
    ) -> httpx.Response:
        action = self.offered(panel, row)[title]
        fields = {name: (row or {})[field] for name, field in action["body"].items()}
        assert filled_in.keys() <= (action["schema"] or {"properties": {}})["properties"].keys()
        return await self.http.post(action["path"], json={**fields, **filled_in})

    async def until(self, condition: Callable[[QueueSnapshot], bool]) -> None:
        with anyio.fail_after(60):
            async with self.manager.subscribe() as events:
                if condition(await self.manager.get_queue_snapshot()):
                    return
                async for event in events:
                    if isinstance(event, QueueSnapshot) and condition(event):
                        return


@asynccontextmanager
async def page() -> AsyncIterator[Page]:
    inspector = Inspector()
    async with Runtime([inspector], load_installed=False) as runtime:
        headers = {"authorization": f"Bearer {inspector.token}"}
        async with httpx.AsyncClient(
            base_url=inspector.url, headers=headers, trust_env=False, timeout=60
        ) as http:
            told = (await http.get("/api/panels")).json()["items"]
            panels = {one["name"]: one for one in told if one["plugin"] == "model_pull"}
            yield Page(http, runtime.get(DownloadManager), panels)


@pytest.fixture
def held(hub: LocalHub) -> LocalHub:
    """A hub that holds back what it was asked for: no download ends."""
    for seed, name in enumerate("mnop", 1):
        hub.add_repo(f"org/{name}", {"m-Q8_0.gguf": Blob(8 * MIB, seed=seed)})
    hub.fault(Fault(origin=Origin.CDN, stall_after=64 << 10))
    return hub


async def test_a_model_is_added_moved_and_cancelled(held: LocalHub) -> None:
    async with page() as shown:
        assert await shown.rows("downloads") == []
        for name in "mnop":
            added = await shown.act("downloads", "Pull a model", repo_id=f"org/{name}", quantization="")
            assert added.json()["id"] == f"org/{name}:Q8_0"
        await shown.until(lambda queue: queue.active_count == 2)

        rows = await shown.rows("downloads")
        first, last = rows[0], rows[-1]
        assert (first["share"] is None or 0 <= first["share"] < 1, last["share"]) == (True, 0)
        assert (last["id"], last["status"], last["position"]) == ("org/p:Q8_0", "queued", 4)
        task = (await shown.http.get(f"/api/tasks/{last['task_id']}")).json()
        assert (task["kind"], task["session_id"]) == ("model_pull", last["session_id"])
        assert list(shown.offered("downloads", last)) == ["Move", "Cancel"]
        assert list(shown.offered("downloads", first)) == ["Cancel"]

        moved = await shown.act("downloads", "Move", last, position=3)
        assert moved.json() == {"position": 3}
        cancelled = await shown.act("downloads", "Cancel", last, clear_cache=True)
        assert cancelled.json()["newly_cancelled"] == 1
        assert [row["id"] for row in await shown.rows("downloads")] == [
            "org/m:Q8_0",
            "org/n:Q8_0",
            "org/o:Q8_0",
        ]
        await shown.manager.cancel_all()


async def test_what_cannot_be_added_is_refused_with_the_reason(hub: LocalHub) -> None:
    async with page() as shown:
        refused = await shown.act("downloads", "Pull a model", repo_id="org/nope")

    assert refused.status_code == 400
    assert "org/nope does not exist" in refused.json()["detail"]


async def test_a_failure_is_tried_again_and_forgotten(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB)})
    hub.add_repo("org/n", {"m-Q8_0.gguf": Blob(MIB, seed=2)})
    hub.fault(Fault(origin=Origin.CDN, corrupt_at=7))
    async with page() as shown:
        for name in "mn":
            await shown.act("downloads", "Pull a model", repo_id=f"org/{name}")
        await shown.until(lambda queue: len(queue.recent_failures) == 2)

        one, other = await shown.rows("downloads")
        assert (one["status"], one["task_id"], one["session_id"]) == ("failed", None, None)
        assert one["error"]
        assert list(shown.offered("downloads", one)) == ["Try again", "Forget"]
        hub.clear_faults()
        again = await shown.act("downloads", "Try again", one)
        assert again.status_code == 200
        forgotten = await shown.act("downloads", "Forget", other, clear_cache=False)
        assert forgotten.status_code == 200
        await shown.until(lambda queue: not queue.items and not queue.recent_failures)

        gone = await shown.act("downloads", "Try again", one)
        assert gone.status_code == 404
        assert (await shown.act("downloads", "Forget failures")).json() == {}


async def test_what_was_pulled_lies_among_the_models(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB)})
    hub.add_repo("org/n", {"m-Q8_0.gguf": Blob(MIB, seed=2)})
    async with page() as shown:
        assert await shown.rows("models") == []
        for name in "mn":
            await shown.manager.pull(f"org/{name}")

        one, other = await shown.rows("models")
        assert (one["repo_id"], one["revision"], one["size"]) == ("org/m", "main", MIB)
        assert one["path"].endswith(f"snapshots/{one['commit']}")
        first = (await shown.http.get("/api/models", params={"limit": 1})).json()
        rest = (await shown.http.get("/api/models", params={"limit": 1, "after": first["next"]})).json()
        assert (first["items"], rest) == ([one], {"items": [other], "next": None})
        assert (await shown.http.get("/api/models?limit=x")).status_code == 400
