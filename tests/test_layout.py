"""The shape of the house: which part may import which, and what importing costs. One case for each rule."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "sessions": {"sessions"},
    "runtime": {"sessions", "runtime"},
    "plugins": {"sessions", "runtime", "plugins"},
}
PLUGINS = sorted(
    path for path in (ROOT / "plugins/hostel/plugins").iterdir() if (path / "__init__.py").exists()
)
HEAVY = {"httpx", "httpx2", "huggingface_hub", "sqlalchemy", "starlette", "hypercorn", "openai"}


ROOMS = sorted(
    {path.parent for path in ROOT.glob("*/hostel/**/_*/*.py") if path.parent.name != "__pycache__"}
)
"""The private folders of the house."""


def files_of(source: str) -> list[Path]:
    found = sorted((ROOT / source / "hostel" / source).rglob("*.py"))
    assert found, source
    return found


def is_init(path: Path) -> bool:
    return path.name == "__init__.py"


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parts[1:-1])


def home_of(path: Path) -> str:
    """Return the package one may import relatively in: hostel.sessions, hostel.runtime or a plugin's."""
    parts = dotted(path).split(".")
    return ".".join(parts[:3] if parts[1] == "plugins" else parts[:2])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def needed(name: str, path: Path) -> set[str]:
    """Return the modules that a module imports names from, itself left out."""
    found = set[str]()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package_of(path))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found - {name}


@cache
def imported_modules(path: Path) -> frozenset[str]:
    package, names = package_of(path), set[str]()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(resolve_name("." * node.level + (node.module or ""), package))
    return frozenset(names)


def imports(paths: Iterable[Path], what: str) -> Iterator[tuple[str, str]]:
    """Give each file with the modules of `what` that it imports."""
    for path in paths:
        for name in sorted(imported_modules(path)):
            if name.startswith(what):
                yield str(path.relative_to(ROOT)), name


def test_imports_point_one_way() -> None:
    assert [
        (path, name)
        for source, allowed in MAY_IMPORT.items()
        for path, name in imports(files_of(source), "hostel.")
        if name.split(".")[1] not in allowed
    ] == []


def test_a_plugin_does_not_import_another() -> None:
    assert len(PLUGINS) > 2
    assert [
        (path, name)
        for plugin in PLUGINS
        if plugin.name != "demo"  # it plays the application that embeds hostel, and may use every plugin
        for path, name in imports(plugin.rglob("*.py"), "hostel.plugins.")
        if name.split(".")[2] != plugin.name
    ] == []


def test_a_plugin_uses_of_the_house_what_strangers_may() -> None:
    files = files_of("plugins")

    assert [*imports(files, "hostel.runtime._"), *imports(files, "hostel.sessions._")] == []


def test_a_test_looks_into_no_other_package_than_the_one_it_tests() -> None:
    private = {
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / "tests").rglob("*.py")
        for name in imported_modules(path)
        if re.match(r"hostel\.[\w.]*\._", name)
    }
    assert private  # the pure parts have tests of their own
    for path, name in private:
        public = name.partition("._")[0].removeprefix("hostel.").replace(".", "/")
        assert path.startswith(f"tests/{public}/"), (path, name)


def test_no_file_outgrows_four_hundred_lines() -> None:
    # a host has its verbs one after the other, each with its contract; the table of tasks is what they share
    longer_by_design = {"_host/host.py": 600, "_tasks/table.py": 430, "model_pull/_manager.py": 430}
    found = [path for source in MAY_IMPORT for path in files_of(source)]
    most = {path: longer_by_design.get("/".join(path.parts[-2:]), 400) for path in found}

    assert [path for path, lines in most.items() if len(path.read_text().splitlines()) > lines] == []


def test_a_folder_holds_one_screen_of_files() -> None:
    counts = Counter(path.parent for source in MAY_IMPORT for path in files_of(source))

    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 18} == {}


def test_a_path_has_one_underscore() -> None:
    paths = [path.relative_to(ROOT) for source in MAY_IMPORT for path in files_of(source)]

    assert [
        path for path in paths if sum(part.startswith("_") for part in path.parts) > 1 + is_init(path)
    ] == []


