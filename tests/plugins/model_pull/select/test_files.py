import pytest

from hostel.plugins.model_pull import Format, InvalidFormat, NotFound, RemoteFile, UnsafePath
from hostel.plugins.model_pull._select.files import filtered, offered, options_of, whole
from hostel.plugins.model_pull._select.formats import parse_format


def listing(*paths: str) -> list[RemoteFile]:
    return [RemoteFile(path, 10, None, f"https://h/{path}") for path in paths]


def selected(*paths: str, wanted: str | None = None) -> list[str]:
    selection = offered("o/m", listing(*paths)).taking(wanted)
    return [file.path for file in selection.files]


def test_a_quantization_comes_with_its_small_files_and_without_the_rest() -> None:
    paths = [
        "m-Q4_K_M.gguf",
        "m-Q8_0.gguf",
        "config.json",
        "tokenizer.json",
        "README.md",
        "imatrix.dat",
        "x.png",
    ]

    assert selected(*paths) == ["m-Q4_K_M.gguf", "config.json", "tokenizer.json"]


def test_all_shards_of_the_chosen_one_are_taken_in_order() -> None:
    shards = [f"Q8_0/m-Q8_0-0000{i}-of-00003.gguf" for i in (1, 2, 3)]

    assert selected("m-Q4_K_M.gguf", *reversed(shards), wanted="Q8_0") == shards


@pytest.mark.parametrize(
    ("paths", "projector"),
    [
        (["m-Q4_K_M.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"], "mmproj-F16.gguf"),
        (["m-Q4_K_M.gguf", "mmproj-Q8_0.gguf", "mmproj-BF16.gguf"], "mmproj-BF16.gguf"),
        (["a/m-Q4_K_M.gguf", "mmproj-F16.gguf", "a/mmproj-F32.gguf"], "a/mmproj-F32.gguf"),
        (["big-Q4_K_M.gguf", "mmproj-big-f16.gguf", "mmproj-small-f16.gguf"], "mmproj-big-f16.gguf"),
    ],
)
def test_one_projector_comes_along_the_nearest_then_the_finest(paths: list[str], projector: str) -> None:
    assert selected(*paths) == [paths[0], projector]


def test_include_and_exclude_are_shell_patterns_over_whole_paths() -> None:
    files = listing("a/x.json", "b/x.json", "c.txt")

    assert [file.path for file in filtered(files, include=["*.json"])] == ["a/x.json", "b/x.json"]
    assert [file.path for file in filtered(files, exclude=["a/"])] == ["b/x.json", "c.txt"]


def test_a_hostile_name_is_refused_unless_it_is_excluded() -> None:
    files = listing("ok", "../evil")

    with pytest.raises(UnsafePath):
        filtered(files)
    assert [file.path for file in filtered(files, exclude=["*evil"])] == ["ok"]


def test_one_file_is_what_a_program_loads_and_several_are_a_folder() -> None:
    assert whole("o/m", listing("a")).main == "a"
    assert whole("o/m", listing("a", "b")).main is None
    with pytest.raises(NotFound):
        whole("o/m", [])


def test_a_codec_comes_along_and_a_notice_says_so() -> None:
    selection = offered("o/m", listing("tts-Q4_0.gguf", "wavtokenizer-F16.gguf")).taking()

    assert [file.path for file in selection.files] == ["tts-Q4_0.gguf", "wavtokenizer-F16.gguf"]
    assert selection.notices == ("wavtokenizer-F16.gguf (10 B) comes along: the model needs its codec.",)


def test_of_several_codecs_named_after_others_none_is_guessed() -> None:
    selection = offered("o/m", listing("tts-Q4_0.gguf", "snac-F16.gguf", "mimi-F16.gguf")).taking()

    assert [file.path for file in selection.files] == ["tts-Q4_0.gguf"]
    assert "mimi-F16.gguf, snac-F16.gguf; --include takes the right one" in selection.notices[0]


def test_a_projector_that_does_not_fit_is_left_out_and_said() -> None:
    offer = offered("o/m", listing("m-Q4_K_M.gguf", "mmproj-F16.gguf"), quantized=True)

    assert [file.path for file in offer.taking(budget=20).files] == ["m-Q4_K_M.gguf", "mmproj-F16.gguf"]
    blind = offer.taking(budget=19)
    assert [file.path for file in blind.files] == ["m-Q4_K_M.gguf"]
    assert blind.notices == ("mmproj-F16.gguf (10 B) does not fit and is left out: no images, no sound.",)


def test_small_heads_named_inside_are_no_models_beside_large_ones() -> None:
    files = [
        RemoteFile("m-Q4_K_M.gguf", 100, None, "https://h/1"),
        RemoteFile("m-MTP-Q8_0.gguf", 9, None, "https://h/2"),
    ]

    assert [option.name for option in options_of(files)] == ["Q4_K_M"]
    assert [option.name for option in options_of(files[1:])] == ["Q8_0"]


def test_other_formats_are_named_in_a_notice_unless_one_was_asked_for() -> None:
    files = listing("model.safetensors", "m-Q4_K_M.gguf", "onnx/model.onnx", "onnx/config.json", "README.md")

    offer = offered("o/m", files)
    assert offer.format is Format.SAFETENSORS
    assert [file.path for file in offer.whole().files] == ["README.md", "model.safetensors"]
    assert offer.notices == (
        "It is there as gguf and onnx too; safetensors is taken, --format takes another.",
    )
    assert offered("o/m", files, Format.ONNX).notices == ()
    assert offered("o/m-GGUF", files).format is Format.GGUF


def test_a_part_without_safetensors_gives_its_pickle_where_parts_make_the_model() -> None:
    files = ["model_index.json", "unet/a.safetensors", "unet/a.bin", "vae/pytorch_model.bin", "x.ckpt"]

    taken = offered("o/m", listing(*files, "unet/pytorch_model.bin")).whole()

    assert {file.path for file in taken.files} >= {"unet/a.safetensors", "vae/pytorch_model.bin"}
    assert not {"x.ckpt", "unet/pytorch_model.bin"} & {file.path for file in taken.files}


def test_weights_that_lack_a_shard_are_refused_in_one_sentence() -> None:
    files = listing("model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors")

    with pytest.raises(InvalidFormat, match=r"^o/m: shard 2 of 3 of model is missing; leave it out with"):
        offered("o/m", files)


def test_a_budget_holds_for_files_that_are_taken_as_they_are() -> None:
    with pytest.raises(InvalidFormat, match=r"the files take 20 B, and the budget is 19 B"):
        whole("o/m", listing("a", "b"), budget=19)


@pytest.mark.parametrize("name", ["", "gguff", "GGUF "])
def test_a_format_that_is_none_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(ValueError, match="is no format; it is one of safetensors, gguf, pytorch"):
        parse_format(name)
