import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from hostel.plugins.model_pull import DownloadRequest, NotInQueue, QueueFull
from hostel.plugins.model_pull._queue.queue import LARGEST_SIZE, MAX_SIZE, Queue, QueueItem


def item(name: str) -> QueueItem:
    return QueueItem(name, f"group of {name}", DownloadRequest(name), queued_at=0.0)


def queue_of(active: int, pending: int, max_size: int = MAX_SIZE) -> Queue:
    """A queue of `active` running and `pending` waiting downloads called 1, 2, 3, ... by position."""
    names = [str(place) for place in range(1, active + pending + 1)]
    queue = Queue(slots=max(active, 1), max_size=max_size)
    for name in names:
        queue = queue.add(item(name))
    for name in names[:active]:
        queue = queue.start(name, 1.0)
    return queue


def order(queue: Queue) -> str:
    return "".join(one.id for one in queue.items)


def failed(queue: Queue, name: str) -> Queue:
    return queue.fail(name, error="it broke", kind="TransferFailed", recoverable=True, at=9.0)


def test_first_in_is_first_out() -> None:
    queue = queue_of(0, 3)

    assert [queue.position(name) for name in "123"] == [1, 2, 3]
    first = queue.next()
    assert first is not None
    assert first.id == "1"


def test_positions_of_what_waits_follow_those_of_what_runs() -> None:
    queue = queue_of(1, 2)

    assert [queue.position(name) for name in "123"] == [1, 2, 3]
    assert queue.next() is None


def test_real_concurrency_lets_as_many_run_as_there_are_slots() -> None:
    queue = attrs.evolve(queue_of(1, 2), slots=2)

    second = queue.next()

    assert second is not None
    assert second.id == "2"
    assert queue.start("2", 2.0).next() is None


def test_a_duplicate_attaches_to_the_one_that_is_there() -> None:
    for queue in (queue_of(1, 0), queue_of(0, 1)):
        assert queue == queue.add(item("1"))


def test_a_failed_download_can_be_asked_for_again_and_its_row_goes() -> None:
    queue = failed(queue_of(1, 0), "1").add(item("1"))

    assert queue.failed == ()
    assert queue.pending[0].attempts == 1
    assert queue.start("1", 3.0).active[0].attempts == 2


@pytest.mark.parametrize("active", [0, 1, 2])
def test_a_full_queue_takes_no_more(active: int) -> None:
    with pytest.raises(QueueFull, match="holds its 3 downloads"):
        queue_of(active, 3 - active, max_size=3).add(item("new"))


@pytest.mark.parametrize(
    ("active", "position", "expected", "place"),
    [
        (0, 1, "3124", 1),
        (0, 2, "1324", 2),
        (0, 4, "1243", 4),
        (0, 0, "3124", 1),
        (0, -5, "3124", 1),
        (0, 99, "1243", 4),
        (1, 1, "1324", 2),
        (1, 2, "1324", 2),
        (1, 99, "1243", 4),
        (2, 1, "1234", 3),
    ],
)
def test_moving_clamps_and_returns_the_real_place(
    active: int, position: int, expected: str, place: int
) -> None:
    moved, actual = queue_of(active, 4 - active).move("3", position)

    assert (expected, place) == (order(moved), actual)


def test_what_runs_is_not_moved() -> None:
    queue = queue_of(2, 2)

    assert (queue, 2) == queue.move("2", 4)


def test_moving_an_unknown_download_is_refused_by_name() -> None:
    with pytest.raises(NotInQueue, match="'nope'"):
        queue_of(1, 1).move("nope", 1)


def test_shrinking_drops_nothing_and_holds_for_new_ones() -> None:
    queue = queue_of(1, 4).resize(2)

    assert len(queue.items) == 5
    with pytest.raises(QueueFull):
        queue.add(item("new"))


@pytest.mark.parametrize("size", [0, -1, LARGEST_SIZE + 1])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="max_size"):
        Queue().resize(size)


def test_a_model_of_many_shards_takes_one_place() -> None:
    queue = Queue().add(attrs.evolve(item("big"), shard_count=11))

    assert len(queue.items) == 1
    assert len(queue.items) < MAX_SIZE


def test_a_download_that_fails_again_is_one_row() -> None:
    queue = failed(queue_of(1, 0), "1")
    queue, _ = queue.retry("1", group_id="g2", at=5.0)

    queue = failed(queue.start("1", 6.0), "1")

    [row] = queue.failed
    assert (row.item.attempts, row.error, row.recoverable) == (2, "it broke", True)


