"""The hub's own origin: the JSON API and the /resolve urls, as huggingface_hub uses them.

Large files answer 302 to the CDN, small ones 307 to a content url on this origin; the identity headers
(X-Repo-Commit, X-Linked-Etag, X-Linked-Size) are on the redirect itself. X-Error-Code and X-Error-Message
tell errors.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlencode

from ._access import INVALID_TOKEN, TOKENS, RefusedError, bearer, check_gate, check_repo, check_token
from ._cdn import Cdn, cdn_etag
from ._listing import CREATED, file_entry, folder_entry, model_info, refs, tree_entries
from ._reply import Json, Reply, reply_bytes, reply_content, reply_json
from ._repo import Commit, Repo, RepoFile
from ._request import Request

Parts: TypeAlias = Mapping[str, str]
Handler: TypeAlias = Callable[[Request, Parts], Reply]
REPO = r"(?P<id>[^/]+/[^/]+)"


class HubApi:
    """Answer the requests of the hub origin."""

    def __init__(self, cdn: Cdn, page_size: int) -> None:
        self.endpoint = ""
        self.repos: dict[str, Repo] = {}
        self._cdn = cdn
        self._page_size = page_size
        self._routes: list[tuple[str, str, Handler]] = [
            ("GET", r"/api/whoami-v2", self._whoami),
            ("GET", r"/api/models", self._search),
            ("GET", rf"/api/resolve-cache/models/{REPO}/(?P<rev>[^/]+)/(?P<path>.+)", self._content),
            ("GET", rf"/api/models/{REPO}/refs", self._refs),
            ("GET", rf"/api/models/{REPO}/auth-check", self._auth_check),
            ("GET", rf"/api/models/{REPO}/tree/(?P<rev>[^/]+)(/(?P<path>.+))?", self._tree),
            ("POST", rf"/api/models/{REPO}/paths-info/(?P<rev>[^/]+)", self._paths_info),
            ("GET", rf"/api/models/{REPO}(/revision/(?P<rev>[^/]+))?", self._info),
            ("GET", rf"/{REPO}/resolve/(?P<rev>[^/]+)/(?P<path>.+)", self._resolve),
        ]

    def answer(self, request: Request) -> Reply:
        try:
            check_token(request)
            handler, parts = self._route(request)
            return handler(request, parts)
        except RefusedError as refusal:
            return refusal.reply

    def _route(self, request: Request) -> tuple[Handler, Parts]:
        method = "GET" if request.method == "HEAD" else request.method
        path = request.raw_path.rstrip("/")
        for wanted, pattern, handler in self._routes:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                return handler, {name: unquote(text or "") for name, text in found.groupdict().items()}
        raise RefusedError(404, None, "Sorry, we can't find the page you are looking for.")

    def _repo(self, request: Request, parts: Parts) -> Repo:
        return check_repo(request, self.repos.get(parts["id"]))

    def _commit(self, repo: Repo, parts: Parts) -> Commit:
        revision = parts.get("rev") or "main"
        if commit := repo.find(revision):
            return commit
        raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def _file(self, request: Request, parts: Parts) -> tuple[Repo, Commit, RepoFile]:
        repo = self._repo(request, parts)
        check_gate(request, repo)
        commit = self._commit(repo, parts)
        if file := commit.files.get(parts["path"]):
            return repo, commit, file
        raise RefusedError(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit.sha})

    def _whoami(self, request: Request, _parts: Parts) -> Reply:
        token = bearer(request)
        if token is None:
            raise RefusedError(401, None, INVALID_TOKEN)
        name = "member" if token == TOKENS.member else "stranger"
        auth: dict[str, Json] = {
            "type": "access_token",
            "accessToken": {"displayName": name, "role": "read", "createdAt": CREATED},
        }
        return reply_json(
            {"type": "user", "id": name, "name": name, "fullname": name, "orgs": [], "auth": auth}
        )

    def _search(self, request: Request, _parts: Parts) -> Reply:
        wanted, limit = request.query.get("search", "").lower(), _number(request, "limit", 1000)
        seen = [repo for repo in self.repos.values() if not repo.private or bearer(request) == TOKENS.member]
        found = [(repo, repo.find("main")) for repo in seen if wanted in repo.id.lower()]
        rows: list[Json] = [model_info(repo, commit, blobs=False) for repo, commit in found if commit]
        return reply_json(rows[:limit])

    def _info(self, request: Request, parts: Parts) -> Reply:
        repo = self._repo(request, parts)
        blobs = request.query.get("blobs", "").lower() in ("true", "1")
        return reply_json(model_info(repo, self._commit(repo, parts), blobs=blobs))

    def _refs(self, request: Request, parts: Parts) -> Reply:
        return reply_json(refs(self._repo(request, parts)))

    def _auth_check(self, request: Request, parts: Parts) -> Reply:
        check_gate(request, self._repo(request, parts))
        return reply_json({})

    def _tree(self, request: Request, parts: Parts) -> Reply:
        commit = self._commit(self._repo(request, parts), parts)
        folder, query = parts["path"].strip("/"), request.query
        entries = tree_entries(commit, folder, recursive=query.get("recursive", "").lower() in ("true", "1"))
        if folder and not entries:
            raise RefusedError(
                404, "EntryNotFound", f"{folder} does not exist", {"X-Repo-Commit": commit.sha}
            )
        start = _number(request, "cursor", 0)
        size = min(self._page_size, _number(request, "limit", self._page_size))
        headers = {"X-Repo-Commit": commit.sha}
        if start + size < len(entries):
            after = urlencode({**query, "cursor": start + size})
            headers["Link"] = f'<{self.endpoint}{request.raw_path}?{after}>; rel="next"'
        return reply_json(entries[start : start + size], headers=headers)

    def _paths_info(self, request: Request, parts: Parts) -> Reply:
        commit = self._commit(self._repo(request, parts), parts)
        rows: list[Json] = []
        for path in _asked_paths(request):
            if file := commit.files.get(path):
                rows.append(file_entry(file))
            elif path and any(name.startswith(f"{path}/") for name in commit.files):
                rows.append(folder_entry(path))
        return reply_json(rows)

    def _resolve(self, request: Request, parts: Parts) -> Reply:
        repo, commit, file = self._file(request, parts)
        headers = _identity(commit, file)
        if file.lfs:
            location = self._cdn.publish(repo.id, file)
            return _redirect(
                302, location, {**headers, "ETag": cdn_etag(file.content), "Accept-Ranges": "bytes"}
            )
        path = f"/api/resolve-cache/models/{repo.id}/{commit.sha}/{quote(file.path)}"
        query = urlencode({request.raw_path: "", "etag": f'"{file.etag}"'})
        return _redirect(307, f"{path}?{query}", {**headers, "ETag": f'"{file.etag}"'})

    def _content(self, request: Request, parts: Parts) -> Reply:
        _, commit, file = self._file(request, parts)
        headers = {"X-Repo-Commit": commit.sha, "Content-Type": "text/plain; charset=utf-8"}
        return reply_content(request, file.content, f'"{file.etag}"', headers)


def _identity(commit: Commit, file: RepoFile) -> dict[str, str]:
    return {
        "X-Repo-Commit": commit.sha,
        "X-Linked-Size": str(file.content.size),
        "X-Linked-Etag": f'"{file.etag}"',
    }


def _redirect(status: int, location: str, headers: Mapping[str, str]) -> Reply:
    text = f"Redirecting to {location}".encode()
    return reply_bytes(status, text, {**headers, "Location": location, "Content-Type": "text/plain"})


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise RefusedError(400, None, f"{name} is not a number: {text}")
    return int(text)


def _asked_paths(request: Request) -> list[str]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        return parse_qs(request.body.decode("latin-1")).get("paths", [])
    try:
        paths = json.loads(request.body)["paths"]
    except (ValueError, KeyError, TypeError):
        raise RefusedError(400, None, "the body names no paths") from None
    return [paths] if isinstance(paths, str) else [str(path) for path in paths]
