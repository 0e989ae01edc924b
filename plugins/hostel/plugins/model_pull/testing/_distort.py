"""What a fault makes of an answer before any of it is sent; what happens while sending is in `_answering`."""

import attrs

from ._blob import Blob
from ._cdn import cdn_etag, denied
from ._fault import Fault
from ._reply import Reply, reply_bytes, reply_content, reply_error
from ._request import Origin, Request

PORTAL = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to this network.</body></html>"
)


def without_range(request: Request) -> Request:
    headers = {name: value for name, value in request.headers.items() if name != "range"}
    return attrs.evolve(request, headers=headers)


def stand_in(request: Request, fault: Fault) -> Reply | None:
    """Return what a fault answers instead of the origin; None if the origin is to answer."""
    if fault.status == 403 and request.origin is Origin.CDN:
        return denied()
    if fault.status is not None:
        return reply_error(fault.status, None, "This is a fault of the local hub")
    if fault.html:
        return reply_bytes(200, PORTAL, {"Content-Type": "text/html"})
    if fault.redirect_loop:
        return Reply(302, {"Location": request.target})
    return None


def distorted(request: Request, reply: Reply, fault: Fault) -> Reply:
    """Return the reply with other content, another range and other headers, as the fault wants."""
    if fault.changed is not None and reply.status in (200, 206, 416) and "Accept-Ranges" in reply.headers:
        reply = _changed(request, reply, fault.changed, keep_etag=fault.keep_etag)
    if fault.shift_range and reply.status == 206:
        reply = _shifted(reply, fault.shift_range)
    return attrs.evolve(reply, headers=_headers(reply, fault))


def _changed(request: Request, reply: Reply, content: Blob, *, keep_etag: bool) -> Reply:
    kept = {name: text for name, text in reply.headers.items() if name not in ("ETag", "Content-Range")}
    etag = reply.headers["ETag"] if keep_etag else cdn_etag(content)
    return reply_content(request, content, etag, kept)


def _shifted(reply: Reply, by: int) -> Reply:
    size = reply.content.size
    start, stop = (max(0, min(size, edge + by)) for edge in (reply.start, reply.stop))
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return attrs.evolve(reply, headers=headers, start=start, stop=stop)


def _headers(reply: Reply, fault: Fault) -> dict[str, str]:
    headers = {**reply.headers, "Content-Length": str(reply.length + fault.length_off_by)}
    if fault.chunked or fault.gzip:
        del headers["Content-Length"]
        headers["Transfer-Encoding"] = "chunked"
    if fault.gzip:
        headers["Content-Encoding"] = "gzip"
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.ratelimit_reset is not None:
        headers["ratelimit"] = f'"resolvers";r=0;t={fault.ratelimit_reset}'
        headers["ratelimit-policy"] = '"fixed window";"resolvers";q=3000;w=300'
    dropped = {name.lower() for name in fault.drop_headers}
    set_by_fault = {name.lower() for name in fault.set_headers}
    kept = {name: text for name, text in headers.items() if name.lower() not in dropped | set_by_fault}
    return {**kept, **fault.set_headers}
