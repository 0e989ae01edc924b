"""The hub: repositories behind two origins, with faults and a log of what was asked."""

from collections.abc import Callable, Mapping
from typing import Self

from ._access import TOKENS, Tokens
from ._api import HubApi
from ._blob import Blob
from ._cdn import Cdn
from ._distort import distorted, stand_in, without_range
from ._fault import ArmedFault, Fault, Faults
from ._log import Exchange, RequestLog
from ._reply import Reply
from ._repo import Repo
from ._request import Origin, Request
from ._server import Server

Files = Mapping[str, bytes | Blob]


class LocalHub:
    """Serve model repositories on loopback the way the Hugging Face Hub does, while its context lasts.

    :param url_ttl: seconds for which a signed url of the CDN is good.
    :param page_size: entries on one page of a tree listing.
    """

    def __init__(self, *, url_ttl: float = 3600.0, page_size: int = 1000) -> None:
        self.tokens: Tokens = TOKENS
        self._cdn = Cdn(url_ttl)
        self._api = HubApi(self._cdn, page_size)
        self._faults = Faults()
        self._log = RequestLog()
        self._server = Server(self._answer, self._log)

    def __enter__(self) -> Self:
        self._server.__enter__()
        self._api.endpoint = self._server.url(Origin.HUB)
        self._cdn.endpoint = self._server.url(Origin.CDN)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def endpoint(self) -> str:
        """Return the url of the hub origin, for HF_ENDPOINT; raises RuntimeError before the hub runs."""
        return self._server.url(Origin.HUB)

    @property
    def cdn_endpoint(self) -> str:
        """Return the url of the CDN origin; raises RuntimeError before the hub runs."""
        return self._server.url(Origin.CDN)

    def add_repo(
        self,
        repo_id: str,
        files: Files,
        *,
        revision: str = "main",
        private: bool = False,
        gated: bool = False,
        disabled: bool = False,
    ) -> str:
        """Create a repository and return the sha of its first commit, on the branch `revision`.

        Blobs and weight files (.gguf, .safetensors, .bin, ...) are LFS files, other bytes plain git files.

        :raises ValueError: if the id is not `owner/name` or is taken.
        """
        if repo_id.count("/") != 1 or repo_id in self._api.repos:
            raise ValueError(f"{repo_id!r} is taken, or not of the form owner/name")
        repo = Repo(repo_id, private=private, gated=gated, disabled=disabled)
        sha = repo.commit(files, revision)
        self._api.repos = {**self._api.repos, repo_id: repo}
        return sha

    def commit(
        self, repo_id: str, changes: Mapping[str, bytes | Blob | None], *, revision: str = "main"
    ) -> str:
        """Add or replace files (None removes one) on a branch, a new one starts from main; return the sha."""
        return self._api.repos[repo_id].commit(changes, revision)

    def overwrite(self, repo_id: str, path: str, content: bytes | Blob, *, revision: str = "main") -> None:
        """Put other content behind a file of an existing commit, which a hub must never do."""
        self._api.repos[repo_id].overwrite(path, content, revision)

    def tag(self, repo_id: str, name: str, *, revision: str = "main") -> None:
        """Tag a revision; raises LookupError if there is none of that name."""
        self._api.repos[repo_id].tag(name, revision)

    def expire_urls(self) -> None:
        """Let the CDN refuse (403) every url signed so far."""
        self._cdn.expire_urls()

    def fault(self, fault: Fault) -> ArmedFault:
        """Arm a fault; the answer counts its hits and disarms it."""
        return self._faults.arm(fault)

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._faults.clear()

    def release(self) -> int:
        """Let all stalled answers go on and return how many there were."""
        return self._server.stalls.release()

    def exchanges(
        self,
        *,
        path: str | None = None,
        origin: Origin | None = None,
        method: str | None = None,
        has_range: bool | None = None,
    ) -> list[Exchange]:
        """Return the requests seen and their answers, oldest first; `path` is a regular expression."""
        return self._log.exchanges(path=path, origin=origin, method=method, has_range=has_range)

    def bytes_sent(self, *, path: str | None = None, origin: Origin | None = None) -> int:
        """Return how many body bytes were sent for the paths that match."""
        return sum(one.sent for one in self.exchanges(path=path, origin=origin))

    def wait_until_sent(
        self, size: int, *, path: str | None = None, origin: Origin | None = None, timeout: float = 60.0
    ) -> bool:
        """Block until so many body bytes were sent for matching paths; False after `timeout` seconds."""
        return self.wait_for(lambda: self.bytes_sent(path=path, origin=origin) >= size, timeout=timeout)

    def wait_until_stalled(self, count: int = 1, *, timeout: float = 60.0) -> bool:
        """Block until so many answers are stalled; False after `timeout` seconds."""
        return self._server.stalls.wait_for(count, timeout)

    def wait_for(self, reached: Callable[[], bool], *, timeout: float = 60.0) -> bool:
        """Block until `reached`, tried at each change of the log, holds; False after `timeout` seconds."""
        return self._log.wait_for(reached, timeout)

    @property
    def peak_responses(self) -> int:
        """Return the largest number of answers that were under way at the same time."""
        return self._log.peak

    def clear_log(self) -> None:
        """Forget the exchanges seen so far."""
        self._log.clear()

    def _answer(self, request: Request) -> tuple[Reply, Fault]:
        fault = self._faults.striking(request)
        seen = without_range(request) if fault.no_range else request
        origin = self._api if request.origin is Origin.HUB else self._cdn
        reply = stand_in(request, fault) or origin.answer(seen)
        return distorted(seen, reply, fault), fault
