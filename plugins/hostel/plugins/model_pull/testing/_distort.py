"""What a fault makes of a reply before it is sent."""

import attrs

from ._cdn import denied
from ._fault import Fault
from ._reply import Reply, reply_error
from ._request import Origin, Request


def failure(request: Request, status: int) -> Reply:
    """Return the error the struck origin would give: XML from the CDN when forbidden, JSON otherwise."""
    if status == 403 and request.origin is Origin.CDN:
        return denied()
    return reply_error(status, None, "This is a fault of the local hub")


def edited(reply: Reply, fault: Fault) -> Reply:
    """Return the reply with the headers a fault sets."""
    headers = {**reply.headers, **fault.set_headers}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    return attrs.evolve(reply, headers=headers)
