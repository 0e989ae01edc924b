"""What is below `/v1` is described, and the description is that of the application."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from hostel.plugins.batch import SqlStorage
from hostel.plugins.batch._openai.app import batch_app
from hostel.plugins.batch._openai.description import paths


async def test_every_call_is_described_and_every_description_has_a_call(tmp_path: Path) -> None:
    async with SqlStorage(tmp_path / "batch.db") as storage:
        app = batch_app(storage)
    assert isinstance(app, Starlette)
    calls = {
        (method.lower(), route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }

    described = paths()

    assert {(method, path) for path, item in described.items() for method in item} == calls  # type: ignore[union-attr]