def listed_in(room: Path) -> list[str]:
    """Return the names that the map of a room lists, in its order."""
    doc = ast.get_docstring(parsed(room / "__init__.py")) or ""
    return [line.split()[0] for line in doc.splitlines() if re.match(r" *\w+  +\S", line)]


def test_every_room_has_a_map_of_its_files_and_imports_point_down_it() -> None:
    wrong: list[object] = []
    for room in ROOMS:
        listed = listed_in(room)
        files = {path.stem: path for path in room.glob("*.py") if not is_init(path)}
        wrong += [(room.name, name, "is not in the map") for name in files.keys() - set(listed)]
        for name in files.keys() & set(listed):
            above = listed[: listed.index(name)]
            others = {f"{package_of(files[name])}.{other}" for other in above}
            wrong += [(room.name, name, other) for other in needed(dotted(files[name]), files[name]) & others]

    assert wrong == []


def test_no_module_imports_one_that_imports_it() -> None:
    paths = {dotted(path): path for source in MAY_IMPORT for path in files_of(source) if not is_init(path)}
    graph = {name: needed(name, path) & paths.keys() for name, path in paths.items()}

    # raises CycleError and names the circle; what only type checkers import counts as well
    assert len(list(TopologicalSorter(graph).static_order())) == len(paths)


def test_what_is_imported_relatively_is_in_the_same_package() -> None:
    found = [path for source in MAY_IMPORT for path in files_of(source)]

    assert [
        (str(path.relative_to(ROOT)), name)
        for path in found
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level
        for name in [resolve_name("." * node.level + (node.module or ""), package_of(path))]
        if not name.startswith(home_of(path))
    ] == []


def test_every_package_is_typed_and_the_namespace_has_no_init() -> None:
    for source in MAY_IMPORT:
        assert not (ROOT / source / "hostel" / "__init__.py").exists()
    packages = [ROOT / "sessions/hostel/sessions", ROOT / "runtime/hostel/runtime", *PLUGINS]

    assert [path for path in packages if not (path / "py.typed").exists()] == []


def test_a_dependency_has_one_floor() -> None:
    floors = set(re.findall(r'"([\w-]+)(?:\[\w+\])?(>=[\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    names = [name for name, _ in floors]

    assert len(names) > 20
    assert sorted(set(names)) == sorted(names)


def test_the_root_holds_nothing_that_is_not_in_the_plan() -> None:
    planned = "sessions runtime plugins tests docs examples benchmarks .ci .gitignore .pre-commit-config.yaml"
    planned += " README.md CHANGELOG.md CONTRIBUTING.md LICENSE pyproject.toml noxfile.py"
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()] + [".git"]
    found = {path.name for path in ROOT.iterdir()}

    assert set(planned.split()) <= found
    surplus = found - set(planned.split())
    assert [name for name in surplus if not any(fnmatch(name, pattern) for pattern in ignored)] == []


def loaded_by(code: str) -> set[str]:
    code += "\nimport sys; print('LOADED', *{name.split('.')[0] for name in sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(shown.split("LOADED")[1].split())


def test_hostel_sessions_stands_on_anyio_and_attrs_alone() -> None:
    loaded = loaded_by("import hostel.sessions")

    assert not loaded & (HEAVY | {"pluggy", "typer", "rich", "trio", "asyncio"})


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"anyio", "rich", "sqlite3", "pydantic"}),
        (["ps", "--help"], {"anyio", "rich", "sqlite3", "pydantic"}),
        (["ps"], {"rich", "pydantic"}),
    ],
    ids=lambda value: " ".join(sorted(value)),
)
def test_a_command_loads_nothing_heavy_that_it_does_not_need(
    arguments: list[str], heavy: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    loaded = loaded_by(
        f"import sys\nfrom hostel.runtime.cli import main\nsys.argv = ['hostel', *{arguments}]\n"
        "try: main()\nexcept SystemExit: pass"
    )

    assert "typer" in loaded
    assert not loaded & (HEAVY | heavy)
