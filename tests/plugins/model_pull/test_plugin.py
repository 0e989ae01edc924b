"""The plugin in a runtime, beside strangers that add to it."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from hostel.plugins.model_pull import (
    Completed,
    DownloadEvent,
    DownloadManager,
    Progress,
    PullError,
    QuantOption,
    Reference,
    RemoteFile,
)
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.runtime import Runtime, hookimpl
from hostel.sessions import TaskFailed, TaskState


async def test_a_model_is_pulled_by_the_name_of_its_task_kind(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB), "m-Q4_0.gguf": Blob(MIB, seed=2)})
    async with Runtime(load_installed=False) as runtime:
        handle = await runtime.start("s", "model_pull", {"repo_id": "org/m", "quantization": "Q8_0"})

        path = await handle.wait()

        assert Path(str(path)).name == "m-Q8_0.gguf"
        assert handle.record.progress is not None
        assert handle.record.progress.unit == "bytes"


async def test_a_task_of_the_kind_shares_and_is_cancelled_like_a_request(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(8 * MIB)})
    hub.fault(Fault(origin=Origin.CDN, bps=2 * MIB))
    async with Runtime(load_installed=False) as runtime:
        manager = runtime.get(DownloadManager)
        async with manager.subscribe() as events:
            task = await runtime.start("s", "model_pull", {"repo_id": "org/m"})
            async for event in events:
                if isinstance(event, Progress) and event.downloaded:
                    break

            receipt = await manager.cancel(request_id=task.id)

        assert receipt.newly_cancelled == 1
        assert task.record.state is TaskState.CANCELLED


async def test_a_task_that_cannot_have_its_model_fails_with_the_sentence(hub: LocalHub) -> None:
    async with Runtime(load_installed=False) as runtime:
        task = await runtime.start("s", "model_pull", {"repo_id": "org/nope"})
        with pytest.raises(TaskFailed, match="org/nope does not exist") as caught:
            await task.wait()

    assert isinstance(caught.value.__cause__, PullError)


class Chooser:
    """Wants the largest that can be pulled."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @hookimpl
    def choose_quantization(self, repo_id: str, options: list[QuantOption]) -> str:
        self.asked.append(repo_id)
        return max(options, key=lambda option: option.size or 0).name


async def test_a_stranger_may_choose_the_quantization_where_nobody_named_one(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q4_K_M.gguf": Blob(MIB), "m-Q8_0.gguf": Blob(2 * MIB, seed=2)})
    chooser = Chooser()
    async with Runtime([chooser], load_installed=False) as runtime:
        manager = runtime.get(DownloadManager)

        assert (await manager.pull("org/m")).name == "m-Q8_0.gguf"
        assert (await manager.pull("org/m:Q4_K_M")).name == "m-Q4_K_M.gguf"
    assert chooser.asked == ["org/m"]


async def test_a_choice_that_is_not_offered_is_noted_and_passed_over(hub: LocalHub) -> None:
    class Wrong:
        @hookimpl
        def choose_quantization(self) -> str:
            return "Q2_K"

    hub.add_repo("org/m", {"m-Q4_K_M.gguf": Blob(MIB), "m-Q8_0.gguf": Blob(2 * MIB, seed=2)})
    async with Runtime([Wrong()], load_installed=False) as runtime:
        path = await runtime.get(DownloadManager).pull("org/m")
        failures = {info.name: info.failure for info in runtime.plugins}

    assert path.name == "m-Q4_K_M.gguf"
    assert (
        failures["Wrong"]
        == "choose_quantization: ValueError: 'Q2_K' is none of the options that can be pulled"
    )


class Shelf:
    """Models under `shelf://`, served by the hub of the test."""

    schemes = ("shelf",)

    def __init__(self, url: str) -> None:
        self._url = url

    async def resolve(self, reference: Reference) -> Sequence[RemoteFile]:
        return [RemoteFile("m.bin", MIB, None, self._url)]


async def test_a_stranger_may_add_a_source(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m.bin": Blob(MIB, seed=3)})

    class Shelves:
        @hookimpl
        def register_model_sources(self) -> list[Shelf]:
            return [Shelf(f"{hub.endpoint}/org/m/resolve/main/m.bin")]

    async with Runtime([Shelves()], load_installed=False) as runtime:
        path = await runtime.get(DownloadManager).pull("shelf://my/model")

    assert path.read_bytes() == Blob(MIB, seed=3).read()


WRONG = [RuntimeError("mine"), SystemExit(3), KeyboardInterrupt(), None, 7, [7], "text"]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
async def test_what_the_source_of_a_stranger_does_wrong_fails_its_pull_alone(
    hub: LocalHub, wrong: BaseException | object
) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB)})

    class Broken(Shelf):
        async def resolve(self, reference: Reference) -> Sequence[RemoteFile]:
            if isinstance(wrong, BaseException):
                raise wrong
            return wrong  # type: ignore[return-value]

    class Shelves:
        name = "shelves"

        @hookimpl
        def register_model_sources(self) -> list[Shelf]:
            return [Broken("")]

    async with Runtime([Shelves()], load_installed=False) as runtime:
        manager = runtime.get(DownloadManager)
        with anyio.fail_after(60):
            with pytest.raises(TaskFailed, match="'shelves' failed: resolving shelf://my/model"):
                await manager.pull("shelf://my/model")
            await manager.pull("org/m")
        (noted,) = (plugin.failure for plugin in runtime.plugins if plugin.name == "shelves")

    assert noted is not None
    assert noted.startswith("resolving shelf://my/model")


@pytest.mark.parametrize("raises", [False, True])
async def test_a_stranger_is_told_what_happens_and_harms_nobody(hub: LocalHub, raises: bool) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB)})
    told: list[DownloadEvent] = []
    ended = anyio.Event()

    class Listening:
        @hookimpl
        async def on_download_event(self, event: DownloadEvent) -> None:
            told.append(event)
            if isinstance(event, Completed):
                ended.set()
            if raises:
                raise RuntimeError("mine")

    async with Runtime([Listening()], load_installed=False) as runtime:
        with anyio.fail_after(60):
            await runtime.get(DownloadManager).pull("org/m")
            await ended.wait()
    assert any(isinstance(event, Progress) for event in told)


async def test_the_queue_of_a_runtime_survives_its_end(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(8 * MIB)})
    hub.fault(Fault(origin=Origin.CDN, bps=4 * MIB))
    async with Runtime(load_installed=False, data_dir=tmp_path) as runtime:
        manager = runtime.get(DownloadManager)
        events = manager.subscribe()
        manager.pull("org/m", session_id="s")
        async for event in events:
            if isinstance(event, Progress) and event.downloaded > MIB:
                break
    hub.clear_faults()
    hub.clear_log()

    async with Runtime(load_installed=False, data_dir=tmp_path) as runtime:
        with anyio.fail_after(60):
            [record] = await runtime.tasks.wait_all("s")
        assert record.state is TaskState.COMPLETED
    assert hub.bytes_sent(origin=Origin.CDN) < 8 * MIB
