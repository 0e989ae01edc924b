"""The examples: those that need nothing but hostel are run here, the others by `nox -s examples`."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def installed_by(example: Path) -> list[str]:
    """Return what the head of an example says that one has to install."""
    head = ast.get_docstring(ast.parse(example.read_text())) or ""
    said: list[str] = re.findall(r"^Install: pip install ([\w -]+)\.", head, re.MULTILINE)
    return said[0].split()


ALONE = [example for example in EXAMPLES if installed_by(example) == ["hostel"]]


@pytest.mark.parametrize("example", ALONE, ids=lambda example: example.stem)
def test_an_example_that_needs_hostel_alone_runs(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(example), run_name="__main__")

    assert capsys.readouterr().out


def test_nox_runs_every_example_with_what_it_says_it_needs() -> None:
    noxfile = ast.parse((ROOT / "noxfile.py").read_text())
    (table,) = [
        ast.literal_eval(node.value)
        for node in noxfile.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES"
    ]
    floors = {name: [re.split("[>=]", one)[0] for one in needed] for name, needed in table.items()}

    assert len(ALONE) > 2
    assert floors == {
        example.stem: [name for name in installed_by(example) if name not in ("hostel", "httpx")]
        for example in EXAMPLES
    }
