"""What a reader of a journal is told is gone: each loss once, nothing twice, nothing silently."""

from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import EventType, TaskEvent
from hostel.sessions._event_log.gaps import Forgotten, Losses, Page

LAST = 40
PAGE = 5


def event(seq: int) -> TaskEvent:
    return TaskEvent(seq, 0.0, EventType.PROGRESS, "s", "t", None)


class Numbers:
    """A journal of bare numbers, which forgets some now and then."""

    def __init__(self, kept: set[int]) -> None:
        self.kept = kept
        self.forgotten = Forgotten()

    def forget(self, numbers: set[int]) -> None:
        gone = numbers & self.kept
        if gone:
            self.kept -= gone
            through = max(self.forgotten.through, *gone)
            self.forgotten = Forgotten(through, self.forgotten.times + 1)

    def read(self, after: int, through: int, limit: int, known: Forgotten) -> Page:
        numbers = [number for number in sorted(self.kept) if after < number <= through][:limit]
        missing = set(range(after + 1, min(through, self.forgotten.through) + 1)) - self.kept
        return Page([event(number) for number in numbers], self.forgotten, len(missing))


numbers = st.sets(st.integers(1, LAST))


@given(before=numbers, meanwhile=st.lists(numbers, max_size=8), after=st.integers(0, LAST))
def test_every_number_is_either_delivered_or_counted_once_as_missed(
    before: set[int], meanwhile: list[set[int]], after: int
) -> None:
    journal = Numbers(set(range(1, LAST + 1)))
    journal.forget(before)
    losses, cursor, delivered, missed = Losses(after), after, 0, 0
    while cursor < LAST:
        told = losses.told(journal.read(cursor, LAST, PAGE, losses.known), LAST)
        missed += sum(event.count or 0 for event in told if event.type is EventType.MISSED)
        delivered += sum(event.type is not EventType.MISSED for event in told)
        cursor = told[-1].seq if told else LAST
        if meanwhile:
            journal.forget(meanwhile.pop())

    assert delivered + missed == LAST - after


@given(gone=numbers, after=st.integers(0, LAST))
def test_what_was_forgotten_before_is_told_once_and_first(gone: set[int], after: int) -> None:
    journal = Numbers(set(range(1, LAST + 1)))
    journal.forget(gone)
    losses, cursor, told = Losses(after), after, []
    while cursor < LAST:
        page = losses.told(journal.read(cursor, LAST, PAGE, losses.known), LAST)
        told += page
        cursor = page[-1].seq if page else LAST

    types = [event.type for event in told]
    assert types.count(EventType.MISSED) == (1 if any(number > after for number in gone) else 0)
    assert EventType.MISSED not in types[1:]


def test_overtaken_progress_alone_is_no_loss() -> None:
    journal = Numbers({1, 7, 8})

    told = Losses(0).told(journal.read(0, 8, PAGE, Forgotten()), 8)

    assert [event.seq for event in told] == [1, 7, 8]
