import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import GGLIB_PREFERENCE, PREFERENCE
from hostel.plugins.model_pull._select.gguf_names import (
    Role,
    canonical_label,
    group_models,
    label_of,
    parse_name,
)
from hostel.plugins.model_pull._select.quantization import QUALITY

REAL_NAMES = [
    ("Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
    ("Llama-3.2-1B-Instruct-Q6_K_L.gguf", "Q6_K_L"),
    ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
    ("Qwen3-30B-A3B-Instruct-2507-UD-IQ1_S.gguf", "UD-IQ1_S"),
    ("qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "Q4_K_M"),
    ("qwen2.5-0.5b-instruct-fp16.gguf", "F16"),
    ("model.i1-IQ3_XXS.gguf", "IQ3_XXS"),
    ("Kunoichi-7B.Q5_K_S.gguf", "Q5_K_S"),
    ("Infinitely-Laydiculous-7B-Q4_K_M-imat.gguf", "Q4_K_M"),
    ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
    ("gpt-oss-120b-MXFP4_MOE-00001-of-00002.gguf", "MXFP4_MOE"),
    ("Meta-Llama-3-8B-Instruct.BF16.gguf", "BF16"),
    ("tinyllamas-stories15M-q4_0.gguf", "Q4_0"),
    ("llama-2-7b.Q4_0_4_8.gguf", "Q4_0_4_8"),
    ("DeepSeek-R1-IQ4_KS_R4.gguf", "IQ4_KS_R4"),
    ("bitnet-b1.58-IQ2_BN.gguf", "IQ2_BN"),
    ("Falcon3-1.58bit-TQ2_0.gguf", "TQ2_0"),
    ("gemma-3-4b-it-q4_0.gguf", "Q4_0"),
    ("GLM-4.6-Q8_K_P.gguf", "Q8_K_P"),
    ("old-model-q4.gguf", "Q4"),
    ("model-Q4_K.gguf", "Q4_K"),
    ("stories260K.gguf", None),
    ("ggml-model.gguf", None),
    ("Q8_0/Model-00001-of-00003.gguf", "Q8_0"),
    ("UD-Q2_K_XL/DeepSeek-V3-UD-Q2_K_XL-00001-of-00005.gguf", "UD-Q2_K_XL"),
    ("BF16/Model-BF16-00001-of-00002.gguf", "BF16"),
    ("Model-F16.Q8_0.gguf", "Q8_0"),
    ("GLM-4.5-MTP-Q4_K_M.gguf", "Q4_K_M"),
    ("Alpaca-LoRA-7B-Q4_0.gguf", "Q4_0"),
    ("MODEL-Q4_K_M.GGUF", "Q4_K_M"),
    ("Qwen3-Next-80B-NVFP4.gguf", "NVFP4"),
    ("XQ4_0x.gguf", None),
]


@pytest.mark.parametrize(("path", "label"), REAL_NAMES)
def test_the_label_of_a_real_name_is_found(path: str, label: str | None) -> None:
    name = parse_name(path)

    assert name is not None
    assert (label, Role.MODEL) == (name.label, name.role)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("mmproj-F16.gguf", Role.PROJECTOR),
        ("mmproj-model-f16.gguf", Role.PROJECTOR),
        ("Qwen2.5-VL-7B.mmproj-Q8_0.gguf", Role.PROJECTOR),
        ("llava-mmproj-f16.gguf", Role.PROJECTOR),
        ("imatrix_unsloth.gguf", Role.MATRIX),
        ("Model.imatrix.gguf", Role.MATRIX),
        ("mtp-GLM-4.5-Q8_0.gguf", Role.DRAFT),
        ("eagle3-Qwen3-8B-F16.gguf", Role.DRAFT),
        ("Qwen3-8B-eagle3-Q8_0.gguf", Role.DRAFT),
        ("MTP/GLM-4.5-Q8_0.gguf", Role.DRAFT),
        ("Qwen3-32B-draft-Q4_0.gguf", Role.DRAFT),
        ("vae/pig-F16.gguf", Role.VAE),
        ("pig_flux_vae-f16.gguf", Role.VAE),
        ("WavTokenizer-Large-75-F16.gguf", Role.CODEC),
        ("ggml-vocab-llama-bpe.gguf", Role.VOCABULARY),
        ("my-finetune-lora-f16.gguf", Role.ADAPTER),
        ("ggml-adapter-model.gguf", Role.ADAPTER),
    ],
)
def test_a_sidecar_is_never_a_model(path: str, role: Role) -> None:
    name = parse_name(path)

    assert name is not None
    assert role == name.role
    assert group_models([path]) == []


