from hostel.plugins.model_pull._queue.early_cancels import MOST, SECONDS, Tripwire


def test_an_early_cancel_is_taken_once_with_its_flag() -> None:
    wire = Tripwire()
    wire.set("r", 0.0, reason="first", clear_cache=True)
    wire.set("r", 1.0, reason="second")

    early = wire.take("r", 2.0)

    assert early is not None
    assert (early.reason, early.clear_cache) == ("first", True)
    assert wire.take("r", 2.0) is None


def test_an_early_cancel_is_forgotten_after_half_a_minute() -> None:
    wire = Tripwire()
    wire.set("r", 0.0)

    assert wire.take("r", SECONDS) is None


def test_only_so_many_are_remembered_and_the_oldest_goes_first() -> None:
    wire = Tripwire()
    for number in range(MOST + 1):
        wire.set(str(number), 0.0)

    assert len(wire) == MOST
    assert wire.take("0", 0.0) is None
    assert wire.take(str(MOST), 0.0) is not None
