"""What the names of GGUF files say.

A label is what people call a quantization (``Q4_K_M``, ``UD-Q4_K_XL``); it stands in the file's name,
the last one wins, or else in the name of its folder. ``UD-`` in front makes another quantization. Shards
are numbered ``-00001-of-00003``; a group is the files that share folder, stem and count, so two models
of one label are never merged. Projectors, importance matrices, draft heads, vocabularies, adapters, vaes
and codecs accompany a model and are never one; only where a repository has nothing else are they what it is
about. Raw pieces (``.gguf.part1of2``) cannot be loaded: they form groups that only say so. Files of the
older GGML format are named the same way.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from itertools import groupby
from pathlib import PurePosixPath

import attrs

_LABEL = re.compile(
    r"""(?<![A-Za-z0-9])
    (?P<ud>UD[-_])?
    (?P<tag>
        (?: TQ[12]_0
          | IQ[1-8]_(?:NL|XXS|XS|S|M|KSS|KS|KT|KL|K|BN|XL)(?:_(?:R[48]|[48]_[48]))?
          | Q[1-8]_K(?:_(?:XXS|XS|XXL|XL|S|M|L|P))?(?:_R[48])?
          | Q[1-8]_[01](?:_R[48]|_[48]_[48])?
          | (?:MX|NV)FP[468](?:_MOE)?
          | BF16 | FP?(?:16|32|64)
          | I?Q[1-8] | INT[48]
        )
    )
    (?![A-Za-z0-9])
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SHARD = re.compile(r"-(?P<index>\d{1,5})-of-(?P<count>\d{1,5})$", re.IGNORECASE)
_RAW = re.compile(
    r"\.gguf[._-]?(?:part|split)[-._]?(?:\d+(?:[-._]?of[-._]?\d+)?|[a-z]{1,2})$|\.gguf[.-]\d+-of-\d+$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\.gguf$", re.IGNORECASE)
_GGML = re.compile(r"(?:^|/)ggml-[^/]*\.bin$|\.ggml(?:v\d)?\.[^/]*\.bin$", re.IGNORECASE)

_PROJECTOR = re.compile(r"(?:^|[-._])mmproj(?:$|[-._])", re.IGNORECASE)
_MATRIX = re.compile(r"^imatrix|[-._]imatrix$|^importance[-_]matrix", re.IGNORECASE)
# `-MTP-` inside a name is a model that has such layers
_DRAFT = re.compile(
    r"^mtp[-._]|(?:^|[-._])(?:eagle[123]?|dflash|dspark|medusa|draft(?:er|model)?|speculator)(?:$|[-._])",
    re.IGNORECASE,
)
_VAE = re.compile(r"(?:^|[-._])vae(?:$|[-._])|^ae$", re.IGNORECASE)
_CODEC = re.compile(
    r"(?:^|[-._])(?:codec|vocoder|(?:neu|x)codec|wavtokenizer|tts[-_]tokenizer|snac|mimi|dac)(?:$|[-._])",
    re.IGNORECASE,
)
_FOLDERS = re.compile(
    r"(?P<mmproj>mmproj)|(?P<draft>mtp|eagle3?|drafts?|speculator)|(?P<vae>vae)|(?P<codec>codec|vocoder)",
    re.IGNORECASE,
)
_VOCABULARY = re.compile(r"^(?:ggml-)?vocab(?:$|[-._])|-vocab$", re.IGNORECASE)
_ADAPTER = re.compile(
    r"^(?:ggml-)?(?:lora|adapter)(?:$|[-._])|[-._]lora(?:[-._](?:bf16|fp?16|fp?32))?$", re.IGNORECASE
)


class Role(StrEnum):
    """What a GGUF file is to a model."""

    MODEL = "model"
    PROJECTOR = "projector"
    MATRIX = "importance matrix"
    DRAFT = "draft head"
    VOCABULARY = "vocabulary"
    ADAPTER = "adapter"
    VAE = "vae"
    CODEC = "codec"


STANDING_IN = (Role.DRAFT, Role.CODEC, Role.VAE, Role.ADAPTER)
"""What a repository may be about that has no model."""

