"""Every async test runs on asyncio and trio; each test must leave no thread and no open file behind."""

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401 - it counts referrers when it is imported, and so must not see frozen ones
import pytest
from trio.testing import MockClock

LOOPS = ["asyncio", "trio"]
EAGER = ["asyncio-eager"] if sys.version_info >= (3, 12) else []
HERE = Path(__file__).parent
ON_EAGER_TASKS_TOO = (HERE / "conformance", HERE / "sessions")


def pytest_configure() -> None:
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # in a background job; what we start would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "anyio_backend" not in metafunc.fixturenames:
        return
    if metafunc.definition.get_closest_marker("virtual_time"):
        metafunc.parametrize("anyio_backend", ["trio-virtual"], indirect=True)
    else:
        eager = any(folder in metafunc.definition.path.parents for folder in ON_EAGER_TASKS_TOO)
        metafunc.parametrize("anyio_backend", LOOPS + EAGER if eager else LOOPS, indirect=True)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what is there already need not be looked through after each test


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "trio-virtual":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    if request.param == "asyncio-eager":
        return "asyncio", {"loop_factory": _eager_loop}
    return request.param, {}


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    threads, files = set(threading.enumerate()), _open_files()
    yield
    gc.collect()
    started = [thread for thread in set(threading.enumerate()) - threads if not _kept_by_trio(thread)]
    for thread in started:
        thread.join(2)
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"threads left running: {left}"
    opened = _open_files() - files
    assert not opened, f"files left open: {opened}"


def _kept_by_trio(thread: threading.Thread) -> bool:
    return thread.name.startswith("Trio thread")  # a process-wide cache; each one ends after ten idle seconds


def _open_files() -> set[tuple[str, str]]:
    opened = set()
    for fd in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            opened.add((fd.name, str(fd.readlink())))
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return opened
