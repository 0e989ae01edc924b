"""One file behind a plain URL."""

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import anyio

from .._errors import (
    AccessDenied,
    BadResponse,
    NotFound,
    PullError,
    Unreachable,
    redacted,
)
from .._web import MAX_REDIRECTS, origin_of, redirected, size_of
from .reference import Reference
from .remote_file import RemoteFile

if TYPE_CHECKING:
    import httpx

TIMEOUT = 30.0
_TOTAL = re.compile(r"bytes (?:[0-9]+-[0-9]+|\*)/([0-9]+)")


class UrlSource:
    """Asks a server for the first byte of a file, to learn its size and version.

    A request for a range and not HEAD: signed URLs are often good for GET only.
    """

    schemes = ("http", "https")

    async def resolve(self, reference: Reference) -> list[RemoteFile]:
        """Return the file.

        :raises NotFound: if the server has none there
        :raises AccessDenied: if it wants to know who asks
        :raises BadResponse: if it answers with a page of HTML instead of a file
        :raises Unreachable: if it does not answer
        """
        url, headers = _without_user(reference.name)
        try:
            with anyio.fail_after(TIMEOUT):
                answer = await _first_byte(url, headers)
        except TimeoutError as error:
            raise Unreachable(_host(url), "it does not answer in time") from error
        if answer.status_code not in (200, 206, 416):
            raise _of_status(answer.status_code, url)
        name = unquote(urlsplit(url).path.rpartition("/")[2]) or "download"
        if answer.headers.get("content-type", "").startswith("text/html") and not name.endswith(
            (".html", ".htm")
        ):
            raise BadResponse(url, "it is a page of HTML and not a file")
        version = answer.headers.get("etag") or answer.headers.get("last-modified")
        return [RemoteFile(name, _size(answer), reference.sha256, url, headers, version=version)]


async def _first_byte(url: str, headers: dict[str, str]) -> "httpx.Response":
    """Ask for the first byte, wherever it is; `headers` go to the origin of `url` only."""
    import httpx

    place, asked = url, {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            for _ in range(MAX_REDIRECTS + 1):
                own = headers if origin_of(place) == origin_of(url) else {}
                async with client.stream("GET", place, headers={**own, **asked}) as answer:
                    if not answer.has_redirect_location:
                        return answer
                place = redirected(place, answer.headers["location"])
    except httpx.TimeoutException as error:
        raise Unreachable(_host(place), "it does not answer in time") from error
    except httpx.TransportError as error:
        raise Unreachable(_host(place), str(error) or type(error).__name__) from error
    except (httpx.InvalidURL, httpx.HTTPError) as error:
        raise BadResponse(url, str(error)) from error
    raise BadResponse(url, f"it redirects more than {MAX_REDIRECTS} times")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    credentials = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {credentials}"}


def _size(answer: "httpx.Response") -> int | None:
    total = _TOTAL.fullmatch(answer.headers.get("content-range", ""))
    if total:
        return size_of(total[1])
    return size_of(answer.headers.get("content-length", "")) if answer.status_code == 200 else None


def _of_status(status: int, url: str) -> PullError:
    if status in (401, 403, 407):
        return AccessDenied(redacted(url))
    if status in (404, 410):
        return NotFound(redacted(url))
    if status == 429 or status >= 500:
        return Unreachable(_host(url), f"it answers {status}")
    return BadResponse(url, f"it answers {status}")
