"""Every async test runs on asyncio and trio; each test must leave no thread and no open file behind.

No test is decided by the wall clock. What hangs is ended by pytest's faulthandler (pyproject.toml), which
shows every stack; limits inside a test, a minute or more, only tell sooner where it hangs.
"""

import asyncio
import gc
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings  # before the freeze: it counts referrers when it is imported
from trio.testing import MockClock

LOOPS = ["asyncio", "trio"]
EAGER = ["asyncio-eager"] if sys.version_info >= (3, 12) else []
HERE = Path(__file__).parent
ON_EAGER_TASKS_TOO = (HERE / "conformance", HERE / "sessions")

settings.register_profile(
    "hostel", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("hostel")


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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        if not any(map(shutil.which, mark.args)):
            _missing(mark.args[0])


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Says what a test needs and does not find: it is skipped, or fails where everything is installed."""
    return _missing


def _missing(part: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"not installed: {part}", pytrace=False)
    pytest.skip(f"needs {part}")


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "trio-virtual":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    if request.param == "asyncio-eager":
        return "asyncio", {"loop_factory": _eager_loop}
    return request.param, {}


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - from 3.12 on
    return loop


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    threads, files = _threads(), _open_files()
    yield
    if "anyio_backend" in request.fixturenames or _started_since(threads) or _open_files() - files:
        gc.collect()
    started = _started_since(threads)
    end = time.monotonic() + 60
    while (running := [thread for thread in started if _runs(thread)]) and time.monotonic() < end:
        running[0].join(0.05)
    left = [thread.name for thread in running]
    assert not left, f"threads left running: {left}"
    opened = _open_files() - files
    assert not opened, f"files left open: {opened}"


def _threads() -> dict[threading.Thread, str]:
    return {thread: thread.name for thread in threading.enumerate()}


def _started_since(threads: dict[threading.Thread, str]) -> list[threading.Thread]:
    # trio keeps threads for ten idle seconds; one of those before has another name while it works again
    return [thread for thread, name in _threads().items() if threads.get(thread) != name and _runs(thread)]


def _runs(thread: threading.Thread) -> bool:
    return thread.is_alive() and not thread.name.startswith("Trio thread")


def _open_files() -> set[tuple[str, str]]:
    opened = set()
    for fd in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            opened.add((fd.name, str(fd.readlink())))
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return opened
