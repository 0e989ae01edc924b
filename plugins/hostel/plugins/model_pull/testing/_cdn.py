"""The CDN: content by sha256 under signed, expiring urls.

Its ETag is 64 hex digits that look like the sha256 and are not, as at the real one: identity comes from
the hub only. A bad or expired signature is 403 with an XML body. It never looks at Authorization.
"""

import hashlib
import hmac
import secrets
import time
from urllib.parse import quote

from ._blob import Blob
from ._reply import Reply, reply_bytes, reply_content, reply_error
from ._repo import RepoFile
from ._request import Request

DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)


class Cdn:
    """Sign urls and serve what they name."""

    def __init__(self, url_ttl: float) -> None:
        self.endpoint = ""
        self._ttl = url_ttl
        self._key = secrets.token_bytes(16)
        self._files: dict[str, Blob] = {}

    def publish(self, repo_id: str, file: RepoFile) -> str:
        """Return a url that serves this file for the next `url_ttl` seconds."""
        path = f"/{repo_id}/{file.content.sha256}/{file.path}"
        self._files[path] = file.content
        expires = f"{time.time() + self._ttl:.3f}"
        return f"{self.endpoint}{quote(path)}?Expires={expires}&Signature={self._sign(path, expires)}"

    def expire_urls(self) -> None:
        """Let every url handed out so far be refused."""
        self._key = secrets.token_bytes(16)

    def answer(self, request: Request) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return reply_error(405, None, "Method not allowed")
        content = self._files.get(request.path)
        if content is None or not self._signed(request):
            return denied()
        return reply_content(request, content, cdn_etag(content), {"Content-Type": "binary/octet-stream"})

    def _signed(self, request: Request) -> bool:
        expires, signature = (request.query.get(name, "") for name in ("Expires", "Signature"))
        genuine = hmac.compare_digest(signature.encode(), self._sign(request.path, expires).encode())
        return genuine and float(expires) > time.time()

    def _sign(self, path: str, expires: str) -> str:
        return hmac.new(self._key, f"{path} {expires}".encode(), "sha256").hexdigest()


def cdn_etag(content: Blob) -> str:
    return '"' + hashlib.sha256(f"cdn {content.sha256}".encode()).hexdigest() + '"'


def denied() -> Reply:
    return reply_bytes(403, DENIED, {"Content-Type": "application/xml"})
