"""The shape of the house: which part may import which, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "sessions": {"sessions"},
    "runtime": {"sessions", "runtime"},
    "plugins": {"sessions", "runtime", "plugins"},
}
FILES = [
    (source, path)
    for source in MAY_IMPORT
    for path in sorted((ROOT / source / "hostel" / source).rglob("*.py"))
]


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize(("source", "path"), FILES, ids=lambda value: getattr(value, "name", value))
def test_imports_point_one_way(source: str, path: Path) -> None:
    used = {name.split(".")[1] for name in imported_modules(path) if name.startswith("hostel.")}

    assert used <= MAY_IMPORT[source]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins/hostel/plugins").glob("*/")), ids=lambda path: path.name
)
def test_a_plugin_does_not_import_another(path: Path) -> None:
    if path.name == "demo":
        return  # it plays the application that embeds hostel, and may use every plugin
    used = {name for file in path.rglob("*.py") for name in imported_modules(file)}

    assert not [
        name for name in used if name.startswith("hostel.plugins.") and name.split(".")[2] != path.name
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins/hostel/plugins").glob("*/")), ids=lambda path: path.name
)
def test_a_plugin_uses_of_the_house_what_strangers_may(path: Path) -> None:
    used = {name for file in path.rglob("*.py") for name in imported_modules(file)}

    assert not [name for name in used if name.startswith(("hostel.runtime._", "hostel.sessions._"))]


@pytest.mark.parametrize(("source", "path"), FILES, ids=lambda value: getattr(value, "name", value))
def test_no_file_outgrows_four_hundred_lines(source: str, path: Path) -> None:
    longer_by_design = {"_host.py": 560}  # one verb after the other, each with its contract

    assert len(path.read_text().splitlines()) <= longer_by_design.get(path.name, 400)


def test_every_package_is_typed_and_the_namespace_has_no_init() -> None:
    for source in MAY_IMPORT:
        assert not (ROOT / source / "hostel" / "__init__.py").exists()
    packages = [ROOT / "sessions/hostel/sessions", ROOT / "runtime/hostel/runtime"]
    packages += [init.parent for init in (ROOT / "plugins/hostel/plugins").glob("*/__init__.py")]

    assert [path for path in packages if not (path / "py.typed").exists()] == []


def test_the_root_holds_nothing_that_is_not_in_the_plan() -> None:
    planned = "sessions runtime plugins tests docs examples benchmarks .ci .gitignore .pre-commit-config.yaml"
    planned += " README.md CHANGELOG.md CONTRIBUTING.md LICENSE pyproject.toml noxfile.py"
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()

    assert {name.split("/")[0] for name in listed} <= set(planned.split())


def test_hostel_sessions_stands_on_anyio_and_attrs_alone() -> None:
    code = "import sys, hostel.sessions; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"pluggy", "httpx", "httpx2", "huggingface_hub", "typer", "rich", "trio", "asyncio"} & set(
        loaded
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom hostel.runtime.cli import main\nsys.argv = ['hostel', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('LOADED', *{name.split('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = shown.split("LOADED")[1].split()

    assert not {"httpx", "httpx2", "huggingface_hub", "sqlalchemy", "starlette", "hypercorn", "openai"} & set(
        loaded
    )
