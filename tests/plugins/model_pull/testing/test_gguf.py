"""The sample model has the shape of a real repository."""

import struct

from hostel.plugins.model_pull.testing import Blob, sample_model


def test_a_sample_model_has_quantizations_shards_a_sidecar_and_text() -> None:
    files = sample_model("m", size=1 << 20)

    assert sorted(files) == [
        "BF16/m-BF16-00001-of-00002.gguf",
        "BF16/m-BF16-00002-of-00002.gguf",
        "README.md",
        "config.json",
        "m-Q4_K_M.gguf",
        "m-Q8_0-00001-of-00003.gguf",
        "m-Q8_0-00002-of-00003.gguf",
        "m-Q8_0-00003-of-00003.gguf",
        "mmproj-m-F16.gguf",
    ]


def test_its_sizes_follow_the_bits_and_its_contents_differ() -> None:
    blobs = {path: blob for path, blob in sample_model("m", size=3_000_001).items() if isinstance(blob, Blob)}
    sizes = {
        label: sum(blob.size for path, blob in blobs.items() if label in path)
        for label in ("Q8_0", "BF16", "Q4_K_M")
    }

    assert sizes["Q8_0"] == 3_000_001
    assert sizes["Q4_K_M"] < sizes["Q8_0"] < sizes["BF16"]
    assert len({blob.sha256 for blob in blobs.values()}) == len(blobs)
    assert len({blob.read(1000, 2000) for blob in blobs.values()}) == len(blobs)


def test_shards_can_be_chosen_and_tiny_files_stay_whole() -> None:
    files = sample_model("m", size=10, shards={"Q8_0": 8})

    assert sum("Q8_0" in path for path in files) == 8
    assert not any("BF16" in path for path in files)


def test_every_gguf_file_is_filled_by_the_one_tensor_it_declares() -> None:
    for path, blob in sample_model("m", size=1 << 20).items():
        if isinstance(blob, Blob):
            magic, version, tensors, _ = struct.unpack("<4sIQQ", blob.read(0, 24))
            elements, kind, offset = struct.unpack_from("<QIQ", blob.head, _tensor(blob))
            assert (magic, version, tensors) == (b"GGUF", 3, 1), path
            assert (len(blob.head) % 32, kind, offset) == (0, 24, 0), path
            assert len(blob.head) + elements == blob.size, path


def _tensor(blob: Blob) -> int:
    return blob.head.index(b".weight") + len(b".weight") + 4
