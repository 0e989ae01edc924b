import json
import logging
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import DownloadRequest, StorageFailed
from hostel.plugins.model_pull._queue.persistence import QueueStore, queue_from_json, queue_to_json
from hostel.plugins.model_pull._queue.queue import Queue, QueueItem

REQUEST = DownloadRequest("org/m", "Q8_0", include=("*.gguf",), cache_dir=Path("/c"), session_id="s")
ITEM = QueueItem("org/m:Q8_0", "g", REQUEST, 5.0, total=9, commit="c" * 40, requests=(("s", "r"),))
QUEUE = Queue(max_size=7).add(ITEM)


def test_a_queue_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    store = QueueStore(tmp_path / "data")
    assert store.claim()
    store.save(QUEUE)
    store.release()

    assert QueueStore(tmp_path / "data").load() == QUEUE
    assert QueueStore(tmp_path / "none").load() is None


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    store = QueueStore(tmp_path)
    store.save(QUEUE)

    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["downloads.json"]


def test_one_process_owns_it_at_a_time(tmp_path: Path) -> None:
    one, other = QueueStore(tmp_path), QueueStore(tmp_path)

    assert one.claim()
    assert not other.claim()
    one.release()
    assert other.claim()
    other.release()


def test_what_cannot_be_read_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = QueueStore(tmp_path)
    store.path.write_text("{broken")

    with caplog.at_level(logging.WARNING):
        assert store.load() is None

    assert (tmp_path / "downloads.unreadable").read_text() == "{broken"
    assert "begins empty" in caplog.text


def test_what_a_newer_hostel_wrote_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = QueueStore(tmp_path)
    store.path.write_text(json.dumps({"version": 99}))

    with pytest.raises(StorageFailed, match="a newer hostel wrote it"):
        store.load()
    assert store.path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageFailed, match="downloads"):
        QueueStore(tmp_path / "file").claim()


NAMES = st.sampled_from("abcdef")


@given(
    names=st.lists(NAMES, unique=True, max_size=6),
    running=st.integers(0, 3),
    failing=st.integers(0, 2),
    size=st.integers(6, 50),
)
def test_any_queue_survives_being_written_as_json(
    names: list[str], running: int, failing: int, size: int
) -> None:
    queue = Queue(max_size=size)
    for name in names:
        queue = queue.add(QueueItem(name, f"g{name}", DownloadRequest(name), 1.5, requests=(("s", name),)))
    for name in names[:running]:
        queue = queue.start(name, 2.0)
    for name in names[:failing]:
        queue = queue.fail(name, error="e", kind="k", recoverable=True, at=3.0)

    assert queue_from_json(json.loads(json.dumps(queue_to_json(queue)))) == queue