_ROLES = (
    (_PROJECTOR, Role.PROJECTOR),
    (_MATRIX, Role.MATRIX),
    (_DRAFT, Role.DRAFT),
    (_VOCABULARY, Role.VOCABULARY),
    (_ADAPTER, Role.ADAPTER),
    (_VAE, Role.VAE),
    (_CODEC, Role.CODEC),
)
_ROLE_OF_FOLDER = {"mmproj": Role.PROJECTOR, "draft": Role.DRAFT, "vae": Role.VAE, "codec": Role.CODEC}


@attrs.frozen
class GgufName:
    """What one path says."""

    path: str
    stem: str
    """The path without its shard number and suffix."""
    label: str | None
    """The quantization in canonical spelling; None if the name has none."""
    role: Role
    index: int = 1
    """Which shard this is, from 1."""
    count: int = 1
    """How many shards there are."""
    numbering: str = ""
    """The count as it is written: ``-1-of-2`` and ``-00001-of-00002`` are two sets."""
    raw: bool = False
    """Whether it is a raw piece that must be joined by hand."""


@attrs.frozen
class GgufGroup:
    """The files of one model at one quantization."""

    stem: str
    label: str | None
    paths: tuple[str, ...]
    """In the order of the shards."""
    count: int
    missing: tuple[int, ...] = ()
    """Numbers of the shards that the repository lacks, from 1."""
    raw: bool = False


def parse_name(path: str) -> GgufName | None:
    """Return what a path says, or None if it is neither a GGUF file nor one of GGML."""
    raw = _RAW.search(path)
    if raw is None and _SUFFIX.search(path) is None and not is_ggml(path):
        return None
    stem = path[: raw.start()] if raw else path[: path.rindex(".")]
    shard = _SHARD.search(stem)
    if shard is None:
        return GgufName(path, stem, label_of(stem), role_of(stem), raw=raw is not None)
    stem, index, count = stem[: shard.start()], int(shard["index"]), int(shard["count"])
    return GgufName(path, stem, label_of(stem), role_of(stem), index, count, shard["count"], raw is not None)


def is_ggml(path: str) -> bool:
    """Return whether a path names a file of the format before GGUF."""
    return _GGML.search(path) is not None


def label_of(stem: str) -> str | None:
    """Return the canonical label in a path without suffix: the file's last one, else the nearest folder's."""
    for part in reversed(PurePosixPath(stem).parts):
        found = list(_LABEL.finditer(part))
        if found:
            return _canonical(found[-1])
    return None


def unlabelled(name: str) -> str:
    """Return a file's name without its labels."""
    return _LABEL.sub("", name)


def canonical_label(text: str) -> str | None:
    """Return a label in the spelling used here (``q4_k_m`` is ``Q4_K_M``), or None if the text is not one."""
    found = _LABEL.fullmatch(text)
    return _canonical(found) if found else None


def role_of(stem: str) -> Role:
    """Return what a file is to a model by its path without suffix: by its name, else by its folder's."""
    path = PurePosixPath(stem)
    found = next((role for pattern, role in _ROLES if pattern.search(path.name)), None)
    folder = _FOLDERS.fullmatch(path.parent.name)
    if found is not None or folder is None or folder.lastgroup is None:
        return found or Role.MODEL
    return _ROLE_OF_FOLDER[folder.lastgroup]


def group_models(paths: Iterable[str], role: Role = Role.MODEL) -> list[GgufGroup]:
    """Return the models among the paths, in the order of their names; sidecars are left out.

    :param role: what to return instead of models
    """
    names = [name for name in map(parse_name, paths) if name and name.role is role]

    def key(name: GgufName) -> tuple[str, bool, str]:
        return name.stem, name.raw, name.numbering

    return [_group(list(members)) for _, members in groupby(sorted(names, key=key), key=key)]


def _group(members: list[GgufName]) -> GgufGroup:
    first = members[0]
    members = sorted(members, key=lambda name: (name.index, name.path))
    indices = [name.index for name in members]
    missing = () if first.raw else tuple(sorted(set(range(1, first.count + 1)) - set(indices)))
    paths = tuple(name.path for name in members)
    return GgufGroup(first.stem, first.label, paths, first.count, missing, first.raw)


def _canonical(found: re.Match[str]) -> str:
    tag = found["tag"].upper()
    # other spellings of one type
    if re.fullmatch(r"FP(16|32|64)", tag):
        tag = tag.replace("FP", "F")
    if tag.startswith("INT"):
        tag = tag.replace("INT", "Q")
    return f"UD-{tag}" if found["ud"] else tag
