from hostel.plugins.model_pull import Ending
from hostel.plugins.model_pull._queue.snapshot import NEWEST, Run


def test_a_run_counts_attempts_and_models_apart() -> None:
    run = (
        Run("r", 1.0)
        .ended("a", Ending.FAILED, 2.0)
        .ended("a", Ending.DOWNLOADED, 3.0)
        .ended("b", Ending.CANCELLED, 4.0)
    )

    summary = run.summary(5.0)

    assert summary.attempts == {Ending.FAILED: 1, Ending.DOWNLOADED: 1, Ending.CANCELLED: 1}
    assert summary.unique == {Ending.DOWNLOADED: 1, Ending.CANCELLED: 1}
    assert [(item.id, item.last) for item in summary.items] == [
        ("a", Ending.DOWNLOADED),
        ("b", Ending.CANCELLED),
    ]
    assert (summary.started_at, summary.completed_at, summary.truncated) == (1.0, 5.0, False)


def test_only_the_newest_are_listed_and_all_are_counted() -> None:
    run = Run("r", 0.0)
    for number in range(NEWEST + 5):
        run = run.ended(str(number), Ending.DOWNLOADED, float(number))

    summary = run.summary()

    assert (len(summary.items), summary.truncated, summary.items[0].id) == (NEWEST, True, "5")
    assert summary.attempts == {Ending.DOWNLOADED: NEWEST + 5}
