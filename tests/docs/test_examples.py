"""The examples: those that need nothing but hostel run always, the others where CI is set, or by `nox -s
examples`, if their frameworks can be installed."""

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def installed_by(example: Path) -> list[str]:
    """Return what the head of an example says that one has to install."""
    head = ast.get_docstring(ast.parse(example.read_text())) or ""
    said = re.search(r"^Install: pip install ([\w -]+)\.", head, re.MULTILINE)
    assert said, example.name
    return said[1].split()


INSTALLATION_SECONDS = 120
ALONE = [example for example in EXAMPLES if installed_by(example) == ["hostel"]]


@pytest.mark.parametrize("example", ALONE, ids=lambda example: example.stem)
def test_an_example_that_needs_hostel_alone_runs(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(example), run_name="__main__")

    assert capsys.readouterr().out


@pytest.mark.skipif(not os.environ.get("CI"), reason="installs a framework: `nox -s examples` does, too")
@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one not in ALONE], ids=lambda example: example.stem
)
def test_an_example_inside_a_framework_runs(example: Path, tmp_path: Path) -> None:
    python = installed(["hostel", *installed_by(example)], tmp_path / "environment")

    done = subprocess.run([python, example], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout


def installed(needed: list[str], environment: Path) -> Path:
    """Return the Python of a new environment that has what is needed; skip the test if that takes long."""
    uv, python = Path(sys.executable).with_name("uv"), environment / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, environment], check=True)
    wanted = [str(ROOT) if name == "hostel" else name for name in dict.fromkeys(needed)]
    install = [str(uv), "pip", "install", "-q", "--python", str(python), *wanted]
    try:
        subprocess.run(install, check=True, capture_output=True, timeout=INSTALLATION_SECONDS)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        pytest.skip(f"its framework was not installed: {error}")
    return python


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
