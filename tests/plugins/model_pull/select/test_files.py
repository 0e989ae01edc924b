import pytest

from hostel.plugins.model_pull import NotFound, RemoteFile, UnsafePath
from hostel.plugins.model_pull._select.files import filtered, offered, whole


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
