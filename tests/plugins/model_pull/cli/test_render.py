import json

import pytest

from hostel.plugins.model_pull import Completed, Failed, Notice, Progress, QueueSnapshot, Started
from hostel.plugins.model_pull._cli.render import JsonRenderer, LineRenderer, announced, standing


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
