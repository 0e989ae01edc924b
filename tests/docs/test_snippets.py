"""What the README and docs/ show is run, drawn from the code, and complete."""

import inspect
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session
from markdown_it import MarkdownIt

from hostel.plugins.batch import hookspecs as batch_hooks
from hostel.plugins.model_pull import hookspecs as model_pull_hooks
from hostel.runtime import hookspecs
from hostel.sessions import TaskState
from hostel.sessions.states import MOVES

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets() -> Iterator[object]:
    for page in PAGES:
        for token in MarkdownIt().parse(page.read_text()):
            if token.type == "fence" and token.info == "python":
                line = token.map[0] + 1 if token.map else 0
                yield pytest.param(token.content, id=f"{page.name}:{line}")


@pytest.mark.parametrize("code", list(snippets()))
def test_a_snippet_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    run(code, tmp_path)


def run(code: str, folder: Path) -> None:
    """Run `code` as the main program, in this process."""
    path = folder / "snippet.py"
    path.write_text(code)
    runpy.run_path(str(path), run_name="__main__")
    close_session()  # the client that huggingface_hub keeps for its process


def test_the_readme_prints_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = (
        token for token in MarkdownIt().parse(PAGES[0].read_text()) if token.info == "python"
    )
    blocks = [token.content for token in MarkdownIt().parse(PAGES[0].read_text()) if token.type == "fence"]
    shown = blocks[blocks.index(first.content) + 1]
    run(first.content, tmp_path)

    assert capsys.readouterr().out == shown
    assert second.content != first.content


def drawn_states() -> str:
    """The diagram and the table of the state table, as docs/tasks.md has to show them."""
    arrows = [
        f"    {state} --> {after}" for state in TaskState for after in TaskState if after in MOVES[state]
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> pending", *arrows, "```"])


def test_the_diagram_of_states_is_drawn_from_the_table() -> None:
    page = (ROOT / "docs/tasks.md").read_text()
    shown = page.split("<!-- states -->\n")[1].split("<!-- /states -->")[0]

    assert shown.strip() == drawn_states()


def hooks() -> dict[str, Callable[..., object]]:
    modules = (hookspecs, batch_hooks, model_pull_hooks)
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if hasattr(value, "hostel_spec")
    }


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_is_documented_with_its_arguments(hook: str) -> None:
    (row,) = [
        line
        for line in (ROOT / "docs/plugins.md").read_text().splitlines()
        if line.startswith(f"| `{hook}` |")
    ]
    specification = hooks()[hook]

    assert row.split("|")[2].strip() == ", ".join(
        f"`{name}`" for name in inspect.signature(specification).parameters
    )
    assert "Since" in (specification.__doc__ or "")


def test_every_variable_of_the_environment_is_documented_on_one_page() -> None:
    sources = [path for part in ("runtime", "sessions", "plugins") for path in (ROOT / part).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r"\bHOSTEL_[A-Z_]+\b", path.read_text())}
    page = (ROOT / "docs/configuration.md").read_text()
    documented = re.findall(r"^\| `(HOSTEL_[A-Z_]+)`", page, re.MULTILINE)

    assert sorted(documented) == sorted(read)


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    blocks = [token.content for token in MarkdownIt().parse(PAGES[0].read_text()) if token.type == "fence"]
    (command,) = [block.strip() for block in blocks if "bin/pytest" in block]

    assert (ROOT / ".ci/run").read_text().rstrip().endswith(command)
