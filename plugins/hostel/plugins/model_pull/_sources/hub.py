"""Models of the Hugging Face Hub, listed through huggingface_hub.

A revision is resolved to its commit first and everything else is asked of that commit, so a push in
between changes nothing. The tree listing carries size and checksum of each file; the checksum of a large
file is its `lfs` oid. Errors of huggingface_hub and its HTTP client are translated here and nowhere
else.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from .. import _settings
from .._errors import (
    AccessDenied,
    BadResponse,
    Gated,
    PullError,
    RepoNotFound,
    RevisionNotFound,
    Unreachable,
)
from .._web import origin_of
from .reference import HUB, InvalidReference, Reference
from .remote_file import RemoteFile

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
METADATA_TIMEOUT = 30.0
LISTING_SECONDS = 300.0
TRIES = 3
FIRST_PAUSE = 0.5
MOST_FILES = 100_000

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class HubSource:
    """The hub at `endpoint`, as the user `token` belongs to.

    :param endpoint: None follows HF_ENDPOINT at each call
    :param token: None follows the user's login at each call
    """

    schemes = (HUB,)

    def __init__(self, *, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint = endpoint
        self._token = token

    async def resolve(self, reference: Reference) -> list[RemoteFile]:
        """List the files of a repository at one commit.

        :raises RepoNotFound: if it is unknown, or private to somebody else
        :raises RevisionNotFound: if it has no such branch, tag or commit
        :raises AccessDenied: if the token may not read it; `Gated` if its conditions are not accepted
        :raises Unreachable: if the hub does not answer
        """
        pause = FIRST_PAUSE
        for _ in range(TRIES - 1):
            try:
                return await self._resolve(reference)
            except Unreachable as error:
                if not error.transient:
                    raise
                await anyio.sleep(pause)
                pause *= 2
        return await self._resolve(reference)

    async def _resolve(self, reference: Reference) -> list[RemoteFile]:
        endpoint = self._endpoint or _settings.endpoint()
        _check(endpoint)
        if _settings.offline():
            raise Unreachable(urlsplit(endpoint).netloc, "HF_HUB_OFFLINE is set", transient=False)
        gone = threading.Event()
        try:
            with anyio.fail_after(LISTING_SECONDS):
                return await anyio.to_thread.run_sync(
                    self._list, reference, endpoint, gone, abandon_on_cancel=True
                )
        except TimeoutError as error:
            host = urlsplit(endpoint).netloc
            raise Unreachable(host, "it takes too long to list the files", transient=False) from error
        finally:
            gone.set()

    def _list(self, reference: Reference, endpoint: str, gone: threading.Event) -> list[RemoteFile]:
        """List the files; a caller who has gone is noticed between two requests."""
        from huggingface_hub import HfApi, hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined, unused-ignore]

        token = self._token or _settings.token() or False
        with translated(reference, endpoint):
            api = HfApi(endpoint=endpoint, token=token, library_name="hostel")
            info = api.repo_info(
                reference.name, revision=reference.revision or MAIN, timeout=METADATA_TIMEOUT
            )
            commit = _matching(_COMMIT, info.sha, endpoint)
            if info.gated:
                _ask_for_access(api, reference.name)
            if gone.is_set():
                return []
            entries = api.list_repo_tree(reference.name, recursive=True, revision=commit)
            listed = _files(entries, endpoint)
            headers = build_hf_headers(token=token, library_name="hostel")
            return [
                RemoteFile(
                    path=path,
                    size=size,
                    sha256=sha256,
                    url=hf_hub_url(reference.name, path, revision=commit, endpoint=endpoint),
                    headers=headers,
                    git_oid=oid,
                    commit=commit,
                )
                for path, size, sha256, oid in listed
            ]


def _check(endpoint: str) -> None:
    try:
        origin_of(endpoint)
    except BadResponse as error:
        raise Unreachable(endpoint, f"HF_ENDPOINT: {error.problem}", transient=False) from error


def _ask_for_access(api: "HfApi", model: str) -> None:
    from huggingface_hub import errors

    try:
        api.auth_check(model)
    except errors.GatedRepoError:
        raise
    except errors.RepositoryNotFoundError:
        return  # a mirror that lists the model and does not know the question


@contextmanager
def translated(reference: Reference, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub and its HTTP client raise into errors of a pull."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined, unused-ignore]

    try:
        yield
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.HFValidationError) as error:
        raise _of_hub(error, reference, endpoint) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _of_client(error, endpoint) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadResponse(endpoint, "it does not speak as a hub does") from error


def _of_hub(error: Exception, reference: Reference, endpoint: str) -> PullError:
    from huggingface_hub import errors

    host = urlsplit(endpoint).netloc
    match error:
        case errors.GatedRepoError():
            return Gated(reference.name, page=f"{endpoint}/{reference.name}")
        case errors.RevisionNotFoundError():
            return RevisionNotFound(reference.name, reference.revision or MAIN)
        case errors.RepositoryNotFoundError():
            return RepoNotFound(reference.name)
        case errors.DisabledRepoError():
            return AccessDenied(reference.name)
        case errors.HfHubHTTPError():
            return _of_status(error.response.status_code, reference, host, endpoint)
        case errors.OfflineModeIsEnabled():
            return Unreachable(host, "HF_HUB_OFFLINE is set", transient=False)
        case _:
            return InvalidReference(str(reference), "the hub does not know such names")


def _of_client(error: Exception, endpoint: str) -> PullError:
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined, unused-ignore]

    host = urlsplit(endpoint).netloc
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return BadResponse(endpoint, f"it redirects to no address ({_plain(error)})")
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(host, "it does not answer in time")
    if isinstance(error, httpx.TransportError):
        return Unreachable(host, _plain(error))
    return BadResponse(endpoint, _plain(error))


def _of_status(status: int, reference: Reference, host: str, endpoint: str) -> PullError:
    if status in (401, 403):
        return AccessDenied(reference.name)
    if status == 404:
        return RepoNotFound(reference.name)
    if status == 429:
        return Unreachable(host, "it asks to be asked less often")
    if status >= 500:
        return Unreachable(host, f"it answers {status}")
    return BadResponse(endpoint, f"it answers {status}")


def _files(entries: Iterable[object], endpoint: str) -> list[tuple[str, int, str | None, str | None]]:
    from huggingface_hub.hf_api import RepoFile

    listed = []
    for count, entry in enumerate(entries):
        # folders are listed too: a listing that ends here would look like a smaller repository
        if count == MOST_FILES:
            raise BadResponse(endpoint, f"it lists more than {MOST_FILES} files and folders")
        if not isinstance(entry, RepoFile):
            continue
        size = entry.lfs.size if entry.lfs else entry.size
        if not isinstance(entry.path, str) or not isinstance(size, int) or size < 0:
            raise BadResponse(endpoint, f"it lists {entry.path!r} with {size!r} bytes")
        sha256 = _matching(_SHA256, entry.lfs.sha256, endpoint) if entry.lfs else None
        oid = None if sha256 else _matching(_COMMIT, entry.blob_id, endpoint)
        listed.append((entry.path, size, sha256, oid))
    return listed


def _matching(pattern: re.Pattern[str], value: str | None, endpoint: str) -> str:
    if value is None or not pattern.fullmatch(value):
        raise BadResponse(endpoint, f"{value!r} is not a checksum")
    return value


def _plain(error: Exception) -> str:
    text = str(error).partition("\n")[0].strip()
    return text or type(error).__name__
