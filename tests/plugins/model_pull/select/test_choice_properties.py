"""What holds for every listing, real or not."""

import re
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import Format, InvalidFormat, InvalidQuantization, RemoteFile
from hostel.plugins.model_pull._select.files import Offer, Selection, offered
from hostel.plugins.model_pull._select.formats import QUANTIZED
from hostel.plugins.model_pull._select.gguf_names import Role, parse_name

NAMES = (
    *(f"m-{label}{shard}.gguf" for label in ("Q4_K_M", "UD-Q4_K_XL", "q8_0") for shard in ("", "#2", "#3")),
    *("m-Q6_K.gguf.part1of2", "m-Q6_K.gguf.part2of2", "Q5_K_M/m-Q5_K_M#2.gguf", "m.gguf", "m-MTP-Q8_0.gguf"),
    *("mmproj-F16.gguf", "mmproj-m-Q8_0.gguf", "mmproj-other-F16.gguf", "mtp-m-Q8_0.gguf", "eagle3-m.gguf"),
    *(
        "vae/ae.safetensors",
        "m_vae.safetensors",
        "codec-F16.gguf",
        "WavTokenizer-Q4_0.gguf",
        "m.imatrix.gguf",
    ),
    *("model#2.safetensors", "model.safetensors", "model.fp16.safetensors", "pytorch_model#3.bin", "x.ckpt"),
    *("onnx/model.onnx", "onnx/model_q4.onnx", "onnx/config.json", "original/consolidated.00.pth"),
    *("unet/model.safetensors", "text/pytorch_model.bin", "model_index.json", "ggml-base.bin"),
    *("config.json", "README.md", "tokenizer.json", "model.safetensors.index.json"),
)
SHARD = re.compile(r"-\d{5}-of-(\d{5})")


@st.composite
def listings(draw: st.DrawFn) -> list[RemoteFile]:
    """Draw the files of a repository; some shards of it may be missing."""
    files = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=10, unique=True)):
        shards = re.search(r"#(\d)", name)
        count = int(shards[1]) if shards else 1
        lost = draw(st.sampled_from([None, None, None, 1, count])) if shards else None
        for number in range(1, count + 1):
            path = name.replace(shards[0], f"-{number:05}-of-{count:05}") if shards else name
            size = draw(st.one_of(st.none(), st.integers(0, 50))) if number == 1 else 7
            if number != lost:
                files.append(RemoteFile(path, size, None, f"https://h/{path}"))
    return files


def selected(
    files: Sequence[RemoteFile], format: Format | None, budget: int | None, wanted: str | None = None
) -> Selection | None:
    try:
        offer: Offer = offered(
            "org/m", files, format, quantized=wanted is not None, budgeted=budget is not None
        )
        if not offer.options and wanted is None:
            return offer.whole(budget) if offer.files else None
        return offer.taking(wanted, budget=budget)
    except (InvalidQuantization, InvalidFormat):
        return None


formats = st.sampled_from([None, None, *Format])
budgets = st.one_of(st.none(), st.integers(1, 120))
wishes = st.sampled_from([None, None, "Q8", "q4_k_m", "mxfp4", "m.gguf", "mmproj-F16.gguf", "nothing"])


@given(listings(), formats, budgets, wishes, st.randoms(use_true_random=False))
def test_a_choice_is_a_whole_subset_within_the_budget_and_the_same_for_any_order(
    files: list[RemoteFile], format: Format | None, budget: int | None, wanted: str | None, random: Random
) -> None:
    chosen = selected(files, format, budget, wanted)
    shuffled = list(files)
    random.shuffle(shuffled)

    assert selected(shuffled, format, budget, wanted) == chosen
    if chosen is None:
        return
    assert set(chosen.files) <= set(files)
    assert len({file.path for file in chosen.files}) == len(chosen.files)
    check_shards([file.path for file in chosen.files])
    if budget is not None:
        sizes = [file.size for file in chosen.files if format_counts(file, chosen)]
        assert sum(size or 0 for size in sizes) <= budget


def format_counts(file: RemoteFile, chosen: Selection) -> bool:
    """Return whether the size of a file is known; one that is not is never the model's."""
    if chosen.choice is not None and file.path in chosen.choice.option.paths:
        assert file.size is not None
    return file.size is not None


def check_shards(paths: list[str]) -> None:
    for path in paths:
        if found := SHARD.search(path):
            for number in range(1, int(found[1]) + 1):
                assert SHARD.sub(f"-{number:05}-of-{found[1]}", path) in paths


@given(listings())
def test_a_quantization_comes_with_one_model_and_no_head(files: list[RemoteFile]) -> None:
    chosen = selected(files, None, None)
    if chosen is None or chosen.choice is None:
        return
    roles = [name.role for file in chosen.files if (name := parse_name(file.path))]

    if any((name := parse_name(file.path)) and name.role is Role.MODEL for file in files):
        assert Role.DRAFT not in roles
        assert roles.count(Role.MODEL) == len(chosen.choice.option.paths)
    assert roles.count(Role.PROJECTOR) <= 1
    assert chosen.format in QUANTIZED


@pytest.mark.parametrize("format", Format)
def test_one_format_holds_no_weights_of_another(format: Format) -> None:
    files = [RemoteFile(path, 1, None, f"https://h/{path}") for path in NAMES if "#" not in path]
    chosen = selected(files, format, None) if format not in QUANTIZED else None
    if chosen is None:
        return

    others = {Format.SAFETENSORS: ".safetensors", Format.ONNX: ".onnx", Format.GGUF: ".gguf"}
    others.pop(format, None)
    assert [file.path for file in chosen.files if file.path.endswith(tuple(others.values()))] == []
