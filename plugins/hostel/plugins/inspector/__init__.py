"""See and control every session: the runtime over HTTP, as events, as a page and from the command line.

`Runtime(plugins=[Inspector()])` serves an embedding application's runtime, `asgi(runtime)` is the same as an
application to mount in a server of one's own, `hostel serve` runs a runtime as a process. The commands are a
plugin of their own, which opens no port.

_cli/    `hostel serve`, `ps`, `show`, `watch`, `cancel`, `transfer`, `history`
_top/    `hostel top`
_shell/  `hostel start`, `run`, `logs`, `answer`, `send`, `wait`, `inbox`, `kinds`
_plugin  the plugin that serves a runtime while it runs
_asgi    the same as an application for a server of one's own
_server/ the API, its events, who may ask, the page, the HTTP server
_panels/ views that plugins add to the page
_resources/ what one asks of tasks: starting, output, answers, inboxes
_users   who asks, and what they may do
_lints   what looks wrong about a live task
_errors  what can go wrong
page/    the page: HTML, CSS and JavaScript
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.runtime import Runtime

    from ._asgi import MountedInspector
    from ._errors import InspectorError, InvalidHost, NotReached, PortInUse, Refused, TwoWaysIn, WeakToken
    from ._plugin import Inspector
    from ._users import Auth, Role, User

__getattr__ = lazily(
    __name__,
    {
        "_errors": (
            "InspectorError",
            "InvalidHost",
            "NotReached",
            "PortInUse",
            "Refused",
            "TwoWaysIn",
            "WeakToken",
        ),
        "_plugin": ("Inspector",),
        "_users": ("Auth", "Role", "User"),
    },
)


def asgi(
    runtime: Runtime,
    token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    auth: Auth | None = None,
    neighbours: bool = False,
) -> MountedInspector:
    """Return an ASGI application that serves `runtime`, to be mounted below any path of another server.

    Every request must carry `token`, also behind a login of that server's own; None makes one up, which is
    the application's `token`. With `auth` there is no token, and requests are of whom `auth` says. The server
    may go by the names of this machine and by `allowed_hosts`. With `neighbours` who may steer this runtime
    may steer all that the user of this process runs on this machine.

    :raises WeakToken: if `token` has fewer than 16 characters.
    :raises TwoWaysIn: if both `token` and `auth` are given.
    :raises InvalidHost: if one of `allowed_hosts` is neither a name nor an address.
    """
    from ._asgi import MountedInspector

    return MountedInspector(runtime, token, allowed_hosts, auth, neighbours=neighbours)


__all__ = [
    "Auth",
    "Inspector",
    "Role",
    "User",
    "asgi",
    # errors
    "InspectorError",
    "InvalidHost",
    "NotReached",
    "PortInUse",
    "Refused",
    "TwoWaysIn",
    "WeakToken",
]
