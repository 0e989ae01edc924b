"""The page about the local hub tells the truth."""

import re
from pathlib import Path

import attrs
import pytest

from hostel.plugins.model_pull.testing import Fault, LocalHub

PAGE = (Path(__file__).parents[4] / "docs/local-hub.md").read_text()


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec("".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), {})

    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_every_field_of_a_fault_and_every_verb_of_the_hub_is_named() -> None:
    fields = {field.name for field in attrs.fields(Fault)}
    verbs = {name for name in vars(LocalHub) if not name.startswith("_")} - {
        "cdn_endpoint",
        "clear_faults",
        "clear_log",
    }

    assert not [name for name in sorted(fields | verbs) if not re.search(rf"\b{name}\b", PAGE)]
