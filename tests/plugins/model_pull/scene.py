"""A host, a manager and what the manager tells, for tests of its queue."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from hostel.plugins.model_pull import DownloadEvent, DownloadManager, GroupEvent, Progress, Subscription
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost, TaskState

Files = dict[str, bytes | Blob]


def shards(*sizes: int, label: str = "Q8_0", seed: int = 1) -> Files:
    count = len(sizes)
    return {
        f"m-{label}-{number:05}-of-{count:05}.gguf": Blob(size=size, seed=seed * 100 + number)
        for number, size in enumerate(sizes, 1)
    }


def single(size: int = MIB, label: str = "Q8_0", seed: int = 1) -> Files:
    return {f"m-{label}.gguf": Blob(size=size, seed=seed)}


def slow(hub: LocalHub, bps: int = 2 * MIB, path: str | None = None) -> None:
    hub.fault(Fault(origin=Origin.CDN, bps=bps, path=path))


def partials(home: Path) -> list[Path]:
    return list(home.rglob("*.hostel.part"))


def blobs(home: Path) -> list[Path]:
    return [path for path in home.rglob("blobs/*") if path.is_file()]


class Scene:
    """A host, a manager and everything the manager told."""

    def __init__(self, host: LocalBackgroundTaskHost, manager: DownloadManager, reader: Subscription) -> None:
        self.host, self.manager, self._reader = host, manager, reader
        self.events: list[DownloadEvent] = []

    async def until(self, condition: Callable[[DownloadEvent], bool]) -> DownloadEvent:
        """Read events up to one that meets the condition."""
        with anyio.fail_after(60):
            async for event in self._reader:
                self.events.append(event)
                if condition(event):
                    return event
        raise AssertionError("the event bus ended")

    async def until_moving(self, id: str, done: int = 1) -> None:
        await self.until(
            lambda event: isinstance(event, Progress) and event.id == id and event.downloaded >= done
        )

    async def until_ended(self, id: str) -> DownloadEvent:
        return await self.until(
            lambda event: isinstance(event, GroupEvent) and event.id == id and event.terminal
        )


@asynccontextmanager
async def scene(data_dir: Path | None = None, slots: int = 2, size: int = 10) -> AsyncIterator[Scene]:
    async with LocalBackgroundTaskHost() as host:
        manager = DownloadManager(host, data_dir=data_dir, max_concurrent=slots, max_queue_size=size)
        async with manager, manager.subscribe() as reader:
            with anyio.fail_after(60):
                yield Scene(host, manager, reader)


async def sessions_states(host: LocalBackgroundTaskHost, session: str) -> list[TaskState]:
    return [record.state for record in await host.list_managed(session)]
