from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import InvalidReference, Reference, parse_reference

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/repo", Reference("hf", "org/repo")),
        ("gpt2", Reference("hf", "gpt2")),
        ("hf://org/repo:Q8_0", Reference("hf", "org/repo", "Q8_0")),
        ("org/repo:Q4_K_M@v1.0", Reference("hf", "org/repo", "Q4_K_M", "v1.0")),
        ("org/repo@refs/pr/3", Reference("hf", "org/repo", None, "refs/pr/3")),
        ("org/repo:UD-Q4_K_XL", Reference("hf", "org/repo", "UD-Q4_K_XL")),
        ("https://example.com/m.gguf", Reference("https", "https://example.com/m.gguf")),
        ("http://127.0.0.1:80/a@b:c.gguf?x=1", Reference("http", "http://127.0.0.1:80/a@b:c.gguf?x=1")),
        (f"https://e.com/m#sha256={DIGEST.upper()}", Reference("https", "https://e.com/m", sha256=DIGEST)),
        ("./models/m", Reference("file", "./models/m")),
        (".", Reference("file", ".")),
        ("~/models", Reference("file", "~/models")),
        ("/srv/a:b@c", Reference("file", "/srv/a:b@c")),
        ("C:\\models", Reference("file", "C:\\models")),
        ("file:///srv/my%20models", Reference("file", "/srv/my models")),
        ("s3://bucket/key", Reference("s3", "s3://bucket/key")),
        ("https://huggingface.co/org/repo", Reference("hf", "org/repo")),
        ("https://huggingface.co/org/repo/?library=x", Reference("hf", "org/repo")),
        ("hf.co/org/repo:Q4_K_M", Reference("hf", "org/repo", "Q4_K_M")),
        ("https://huggingface.co/org/repo/tree/refs/pr/1", Reference("hf", "org/repo", None, "refs/pr/1")),
        (
            "https://huggingface.co/org/repo/blob/main/Q8_0/m%201.gguf?download=true",
            Reference("hf", "org/repo", None, "main", path="Q8_0/m 1.gguf"),
        ),
    ],
)
def test_a_reference_reads_as_written(text: str, expected: Reference) -> None:
    assert expected == parse_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/b/c",
        "org/",
        "org/repo:",
        "org/repo@",
        "org/repo:Q4 K",
        "org/../x",
        "org--x/y",
        "org/repo.",
        "org/repo@a..b",
        "https://",
        "http://[::1/x",
        "http://h:99999/m.gguf",
        "http://a..b/m.gguf",
        "file://[x",
        "s3://[x",
        "org/" + "x" * 100,
        "org/repö",
        "-x/y",
    ],
)
def test_what_names_nothing_is_refused_with_one_sentence(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_reference(text)

    assert str(caught.value).count("\n") == 0
    assert "org/repo[:QUANT]" in str(caught.value)


def test_a_quantization_given_apart_fills_in_and_must_not_contradict() -> None:
    assert Reference("hf", "o/r", "Q8_0", "dev") == parse_reference(
        "o/r", quantization="Q8_0", revision="dev"
    )
    assert Reference("hf", "o/r", "Q8_0") == parse_reference("o/r:Q8_0", quantization="Q8_0")
    with pytest.raises(InvalidReference, match="another quantization"):
        parse_reference("o/r:Q8_0", quantization="Q4_0")


def test_a_url_has_neither_quantizations_nor_revisions() -> None:
    with pytest.raises(InvalidReference, match="neither"):
        parse_reference("https://e.com/m.gguf", revision="main")


def test_the_id_of_a_url_leaves_its_query_out() -> None:
    assert parse_reference("https://e.com/m.gguf?Signature=s3cret").model_id == "https://e.com/m.gguf"


NAMES = st.from_regex(r"[A-Za-z0-9]{1,9}/[A-Za-z0-9_]{1,9}", fullmatch=True)


@given(
    name=NAMES,
    quantization=st.none() | st.from_regex(r"[A-Z0-9_-]{1,9}", fullmatch=True),
    revision=st.none() | st.from_regex(r"[a-z0-9/]{1,9}", fullmatch=True),
)
def test_writing_and_reading_a_reference_gives_it_back(
    name: str, quantization: str | None, revision: str | None
) -> None:
    reference = Reference("hf", name, quantization, revision)

    assert reference == parse_reference(str(reference))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidReference):
        assert parse_reference(text).name
