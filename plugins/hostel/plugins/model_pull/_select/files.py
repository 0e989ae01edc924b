"""Which files of a repository one pull takes.

A GGUF repository gives one quantization: its shards and what belongs to them, which is the projector
that fits best and the small files that name its tokens and settings. Any other repository is taken
whole. `include` without a quantization takes exactly what matches; `exclude` always leaves out. Patterns
are those of the shell and of huggingface_hub.
"""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import PurePosixPath

import attrs

from .._errors import NotFound
from .._sources.remote_file import RemoteFile
from .gguf_names import Role, group_models, parse_name
from .quantization import Choice, QuantOption, quant_options
from .safe_paths import check_paths

_SETTINGS = re.compile(
    r"(generation_|tokenizer_|preprocessor_|processor_|video_preprocessor_)?config\.json"
    r"|tokenizer\.(json|model)|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt"
    r"|chat_template\.(json|jinja)|params|template|system|LICENSE(\.\w+)?",
    re.IGNORECASE,
)
_PROJECTORS = ("F16", "BF16", "F32", "Q8_0")


@attrs.frozen
class Selection:
    """What one pull takes."""

    files: tuple[RemoteFile, ...]
    choice: Choice | None
    """Which quantization and why; None where there is none to choose."""
    main: str | None
    """The path that a program loads; None if that is the folder."""


def filtered(
    files: Sequence[RemoteFile], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[RemoteFile]:
    """Return the files that match a pattern of `include` (if there is one) and none of `exclude`.

    :raises UnsafePath: if one of them could not be written safely
    """
    found = [
        file for file in files if (not include or _matches(file, include)) and not _matches(file, exclude)
    ]
    check_paths(file.path for file in found)
    return found


def options_of(files: Sequence[RemoteFile]) -> list[QuantOption]:
    """Return the quantizations among the files."""
    return quant_options(group_models(file.path for file in files), {file.path: file.size for file in files})


def chosen(files: Sequence[RemoteFile], choice: Choice) -> Selection:
    """Return the files of one quantization and what belongs to them."""
    paths = choice.option.paths
    extra = {file.path for file in files if _SETTINGS.fullmatch(PurePosixPath(file.path).name)}
    projector = _projector(files, paths[0])
    by_path = {file.path: file for file in files}
    wanted = [*paths, *([projector] if projector else []), *sorted(extra)]
    return Selection(tuple(by_path[path] for path in wanted), choice, paths[0])


def whole(model: str, files: Sequence[RemoteFile]) -> Selection:
    """Return all the files.

    :raises NotFound: if there are none
    """
    if not files:
        raise NotFound(f"A file to pull in {model}")
    return Selection(tuple(files), None, files[0].path if len(files) == 1 else None)


def _matches(file: RemoteFile, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch(file.path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns
    )


def _projector(files: Sequence[RemoteFile], model: str) -> str | None:
    names = [name for file in files if (name := parse_name(file.path)) and name.role is Role.PROJECTOR]

    def fitness(path: str, label: str | None) -> tuple[int, int, int, str]:
        near = len(os.path.commonpath([str(PurePosixPath("/", p).parent) for p in (path, model)]))
        alike = _shared(re.sub(r"mmproj[-._]?", "", PurePosixPath(path).name), PurePosixPath(model).name)
        rank = _PROJECTORS.index(label) if label in _PROJECTORS else len(_PROJECTORS)
        return -near, -alike, rank, path

    return min((fitness(name.path, name.label) for name in names), default=(0, 0, 0, None))[3]


def _shared(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