def test_retrying_keeps_what_the_download_is_and_returns_its_place() -> None:
    queue = queue_of(1, 2)
    queue = failed(attrs.evolve(queue, active=(attrs.evolve(queue.active[0], shard_count=3, total=9),)), "1")

    queue, place = queue.retry("1", group_id="new", at=7.0)

    assert place == 3
    assert (queue.items[2].shard_count, queue.items[2].total, queue.items[2].group_id) == (3, 9, "new")
    assert queue.failed == ()


def test_retrying_needs_room_and_keeps_the_row_without_it() -> None:
    queue = failed(queue_of(1, 1), "1").resize(1)

    with pytest.raises(QueueFull):
        queue.retry("1", group_id="new", at=1.0)
    assert queue.find_failed("1")


def test_removing_takes_what_waits_or_failed_but_not_what_runs() -> None:
    queue = failed(queue_of(2, 1), "1")

    assert order(queue.remove("3")) == "2"
    assert queue.remove("1").failed == ()
    with pytest.raises(NotInQueue):
        queue.remove("2")


def test_a_restored_queue_begins_with_what_ran() -> None:
    queue = queue_of(2, 2).restored()

    assert order(queue) == "1234"
    assert queue.active == ()
    assert queue.pending[0].started_at is None


class QueueMachine(RuleBasedStateMachine):
    """Any history of verbs against lists."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(max_size=4)
        self.running: list[str] = []
        self.waiting: list[str] = []
        self.broken: list[str] = []

    @rule(target=names, name=st.sampled_from("abcdefg"))
    def ask(self, name: str) -> str:
        known = name in self.running + self.waiting
        if not known and len(self.running + self.waiting) >= self.queue.max_size:
            with pytest.raises(QueueFull):
                self.queue.add(item(name))
            return name
        self.queue = self.queue.add(item(name))
        if not known:
            self.waiting.append(name)
            self.broken = [other for other in self.broken if other != name]
        return name

    @rule()
    def begin(self) -> None:
        free = len(self.running) < self.queue.slots
        found = self.queue.next()
        assert (found is not None) == bool(free and self.waiting)
        if found is not None:
            assert self.waiting[0] == found.id
            self.queue = self.queue.start(found.id, 1.0)
            self.running.append(self.waiting.pop(0))

    @rule(name=names)
    def finish(self, name: str) -> None:
        self.queue = self.queue.finish(name)
        self._drop(name)

    @rule(name=names)
    def break_down(self, name: str) -> None:
        known = name in self.running + self.waiting
        self.queue = failed(self.queue, name)
        if known:
            self._drop(name)
            self.broken.append(name)

    @rule(name=names)
    def try_again(self, name: str) -> None:
        if name not in self.broken or len(self.running + self.waiting) >= self.queue.max_size:
            with pytest.raises((NotInQueue, QueueFull)):
                self.queue.retry(name, group_id=f"group of {name}", at=2.0)
            return
        self.queue, place = self.queue.retry(name, group_id=f"group of {name}", at=2.0)
        self.broken.remove(name)
        self.waiting.append(name)
        assert len(self.running + self.waiting) == place

    @rule(name=names, position=st.integers(-2, 9))
    def move(self, name: str, position: int) -> None:
        if name not in self.running + self.waiting:
            with pytest.raises(NotInQueue):
                self.queue.move(name, position)
            return
        self.queue, place = self.queue.move(name, position)
        if name in self.waiting:
            self.waiting.remove(name)
            self.waiting.insert(max(0, position - 1 - len(self.running)), name)
        assert (self.running + self.waiting).index(name) + 1 == place

    @rule(size=st.integers(1, 6))
    def resize(self, size: int) -> None:
        self.queue = self.queue.resize(size)

    @rule(slots=st.integers(1, 3))
    def widen(self, slots: int) -> None:
        self.queue = attrs.evolve(self.queue, slots=slots)

    def _drop(self, name: str) -> None:
        self.running = [other for other in self.running if other != name]
        self.waiting = [other for other in self.waiting if other != name]

    @invariant()
    def agrees(self) -> None:
        assert self.running == [one.id for one in self.queue.active]
        assert self.waiting == [one.id for one in self.queue.pending]
        assert self.broken == [row.item.id for row in self.queue.failed]


TestQueueAgainstLists = QueueMachine.TestCase


@given(active=st.integers(0, 3), pending=st.integers(1, 4), position=st.integers(-3, 12), data=st.data())
def test_a_move_changes_the_place_of_one_and_the_order_of_no_other(
    active: int, pending: int, position: int, data: st.DataObject
) -> None:
    queue = queue_of(active, pending)
    name = data.draw(st.sampled_from([one.id for one in queue.pending]))

    moved, place = queue.move(name, position)

    assert place == min(max(position, active + 1), active + pending)
    assert place == moved.position(name)
    assert [one for one in order(queue) if one != name] == [one for one in order(moved) if one != name]
