from os.path import normpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import UnsafePath
from hostel.plugins.model_pull._select.safe_paths import check_path, check_paths


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        ("c:x", "absolute"),
        ("../x", "climbs"),
        ("a/../../x", "climbs"),
        ("a/..", "climbs"),
        ("a\\..\\x", "backslash"),
        ("//host/share", "absolute"),
        ("", "empty"),
        (".", "empty"),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("./a", "empty"),
        ("CON", "device"),
        ("a/nul.txt", "device"),
        ("com1", "device"),
        ("Lpt9.gguf", "device"),
        ("aux .gguf", "device"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a/b.", "dot or space"),
        ("a /b", "dot or space"),
        ("x" * 256, "long"),
        ("\ud800", "Unicode"),
    ],
)
def test_a_name_that_could_leave_its_folder_is_refused(path: str, reason: str) -> None:
    with pytest.raises(UnsafePath, match=reason):
        check_path(path)


@pytest.mark.parametrize(
    "path", ["a", "Q8_0/m-00001-of-00003.gguf", ".gitattributes", "..a", "a..b", "console/com10", "ümläut"]
)
def test_an_ordinary_name_passes(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "paths",
    [
        ["README.md", "readme.md"],
        ["a/B", "A/b"],
        ["stra\u00dfe", "STRASSE"],
        ["e\u0301", "\u00e9"],
        ["a", "a"],
        ["a", "a/b"],
        ["A/b", "a"],
    ],
)
def test_two_names_for_one_file_are_refused(paths: list[str]) -> None:
    with pytest.raises(UnsafePath):
        check_paths(paths)


def test_files_in_the_same_folder_pass() -> None:
    check_paths(["a/b", "a/c", "a/d/e", "b"])


@given(st.lists(st.text(alphabet="ab./\\:C ", max_size=8), max_size=4))
def test_what_passes_stays_inside(paths: list[str]) -> None:
    try:
        check_paths(paths)
    except UnsafePath:
        return
    for path in paths:
        assert normpath(f"/root/{path}").startswith("/root/")
