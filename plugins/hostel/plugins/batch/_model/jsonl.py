"""Lines of batch files, in and out: one strict reader, one writer.

The reader keeps the body's own text, so a body is sent byte for byte as it was uploaded, and keeps what stood
around it, so a file reads back as it was uploaded. Faults are values with a code and a message; the caller
knows the line's number.
The writer puts a JSON answer into the line as it came, with line breaks between its tokens turned into
spaces.
"""

import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, NamedTuple, NoReturn

from .records import (
    BatchErrorItem,
    BatchOutputItem,
    FaultyLine,
    FileContentItem,
    FileMetadata,
    Problem,
    RequestTemplate,
    RequestTemplateInput,
    Usage,
)
from .states import FailureKind
from .streams import closing

EXPIRED_MESSAGE = "This request could not be executed before the completion window expired."
UNPARSEABLE = "This line is not parseable as valid JSON."
MAX_CUSTOM_ID = 512
MAX_LINE = 64 * 1024 * 1024
MAX_TOKENS = 2**31 - 1

_SPACE = re.compile(r"[ \t\r\n]*")
_URL = re.compile(r"/v1/[A-Za-z0-9_\-./]+")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class _Member(NamedTuple):
    value: Any
    start: int
    end: int


class _Fault(Exception):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        self.problem = Problem(code, message, param=param)


async def read_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[RequestTemplateInput | FaultyLine]:
    """Read an input file piece by piece; empty lines at its end are nobody's."""
    seen: set[str] = set()
    number = blanks = 0
    async with closing(_split(chunks)) as lines:
        async for raw in lines:
            number += 1
            if not raw.strip():
                blanks += 1
                continue
            for earlier in range(number - blanks, number):
                yield FaultyLine("", Problem("invalid_json_line", UNPARSEABLE, line=earlier))
            blanks = 0
            yield _read(raw, number, seen)


async def upload_items(
    meta: FileMetadata, chunks: AsyncIterable[bytes]
) -> AsyncIterator[FileMetadata | RequestTemplateInput | FaultyLine]:
    """Read an uploaded file as the stream that a store takes."""
    yield meta
    async with closing(read_lines(chunks)) as lines:
        async for line in lines:
            yield line


async def _split(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async with closing(chunks) as source:
        async for chunk in source:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line
            if len(rest) > MAX_LINE:
                yield rest
                rest = b""
    if rest:
        yield rest


def _read(raw: bytes, number: int, seen: set[str]) -> RequestTemplateInput | FaultyLine:
    try:
        template = read_line(_decode(raw))
        if template.custom_id in seen:
            raise _Fault("duplicate_custom_id", _DUPLICATE.format(template.custom_id), "custom_id")
        seen.add(template.custom_id or "")
    except _Fault as fault:
        text = raw.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        problem = fault.problem
        return FaultyLine(text, Problem(problem.code, problem.message, number, problem.param))
    return template


_DUPLICATE = (
    "The custom_id {!r} is a duplicate of another request; it must be unique for each request in a batch."
)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _Fault("invalid_encoding", f"This line is not valid UTF-8 (byte {error.start}).") from None


def read_line(text: str) -> RequestTemplateInput:
    """Read one line of an input file."""
    members = _members(text)
    custom_id = _string(members, "custom_id")
    if len(custom_id) > MAX_CUSTOM_ID:
        raise _Fault(
            "invalid_custom_id", f"The custom_id is longer than {MAX_CUSTOM_ID} characters.", "custom_id"
        )
    if _string(members, "method") != "POST":
        raise _Fault("invalid_method", "The method must be POST.", "method")
    url = _string(members, "url")
    if not _URL.fullmatch(url) or ".." in url:
        raise _Fault(
            "invalid_url",
            f"The url {url[:200]!r} is not the path of an endpoint such as /v1/chat/completions.",
            "url",
        )
    body = members.get("body")
    if body is None or not isinstance(body.value, dict):
        raise _Fault("missing_required_parameter", "Missing required parameter: 'body', an object.", "body")
    if body.value.get("stream"):
        raise _Fault("unsupported_parameter", "Streaming is not supported in a batch.", "body.stream")
    model = _text(body.value.get("model"), "body.model")
    around = (text[: body.start], text[body.end :])
    return RequestTemplateInput(custom_id, "POST", url, text[body.start : body.end], model, around=around)


def _members(text: str) -> dict[str, _Member]:
    """Decode a JSON object one level deep, with the place of each value."""
    try:
        return dict(_walk(text))
    except (ValueError, IndexError, RecursionError):
        raise _Fault("invalid_json_line", UNPARSEABLE) from None


def _walk(text: str) -> "list[tuple[str, _Member]]":
    found: list[tuple[str, _Member]] = []
    at = _expect(text, 0, "{")
    if text[at] == "}":
        at += 1
    else:
        while True:
            key, at = _DECODER.raw_decode(text, at)
            if not isinstance(key, str):
                raise ValueError("a key must be a string")
            start = _expect(text, at, ":")
            value, end = _DECODER.raw_decode(text, start)
            found.append((key, _Member(value, start, end)))
            at = _skip(text, end) + 1
            if text[at - 1] == "}":
                break
            at = _expect(text, at - 1, ",")
    if _skip(text, at) != len(text):
        raise ValueError("something follows the object")
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at] != mark:
        raise ValueError(f"{mark} expected")
    return _skip(text, at + 1)


