"""What comes with a quantization: the projector through which it sees and hears, its vae, its codec.

Each kind gives one file: of those in the nearest folder that are named after no other model, the first by
precision: F16, BF16, F32, Q8_0, then what is left. Where several are named after other models nobody guesses,
and the user is told. A vae and a codec are needed, so they are never left
out; a model is of use without its projector, so a budget may leave that out, and it is said. Draft heads,
importance matrices, vocabularies and adapters stay away: pulled by `include` they are at hand.
"""

import os
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath

import attrs

from .._sources.remote_file import RemoteFile
from .gguf_names import Role, label_of, parse_name, role_of, unlabelled

NEEDED = (Role.VAE, Role.CODEC)
_PRECISIONS = ("F16", "BF16", "F32", "Q8_0")
_WEIGHTS = re.compile(r"\.(gguf|safetensors|pt|pth|onnx)$", re.IGNORECASE)
_KIND = re.compile(r"mmproj|projector|vae|codec|vocoder|(ggml[-_])?model")


@attrs.frozen
class Companions:
    """What may come with the models of one repository, by kind."""

    projectors: tuple[RemoteFile, ...]
    needed: tuple[tuple[Role, tuple[RemoteFile, ...]], ...]

    def beside(self, model: str) -> list[tuple[Role, RemoteFile]]:
        """Return the vae and the codec that go with a model."""
        found = [(role, _own(files, model)) for role, files in self.needed]
        return [(role, min(own, key=lambda file: _fitness(file.path, model))) for role, own in found if own]

    def projector(self, model: str, room: int | None = None) -> RemoteFile | None:
        """Return the projector of a model.

        :param room: bytes that it may take; None sets no limit
        """
        fitting = [
            file
            for file in _own(self.projectors, model)
            if room is None or (file.size is not None and file.size <= room)
        ]
        return min(fitting, key=lambda file: _fitness(file.path, model), default=None)

    def unclear(self, model: str) -> list[tuple[Role, tuple[RemoteFile, ...]]]:
        """Return the kinds of which there are several, none of them told to be of this model."""
        kinds = [(Role.PROJECTOR, self.projectors), *self.needed]
        return [(role, files) for role, files in kinds if files and not _own(files, model)]


def companions_of(files: Sequence[RemoteFile], models: Sequence[str]) -> Companions:
    """Return what there is beside the models.

    :param models: their paths; one of them is nobody's companion
    """
    by_role: dict[Role, list[RemoteFile]] = {}
    for file in files:
        if _WEIGHTS.search(file.path) and file.path not in models:
            by_role.setdefault(_role(file.path), []).append(file)
    needed = tuple((role, tuple(by_role[role])) for role in NEEDED if role in by_role)
    return Companions(tuple(by_role.get(Role.PROJECTOR, ())), needed)


def _role(path: str) -> Role:
    name = parse_name(path)
    return name.role if name else role_of(path[: path.rindex(".")])


def _own(files: Sequence[RemoteFile], model: str) -> Sequence[RemoteFile]:
    """Return those named after the model or after none, else all if they are one at several precisions."""
    alike = [file for file in files if not _names_another(_core(file.path), _core(model))]
    return alike or (files if len({_core(file.path) for file in files}) == 1 else [])


def _fitness(path: str, model: str) -> tuple[int, int, int, str]:
    near = len(os.path.commonpath([str(PurePosixPath("/", p).parent) for p in (path, model)]))
    label = label_of(_WEIGHTS.sub("", path))
    rank = _PRECISIONS.index(label) if label in _PRECISIONS else len(_PRECISIONS)
    return -near, rank, -_shared(_core(path), _core(model)), path


def _names_another(own: str, its: str) -> bool:
    return not (own.startswith(its) or its.startswith(own))


def _core(path: str) -> str:
    """Return the model's name in a file's name: without shard, label and kind, in one spelling."""
    name = parse_name(path)
    stem = PurePosixPath(name.stem if name else _WEIGHTS.sub("", path)).name
    return re.sub(r"[^a-z0-9]", "", _KIND.sub("", unlabelled(stem).lower()))


def _shared(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
