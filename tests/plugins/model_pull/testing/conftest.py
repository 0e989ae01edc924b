from collections.abc import Iterator

import httpx
import pytest

from hostel.plugins.model_pull.testing import LocalHub


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub(page_size=3) as hub:
        yield hub


@pytest.fixture
def client(hub: LocalHub) -> Iterator[httpx.Client]:
    """A client of the hub that follows no redirect."""
    with httpx.Client(base_url=hub.endpoint, trust_env=False, timeout=60) as client:
        yield client
