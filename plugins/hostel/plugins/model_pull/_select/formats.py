"""In which formats the weights of a repository are, and which files one format amounts to.

A repository often holds the same weights several times: as safetensors and as a pickle, at several
precisions, exported for other programs, as they were first released (``original/``). One of these is
taken: what was asked for, else what the repository's name says (``-GGUF``), else the first in the order
below. Beside the weights everything is taken that belongs to no format; what lies in a folder whose weights
are all of other formats belongs to those. Where ``model_index.json`` or ``modules.json`` says that a model
is made of parts, a part that lacks safetensors gives its pickle. Precisions that stand beside the plain file
(``model.fp16``, ``model_q4``) and checkpoints beside the parts are left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import PurePosixPath

import attrs

from .gguf_names import STANDING_IN, Role, is_ggml, parse_name, role_of


class Format(StrEnum):
    """A format of weights; the members stand in the order of preference."""

    SAFETENSORS = "safetensors"
    GGUF = "gguf"
    PYTORCH = "pytorch"
    ORIGINAL = "original"
    """As the authors released it, in a layout of their own."""
    ONNX = "onnx"
    OPENVINO = "openvino"
    CTRANSLATE2 = "ctranslate2"
    GGML = "ggml"
    FLAX = "flax"
    TENSORFLOW = "tensorflow"
    COREML = "coreml"
    TFLITE = "tflite"
    MLX = "mlx"
    RUST = "rust"
    METAL = "metal"


QUANTIZED = (Format.GGUF, Format.GGML)
"""The formats of which one quantization is taken."""

_NAMES = (
    (Format.COREML, r"\.(mlpackage|mlmodelc?)(/|\.zip$|$)"),
    (Format.METAL, r"(^|/)metal/[^/]*\.bin$"),
    (Format.ORIGINAL, r"(^|/)original/(.*/)?[^/]*\.(safetensors|pth|pt|bin)$"),
    (Format.ORIGINAL, r"(^|/)consolidated[^/]*\.(safetensors|pth|pt)$"),
    (Format.SAFETENSORS, r"\.safetensors$"),
    (Format.ONNX, r"\.(onnx|ort)([._]data(_\d+)?)?$"),
    (Format.OPENVINO, r"(^|/)openvino_[^/]*\.(bin|xml)$|(^|/)openvino/[^/]*\.(bin|xml)$"),
    (Format.PYTORCH, r"(^|/)([a-z_]*pytorch_[a-z_]*|adapter_)model[^/]*\.bin$|\.(pt|pth|ckpt)$"),
    (Format.PYTORCH, r"(^|/)pytorch_[a-z_]*weights[^/]*\.bin$"),
    (Format.CTRANSLATE2, r"(^|/)model\.bin$"),
    (Format.FLAX, r"\.msgpack$"),
    (Format.TENSORFLOW, r"\.h5$|(^|/)saved_model\.pb$|\.ckpt\.(index|meta|data-\d+-of-\d+)$"),
    (Format.TFLITE, r"\.(tflite|task|litertlm)$"),
    (Format.MLX, r"\.npz$"),
    (Format.RUST, r"(^|/)rust_model\.ot$"),
)
_FORMATS = tuple((format, re.compile(pattern, re.IGNORECASE)) for format, pattern in _NAMES)
_SAID = (Format.GGUF, Format.GGML, Format.ONNX, Format.OPENVINO, Format.COREML, Format.TFLITE, Format.FLAX)
_STATE = re.compile(r"(^|/)(optimizer|scheduler|scaler|rng_state[^/]*|training_args)\.(pt|pth|bin)$")
_INDEX = re.compile(r"\.index(\.\w+)?\.json$")
_SUFFIX = re.compile(r"(\.index(\.\w+)?\.json|\.onnx[._]data(_\d+)?|\.\w+)$", re.IGNORECASE)
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")
_PRECISION = re.compile(
    r"[._-](fp16|fp32|bf16|fp8(_\w+)?|u?int8|q?u?int8_\w+|q4f16|q[48]|bnb4|quantized|o[1-4]|(non_)?ema)$",
    re.IGNORECASE,
)
_PARTS = ("model_index.json", "modules.json")


@attrs.frozen
class Offered:
    """What the paths of a repository amount to in one format.

    :ivar others: the formats in which its weights are there too
    :ivar left_out: paths of the same format that are left out, each with the reason
    :ivar missing: shards that the repository lacks, as `2 of 3 of model`
    """

    format: Format | None
    paths: tuple[str, ...]
    others: tuple[Format, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()


def parse_format(name: str) -> Format:
    """Return the format of that name, in any case.

    :raises ValueError: if there is none
    """
    try:
        return Format(str(name).lower())
    except ValueError:
        raise ValueError(f"{name!r} is no format; it is one of {', '.join(Format)}") from None


def format_of(path: str) -> Format | None:
    """Return the format of the weights, or of their index, in a file; None if it holds none."""
    if is_ggml(path):
        return Format.GGML
    if parse_name(path) is not None:
        return Format.GGUF
    if _STATE.search(path):
        return None
    bare = _INDEX.sub("", path)
    return next((format for format, pattern in _FORMATS if pattern.search(bare)), None)


def formats_in(paths: Iterable[str]) -> tuple[Format, ...]:
    """Return the formats that a model is there in, in the order of preference.

    What accompanies a model counts only where there is nothing else.
    """
    weights = [(path, format) for path in paths if (format := _weights(path))]
    models = {format for path, format in weights if _role(path) is Role.MODEL}
    standing = {format for path, format in weights if _role(path) in STANDING_IN}
    found = models or standing or {format for _, format in weights}
    return tuple(sorted(found, key=list(Format).index))


def preferred(name: str, formats: Sequence[Format]) -> Format | None:
    """Return the format that the name of a repository says, else the first; None if there is none."""
    words = re.split(r"[^a-z0-9]+", name.rpartition("/")[2].lower())
    said = [format for format in _SAID if format in formats and format.value in words]
    return next(iter([*said, *formats]), None)


def offered_in(format: Format | None, paths: Sequence[str]) -> Offered:
    """Return the paths that belong to a format; with None, to no format."""
    others = tuple(other for other in formats_in(paths) if other is not format)
    kept = [path for path in paths if _belongs(path, _allowed(format, paths))]
    left_out = dict(_left_out(kept)) if format not in QUANTIZED else {}
    taken = tuple(path for path in kept if path not in left_out)
    missing = tuple(_missing(taken)) if format not in QUANTIZED else ()
    return Offered(format, taken, others, tuple(left_out.items()), missing)


def _weights(path: str) -> Format | None:
    return None if _INDEX.search(path) else format_of(path)


def _role(path: str) -> Role:
    name = parse_name(path)
    return name.role if name else role_of(path[: path.rindex(".")])


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _allowed(format: Format | None, paths: Sequence[str]) -> dict[str, set[Format]]:
    """Return for each folder that holds weights the formats taken from it."""
    found: dict[str, set[Format]] = {}
    for path in paths:
        if (one := _weights(path)) is not None:
            found.setdefault(_folder(path), set()).add(one)
    in_parts = format is Format.SAFETENSORS and any(path in _PARTS for path in paths)
    return {folder: _of_folder(format, there, in_parts) for folder, there in found.items()}


def _of_folder(format: Format | None, there: set[Format], in_parts: bool) -> set[Format]:
    if format in there:
        return there & {format}
    return there & {Format.PYTORCH} if in_parts else set()


def _belongs(path: str, allowed: dict[str, set[Format]]) -> bool:
    folder, format = _folder(path), format_of(path)
    if format is not None:
        return format in allowed.get(folder, ())
    while folder and folder not in allowed:
        folder = _folder(folder)
    return not folder or bool(allowed[folder])


def _left_out(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    plain = {_core(path) for path in paths if format_of(path) and not _precision(path)}
    in_parts = "model_index.json" in paths and any("/" in path and _weights(path) for path in paths)
    for path in paths:
        if format_of(path) is None:
            continue
        if in_parts and "/" not in path:
            yield path, "checkpoint"
        elif (precision := _precision(path)) and _core(path) in plain:
            yield path, precision


def _stem(path: str) -> str:
    return _SHARD.sub("", _SUFFIX.sub("", _SUFFIX.sub("", path) if _INDEX.search(path) else path))


def _precision(path: str) -> str | None:
    index = _INDEX.search(path)
    if index and index[1] and index[1] != ".json":
        return index[1].lstrip(".")
    found = _PRECISION.search(_stem(path))
    return found[1].lower() if found else None


def _core(path: str) -> tuple[str, Format | None]:
    return _PRECISION.sub("", _stem(path)), format_of(path)


def _missing(paths: Iterable[str]) -> Iterator[str]:
    sets: dict[tuple[str, str, int], set[int]] = {}
    for path in paths:
        bare = PurePosixPath(path)
        if _weights(path) and (shard := _SHARD.search(bare.stem)):
            key = (str(bare.with_name(_SHARD.sub("", bare.stem))), bare.suffix, int(shard[2]))
            sets.setdefault(key, set()).add(int(shard[1]))
    for (stem, _, count), indices in sorted(sets.items()):
        # some count from 0, and a few both from 0 and up to the count
        first = 0 if set(range(count)) <= indices else 1
        for lacking in sorted(set(range(first, first + count)) - indices)[:1]:
            yield f"{lacking} of {count} of {stem}"
