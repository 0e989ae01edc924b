import json

import pytest

from hostel.plugins.model_pull import Completed, Failed, Notice, Progress, QueueSnapshot, Started
from hostel.plugins.model_pull._cli.render import JsonRenderer, LineRenderer, announced, standing
from hostel.plugins.model_pull._numbers import duration_text, rate_text


def test_a_pipe_gets_a_line_for_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    with LineRenderer() as renderer:
        renderer.show(Started("org/m:Q8_0", 3, 3 << 30, 1 << 30, "Q8_0", "Q8_0: asked for"))
        renderer.show(Progress("org/m:Q8_0", 1, 2))
        renderer.show(Notice("org/m:Q8_0", "f: reset; trying again."))
        renderer.show(Completed("org/m:Q8_0", "/cache/m.gguf"))

    assert capsys.readouterr().out.splitlines() == [
        "org/m:Q8_0: 3 files, 3.0 GiB, 1.0 GiB of it here (Q8_0: asked for)",
        "org/m:Q8_0: f: reset; trying again.",
        "/cache/m.gguf",
    ]


def test_a_program_gets_the_events_of_downloads_and_not_the_queue(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonRenderer() as renderer:
        renderer.show(QueueSnapshot((), 10, 0, 0, ()))
        renderer.show(Progress("m", 1, None))
        renderer.show(Failed("m", "it broke", "NoSpace", recoverable=True))

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"type": "progress", "id": "m", "downloaded": 1, "total": None},
        {"type": "failed", "id": "m", "error": "it broke", "kind": "NoSpace", "recoverable": True},
    ]


def test_numbers_are_shown_as_far_as_they_are_known() -> None:
    assert standing(Progress("m", 1 << 20, None)) == "1.0 MiB"
    assert (
        standing(Progress("m", 1 << 20, 4 << 20, 2_500_000.0, 75.0))
        == "1.0 MiB of 4.0 MiB, 2.5 MB/s, 1:15 left"
    )
    assert announced(Started("m", 1, None)) == "1 file, size unknown"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0, "0 B/s"), (999, "999 B/s"), (1000, "1.0 kB/s"), (3.2e6, "3.2 MB/s"), (5e9, "5.0 GB/s")],
)
def test_rates_are_decimal(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (61, "1:01"), (3661, "1:01:01")])
def test_times_are_as_on_a_clock(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
