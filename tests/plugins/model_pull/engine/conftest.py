from collections.abc import Iterator

import pytest

from hostel.plugins.model_pull.testing import LocalHub


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub
