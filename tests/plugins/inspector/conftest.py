"""A runtime that is served, and a client that may ask it."""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import httpx
import pytest

from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
from hostel.sessions import BackgroundTaskHost

from .program import SECONDS


@attrs.frozen
class Served:
    runtime: Runtime
    inspector: Inspector
    http: httpx.AsyncClient

    @property
    def host(self) -> BackgroundTaskHost:
        return self.runtime.tasks


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder / "hostel"


def runtime_with(*plugins: object) -> Runtime:
    return Runtime(plugins=plugins, load_installed=False, blocked=["model_pull", "batch", "process"])


def client(inspector: Inspector) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {inspector.token}"}
    return httpx.AsyncClient(base_url=inspector.url, headers=headers, trust_env=False, timeout=SECONDS)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    inspector = Inspector()
    async with runtime_with(inspector) as runtime, client(inspector) as http:
        yield Served(runtime, inspector, http)
