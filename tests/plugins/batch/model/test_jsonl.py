"""Lines of batch files: read strictly, written exactly."""

import json
from collections.abc import AsyncIterator

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.batch import Failure, FailureKind, RequestTemplateInput
from hostel.plugins.batch._model.jsonl import as_json, content_line, read_line, read_lines, read_usage
from hostel.plugins.batch._model.records import BatchErrorItem, BatchOutputItem, FaultyLine, Usage

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
gaps = st.text(" \t", max_size=2)


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, str, str]:
    """A line in any order and spacing, its custom_id and its body's own text."""
    custom_id = draw(text)
    given = draw(st.dictionaries(text, values, max_size=3)) | {"model": draw(text)}
    given.pop("stream", None)
    body = json.dumps(given, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0])))
    body = body.replace("\n", draw(gaps))
    members = {
        "custom_id": json.dumps(custom_id),
        "method": '"POST"',
        "url": '"/v1/chat/completions"',
        "body": body,
        "more": json.dumps(draw(values)),
    }
    order = draw(st.permutations(list(members)))
    inner = ",".join(
        f'{draw(gaps)}"{name}"{draw(gaps)}:{draw(gaps)}{members[name]}{draw(gaps)}' for name in order
    )
    return f"{draw(gaps)}{{{inner}}}{draw(gaps)}", custom_id, body


@given(lines())
def test_a_line_keeps_its_text_around_the_body_and_the_body_its_own(line: tuple[str, str, str]) -> None:
    whole, custom_id, body = line

    read = read_line(whole)

    assert (read.custom_id, read.body) == (custom_id, body)
    assert read.around is not None
    assert read.around[0] + read.body + read.around[1] == whole


@given(st.lists(text.filter(str.strip), max_size=5), st.integers(1, 7))
def test_lines_are_the_same_however_the_file_is_cut_into_pieces(contents: list[str], size: int) -> None:
    data = "\n".join(content.replace("\n", " ") for content in contents).encode()

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    async def read(size: int) -> list[RequestTemplateInput | FaultyLine]:
        return [line async for line in read_lines(pieces(size))]

    assert anyio.run(read, size) == anyio.run(read, len(data) + 1)


@given(text, st.integers(200, 599), values | text)
def test_a_written_answer_is_one_line_of_json_that_holds_the_answer(
    name: str, status: int, answer: object
) -> None:
    body = json.dumps(answer, indent=1)

    line = content_line(BatchOutputItem("batch_req_x", name, status, "up-1", body))

    assert "\n" not in line
    assert json.loads(line) == {
        "id": "batch_req_x",
        "custom_id": name,
        "response": {"status_code": status, "request_id": "up-1", "body": answer},
        "error": None,
    }


@pytest.mark.parametrize("body", ["", "plain", "{", "NaN", '{"a": 1} x', "[" * 10_000])
def test_an_answer_that_is_no_json_is_written_as_text(body: str) -> None:
    assert json.loads(as_json(body)) == body


def test_an_http_error_keeps_its_answer_and_other_failures_say_what_happened() -> None:
    refused = Failure(FailureKind.NON_RETRIABLE_HTTP_STATUS, "HTTP 400", 400, '{"error": 1}', "up-2")
    expired, lost = Failure(FailureKind.BATCH_EXPIRED), Failure(FailureKind.NETWORK_ERROR, "reset")

    first, second, third = (
        json.loads(content_line(BatchErrorItem("n", "c", each))) for each in (refused, expired, lost)
    )

    assert first["response"] == {"status_code": 400, "request_id": "up-2", "body": {"error": 1}}
    assert first["error"] is None
    assert (second["response"], second["error"]["code"]) == (None, "batch_expired")
    assert third["error"] == {"code": "network_error", "message": "reset"}


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ('{"usage": {"prompt_tokens": 3, "completion_tokens": 2}}', Usage(3, 0, 2, 0)),
        (
            '{"usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 1,'
            ' "output_tokens_details": {"reasoning_tokens": 1}}}',
            Usage(5, 4, 1, 1),
        ),
        ('{"usage": null}', Usage()),
        ('{"usage": {"prompt_tokens": "many", "completion_tokens": -1}}', Usage()),
        ("[]", Usage()),
        ("oops", Usage()),
    ],
)
def test_usage_is_read_in_both_forms_and_nonsense_counts_nothing(body: str, usage: Usage) -> None:
    assert read_usage(body) == usage
