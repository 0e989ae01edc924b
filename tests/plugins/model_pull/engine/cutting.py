"""A fetch that is cancelled once it has fetched enough, however long that takes."""

from pathlib import Path

import anyio

from hostel.plugins.model_pull import RemoteFile
from hostel.plugins.model_pull._engine import FetchProgress, fetch
from hostel.plugins.model_pull.testing import MIB


async def fetch_some(file: RemoteFile, blob: Path, enough: int = 2 * MIB) -> None:
    with anyio.CancelScope() as scope:

        def told(progress: FetchProgress) -> None:
            if progress.fetched >= enough:
                scope.cancel()

        await fetch(file, blob, on_progress=told)
    assert scope.cancelled_caught
