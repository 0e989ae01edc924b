from hostel.plugins.model_pull._queue.early_cancels import MOST, SECONDS, EarlyCancels


def test_an_early_cancel_is_taken_once_with_its_flag() -> None:
    cancels = EarlyCancels()
    cancels.set("r", 0.0, reason="first", clear_cache=True)
    cancels.set("r", 1.0, reason="second")

    early = cancels.take("r", 2.0)

    assert early is not None
    assert (early.reason, early.clear_cache) == ("first", True)
    assert cancels.take("r", 2.0) is None


def test_an_early_cancel_is_forgotten_after_half_a_minute() -> None:
    cancels = EarlyCancels()
    cancels.set("r", 0.0)

    assert cancels.take("r", SECONDS) is None


def test_only_so_many_are_remembered_and_the_oldest_goes_first() -> None:
    cancels = EarlyCancels()
    for number in range(MOST + 1):
        cancels.set(str(number), 0.0)

    assert len(cancels) == MOST
    assert cancels.take("0", 0.0) is None
    assert cancels.take(str(MOST), 0.0) is not None