@pytest.mark.parametrize("path", ["README.md", "model.safetensors", "imatrix.dat", "x.gguf.json", "gguf"])
def test_other_files_are_not_gguf(path: str) -> None:
    assert parse_name(path) is None


def test_shards_form_one_group_in_their_order() -> None:
    [group] = group_models([f"m-Q8_0-0000{i}-of-00003.gguf" for i in (3, 1, 2)])

    assert tuple(f"m-Q8_0-0000{i}-of-00003.gguf" for i in (1, 2, 3)) == group.paths
    assert (group.label, group.count, group.missing) == ("Q8_0", 3, ())


def test_an_incomplete_group_names_the_missing_shards() -> None:
    [group] = group_models(["m-Q8_0-00002-of-00004.gguf", "m-Q8_0-00004-of-00004.gguf"])

    assert group.missing == (1, 3)


def test_two_models_of_one_label_stay_apart() -> None:
    groups = group_models(["stories15M-q4_0.gguf", "stories42M-q4_0.gguf", "a/m-q4_0.gguf", "b/m-q4_0.gguf"])

    assert [len(group.paths) for group in groups] == [1, 1, 1, 1]


def test_a_single_file_and_shards_of_the_same_stem_stay_apart() -> None:
    groups = group_models(["m-Q8_0.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"])

    assert sorted(len(group.paths) for group in groups) == [1, 2]


def test_unsloth_dynamic_is_a_quantization_of_its_own() -> None:
    groups = group_models(["m-Q6_K.gguf", "m-UD-Q6_K.gguf"])

    assert [group.label for group in groups] == ["Q6_K", "UD-Q6_K"]


@pytest.mark.parametrize(
    "path",
    [
        "m.Q6_K.gguf.part1of2",
        "m.Q6_K.gguf-split-a",
        "m.Q6_K.gguf.split-b",
        "m.Q6_K.gguf.part-01-of-02",
        "m.Q6_K.gguf.part_aa",
        "m.Q6_K.gguf.00001-of-00002",
    ],
)
def test_raw_pieces_are_known_as_such(path: str) -> None:
    [group] = group_models([path])

    assert group.raw
    assert group.label == "Q6_K"


@pytest.mark.parametrize("label", sorted({*PREFERENCE, *GGLIB_PREFERENCE, *QUALITY}))
def test_every_label_of_the_orders_is_read_back(label: str) -> None:
    assert label == canonical_label(label)
    assert label == label_of(f"Some-Model-7B-{label.lower()}")


def test_no_order_names_a_label_twice() -> None:
    for order in (PREFERENCE, GGLIB_PREFERENCE, QUALITY):
        assert len(order) == len(set(order))
    assert set(PREFERENCE) == set(QUALITY)


@given(
    stem=st.from_regex(r"[A-Za-z]{3,8}-[0-9]B", fullmatch=True),
    label=st.sampled_from(PREFERENCE),
    count=st.integers(1, 12),
    data=st.data(),
)
def test_any_set_of_shards_is_one_group_that_knows_what_it_lacks(
    stem: str, label: str, count: int, data: st.DataObject
) -> None:
    present = data.draw(st.sets(st.integers(1, count), min_size=1))
    case = data.draw(st.sampled_from([str.upper, str.lower]))
    paths = [
        f"{stem}-{case(label)}-{i:05}-of-{count:05}.gguf" for i in data.draw(st.permutations(sorted(present)))
    ]

    [group] = group_models(paths)

    assert group.label == label
    assert set(range(1, count + 1)) - present == set(group.missing)


@given(st.lists(st.text(), max_size=5))
def test_no_listing_breaks_the_reader(paths: list[str]) -> None:
    for group in group_models([f"{path}.gguf" for path in paths]):
        assert group.paths
