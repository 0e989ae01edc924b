"""Each head of an answer, read without trust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import BadResponse, ContentChanged
from hostel.plugins.model_pull._engine.net.response import (
    Asked,
    Body,
    Busy,
    Changed,
    Moved,
    Nonsense,
    Refused,
    Version,
    read_head,
    wait_asked,
)
from hostel.plugins.model_pull._engine.ranges import Span

ETAG = Version('"v1"')
PART = Span(10, 20)
RANGE = {"content-range": "bytes 10-19/100", "content-length": "10", "etag": '"v1"'}


def asked(
    span: Span | None = PART, size: int | None = 100, version: Version = ETAG, path: str = "m.gguf"
) -> Asked:
    return Asked(path, "https://hub/m.gguf", span, size, version)


def problem(answer: object) -> str:
    assert isinstance(answer, Nonsense)
    return str(answer.error)


def test_the_asked_part_of_the_known_version_is_a_body() -> None:
    assert read_head(206, RANGE, asked(), 0) == Body(10, 10, 100, ETAG, ranged=True)


def test_the_end_of_the_file_may_cut_what_was_asked_for() -> None:
    head = {"content-range": "bytes 10-11/12"}

    assert read_head(206, head, asked(size=None), 0) == Body(10, 2, 12, Version(), ranged=True)


@pytest.mark.parametrize(
    "lie",
    [
        {"content-range": "bytes 11-19/100"},
        {"content-range": "bytes 10-20/100"},
        {"content-range": "bytes 0-99/100"},
        {"content-range": "10-19/100"},
        {"content-range": "bytes 10-9/100"},
        {"content-length": "11"},
    ],
)
def test_a_part_that_is_not_the_asked_one_is_nonsense(lie: dict[str, str]) -> None:
    assert problem(read_head(206, RANGE | lie, asked(), 0))


def test_a_part_without_content_range_or_unasked_is_nonsense() -> None:
    assert "Content-Range" in problem(read_head(206, {}, asked(), 0))
    assert "Content-Range" in problem(read_head(206, RANGE, asked(span=None), 0))


def test_a_part_of_a_file_of_hidden_size_is_only_good_if_the_size_is_known() -> None:
    head = RANGE | {"content-range": "bytes 10-19/*"}

    assert isinstance(read_head(206, head, asked(), 0), Body)
    assert "hides" in problem(read_head(206, head, asked(size=None), 0))


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (206, {"content-range": "bytes 10-19/101"}),
        (200, {"content-length": "101"}),
        (416, {"content-range": "bytes */9"}),
    ],
)
def test_a_size_that_is_not_the_listed_one_is_a_changed_file(status: int, head: dict[str, str]) -> None:
    answer = read_head(status, head, asked(), 0)

    assert isinstance(answer, Nonsense)
    assert isinstance(answer.error, ContentChanged)


@pytest.mark.parametrize(("status", "head"), [(206, RANGE), (200, {"content-length": "100"})])
def test_another_etag_is_another_version(status: int, head: dict[str, str]) -> None:
    assert read_head(status, head | {"etag": '"v2"'}, asked(), 0) == Changed(Version('"v2"'))


def test_the_whole_file_instead_of_a_part_is_a_body_from_zero() -> None:
    head = {"content-length": "100", "etag": '"v1"'}

    assert read_head(200, head, asked(), 0) == Body(0, 100, 100, ETAG, ranged=False)
    assert read_head(200, {"transfer-encoding": "chunked"}, asked(), 0) == Body(
        0, None, None, Version(), ranged=False
    )


@pytest.mark.parametrize("size", [100, None])
def test_a_web_page_is_not_a_model(size: int | None) -> None:
    page = {"content-type": "text/html; charset=utf-8", "content-length": "99"}

    assert "web page" in problem(read_head(200, page, asked(size=size), 0))
    assert isinstance(read_head(200, page, asked(size=99), 0), Body)
    assert isinstance(read_head(200, page, asked(size=None, path="index.html"), 0), Body)


def test_encoded_content_is_refused() -> None:
    assert "gzip" in problem(read_head(200, {"content-encoding": "gzip"}, asked(), 0))
    assert isinstance(read_head(206, RANGE | {"content-encoding": "identity"}, asked(), 0), Body)


def test_nothing_to_range_over_is_an_empty_file_if_the_size_was_unknown() -> None:
    head = {"content-range": "bytes */0"}

    assert read_head(416, head, asked(Span(0, 10), None, Version()), 0) == Body(
        0, 0, 0, Version(), ranged=True
    )
    assert "416" in problem(read_head(416, {"content-range": "bytes */100"}, asked(), 0))
    assert "416" in problem(read_head(416, {}, asked(), 0))


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_keep_the_hubs_code(status: int) -> None:
    assert read_head(status, {"x-error-code": "GatedRepo"}, asked(), 0) == Refused(status, "GatedRepo")


def test_redirects_need_a_target() -> None:
    assert read_head(302, {"location": "/x"}, asked(), 0) == Moved("/x")
    assert "Location" in problem(read_head(302, {}, asked(), 0))
    assert "304" in problem(read_head(304, {"location": "/x"}, asked(), 0))


@pytest.mark.parametrize(
    ("status", "crowded"), [(429, True), (503, True), (500, False), (502, False), (408, False)]
)
def test_what_may_get_better_is_tried_again(status: int, crowded: bool) -> None:
    assert read_head(status, {"retry-after": "7"}, asked(), 0) == Busy(f"status {status}", 7.0, crowded)


@pytest.mark.parametrize(
    ("head", "wait"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"ratelimit": '"resolvers";r=0;t=55'}, 55.0),
        ({"retry-after": "soon", "ratelimit": '"api";r=0;t=5'}, 5.0),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_from_either_header(head: dict[str, str], wait: float | None) -> None:
    assert wait_asked(head, 60.0) == wait


def test_a_weak_etag_promises_nothing() -> None:
    assert Version.of({"etag": 'W/"v1"', "last-modified": "yesterday"}) == Version(modified="yesterday")
    assert not Version.of({"etag": 'W/"v1"'})


def test_a_length_says_nothing_where_the_body_comes_in_chunks() -> None:
    chunked = {"transfer-encoding": "chunked", "content-length": "7"}

    assert read_head(206, RANGE | chunked, asked(), 0) == Body(10, 10, 100, ETAG, ranged=True)
    assert read_head(200, chunked, asked(), 0) == Body(0, None, None, Version(), ranged=False)


def test_spaces_and_capitals_change_nothing() -> None:
    head = {"content-range": " bytes 10-19/100 ", "content-length": " 10 ", "content-encoding": "Identity"}

    assert read_head(206, head, asked(), 0) == Body(10, 10, 100, Version(), ranged=True)
    assert "416" in problem(read_head(416, {"content-range": " bytes */100 "}, asked(), 0))
    assert wait_asked({"retry-after": " 5 "}, 0) == 5.0


@pytest.mark.parametrize("status", [200, 206])
def test_an_answer_that_names_no_version_is_taken_for_the_known_one(status: int) -> None:
    head = {name: value for name, value in RANGE.items() if name != "etag"}
    size = {"content-length": "100"} if status == 200 else {}

    assert isinstance(read_head(status, head | size, asked(), 0), Body)


def test_nothing_to_range_over_is_nonsense_where_the_size_is_known() -> None:
    assert "416" in problem(read_head(416, {"content-range": "bytes */0"}, asked(size=0), 0))


def test_too_early_may_get_better() -> None:
    assert read_head(425, {}, asked(), 0) == Busy("status 425", None, crowded=False)


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "content-range",
            "content-length",
            "etag",
            "location",
            "retry-after",
            "content-encoding",
            "content-type",
        ]
    ),
    st.one_of(
        st.text("abc0123456789-/*=;, GMT", max_size=20),
        st.from_regex(r"bytes \d{1,3}-\d{1,3}/(\d{1,3}|\*)", fullmatch=True),
    ),
)


@given(st.integers(100, 599), HEADERS)
def test_no_head_breaks_the_reader_and_every_body_is_within_the_file(
    status: int, head: dict[str, str]
) -> None:
    answer = read_head(status, head, asked(), 0)
    if isinstance(answer, Body):
        assert answer.total in (None, 100)
        assert answer.start == (10 if answer.ranged else 0)
        assert answer.start + (answer.length or 0) <= 100
        assert answer.version in (Version(), ETAG) or not answer.version.etag
    if isinstance(answer, Nonsense):
        assert isinstance(answer.error, BadResponse | ContentChanged)
