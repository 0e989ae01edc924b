"""Model repositories that look like real ones: GGUF files that parse, quantizations, shards, a sidecar.

A file holds one tensor of bytes (type I8) that fills it up to the wanted size, after the GGUF 3 header:
magic, version, tensor count, metadata count, metadata, tensor descriptions, padding to 32 bytes.
"""

import json
import struct
import zlib
from collections.abc import Mapping

from ._blob import Blob

ALIGNMENT = 32
_UINT16, _UINT32, _INT32, _STRING = 2, 4, 5, 8
_I8 = 24
_BITS = {"F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.85}
_FILE_TYPES = {"F32": 0, "F16": 1, "Q8_0": 7, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "BF16": 32}
_OWN_FOLDER = {"F32", "F16", "BF16"}


def sample_model(
    name: str = "tiny-chat", *, size: int = 24 << 20, shards: Mapping[str, int] | None = None
) -> dict[str, bytes | Blob]:
    """Return the files of a model repository, for `LocalHub.add_repo`.

    :param size: bytes of the Q8_0 files together; other quantizations are in proportion to their bits.
    :param shards: quantization label to number of files; None: Q4_K_M in 1, Q8_0 in 3, BF16 in 2 in a folder.
    """
    files: dict[str, bytes | Blob] = {
        "README.md": f"# {name}\n\nRandom bytes in the shape of a model.\n".encode(),
        "config.json": json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}).encode(),
        f"mmproj-{name}-F16.gguf": gguf_blob(f"{name}-mmproj", size // 16, file_type=1, architecture="clip"),
    }
    for label, count in (shards or {"Q4_K_M": 1, "Q8_0": 3, "BF16": 2}).items():
        total = int(size * _BITS[label] / _BITS["Q8_0"])
        folder = f"{label}/" if label in _OWN_FOLDER else ""
        for number in range(count):
            part = f"-{number + 1:05}-of-{count:05}" if count > 1 else ""
            share = total // count + (total % count if number == 0 else 0)
            stem = f"{name}-{label}{part}"
            files[f"{folder}{stem}.gguf"] = gguf_blob(
                stem, share, file_type=_FILE_TYPES[label], shard=(number, count)
            )
    return files


def gguf_blob(
    name: str, size: int, *, file_type: int, architecture: str = "llama", shard: tuple[int, int] = (0, 1)
) -> Blob:
    """Return a GGUF file of this many bytes, or a little more than its header where that is too few."""
    number, count = shard
    metadata = [
        _entry("general.architecture", _STRING, _text(architecture)),
        _entry("general.name", _STRING, _text(name)),
        _entry("general.file_type", _UINT32, struct.pack("<I", file_type)),
    ]
    if count > 1:
        metadata += [
            _entry("split.no", _UINT16, struct.pack("<H", number)),
            _entry("split.count", _UINT16, struct.pack("<H", count)),
            _entry("split.tensors.count", _INT32, struct.pack("<i", count)),
        ]
    tensor_name = _text(f"blk.{number}.weight")
    head_size = len(_head(metadata, tensor_name, 0))
    filler = max(ALIGNMENT, size - head_size)
    return Blob(
        size=head_size + filler, seed=zlib.crc32(name.encode()), head=_head(metadata, tensor_name, filler)
    )


def _head(metadata: list[bytes], tensor_name: bytes, elements: int) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(metadata)) + b"".join(metadata)
    head += tensor_name + struct.pack("<IQIQ", 1, elements, _I8, 0)
    return head + bytes(-len(head) % ALIGNMENT)


def _entry(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
