"""Distributions of strangers, written to a folder as an installer leaves them."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import attrs
import pytest


@attrs.frozen
class Site:
    """A folder on `sys.path`; what is installed there is found by its metadata."""

    folder: Path

    def install(
        self,
        distribution: str,
        source: str,
        entry_points: Mapping[str, str] | None = None,
        *,
        requires: tuple[str, ...] = (),
    ) -> None:
        """Install a module named after its distribution.

        :param entry_points: plugins by name, each what it is in the module; None is the module itself
        """
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(dedent(source))
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        facts = ["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.0"]
        facts += [f"Requires-Dist: {line}" for line in requires]
        (info / "METADATA").write_text("\n".join(facts) + "\n\nName: what the text below says is no fact\n")
        targets = {distribution: ""} if entry_points is None else entry_points
        lines = [
            f"{name} = {module}{':' if what[:1].isalpha() else ''}{what}" for name, what in targets.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(["[hostel.plugins]", *lines, ""]))
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