def _string(members: Mapping[str, _Member], name: str) -> str:
    member = members.get(name)
    return _text(None if member is None else member.value, name)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise _Fault("missing_required_parameter", f"Missing required parameter: {name!r}, a string.", name)
    if "\0" in value or not _encodable(value):
        raise _Fault("invalid_value", f"{name!r} contains characters that are not text.", name)
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def content_line(item: FileContentItem) -> str:
    """Write one line of a file, without its end."""
    match item:
        case RequestTemplate():
            return _template_line(item)
        case FaultyLine():
            return item.text
        case BatchOutputItem():
            response = _response(item.status_code, item.request_id, item.body)
            return _result_line(item.id, item.custom_id, response, "null")
        case BatchErrorItem():
            return _error_line(item)


def _template_line(item: RequestTemplateInput) -> str:
    if item.around is not None:
        return item.around[0] + item.body + item.around[1]
    head = json.dumps({"custom_id": item.custom_id, "method": item.method, "url": item.path})
    return f'{head[:-1]}, "body": {as_json(item.body)}}}'


def template_line_size(item: RequestTemplateInput) -> int:
    """Count the bytes of a template's line with its end."""
    return len(_template_line(item).encode()) + 1


def _error_line(item: BatchErrorItem) -> str:
    failure = item.failure
    if failure.status is not None:
        response = _response(failure.status, failure.request_id, failure.body or "")
        return _result_line(item.id, item.custom_id, response, "null")
    message = EXPIRED_MESSAGE if failure.kind is FailureKind.BATCH_EXPIRED else failure.message
    return _result_line(
        item.id, item.custom_id, "null", json.dumps({"code": failure.kind, "message": message})
    )


def _result_line(name: str, custom_id: str | None, response: str, error: str) -> str:
    head = json.dumps({"id": name, "custom_id": custom_id})
    return f'{head[:-1]}, "response": {response}, "error": {error}}}'


def _response(status: int, request_id: str | None, body: str) -> str:
    head = json.dumps({"status_code": status, "request_id": request_id or ""})
    return f'{head[:-1]}, "body": {as_json(body)}}}'


def as_json(body: str) -> str:
    """Return JSON as it is but on one line, anything else as a JSON string."""
    return body.replace("\r", " ").replace("\n", " ") if is_json(body) else json.dumps(body)


def is_json(text: str) -> bool:
    """Tell whether a text is a whole JSON value."""
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_usage(body: str) -> Usage:
    """Read the tokens that an answer reports, in the words of chat completions or of responses."""
    try:
        usage = json.loads(body)["usage"]
        read = _Counts(usage)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Usage()
    return Usage(
        read.of("input_tokens", "prompt_tokens"),
        read.detail("cached_tokens", "input_tokens_details", "prompt_tokens_details"),
        read.of("output_tokens", "completion_tokens"),
        read.detail("reasoning_tokens", "output_tokens_details", "completion_tokens_details"),
    )


class _Counts:
    """What an endpoint claims; numbers that no answer can have are not believed, so no sum overflows."""

    def __init__(self, usage: object) -> None:
        self._usage = usage if isinstance(usage, dict) else {}

    def of(self, *names: str) -> int:
        values = (self._usage.get(name) for name in names)
        return next((value for value in values if type(value) is int and 0 <= value <= MAX_TOKENS), 0)

    def detail(self, name: str, *groups: str) -> int:
        return sum(_Counts(self._usage.get(group)).of(name) for group in groups)


def with_model(body: str, model: str) -> str:
    """Return a body that asks for another model; one that is no JSON object stays as it is."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps(value | {"model": model}) if isinstance(value, dict) else body
