"""The model endpoint that an application's plugins send requests to."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

from ._errors import InvalidUpstream


def _check(_: object, __: attrs.Attribute[str], url: str) -> None:
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise InvalidUpstream("its port is 0")
    except ValueError as error:
        raise InvalidUpstream(str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidUpstream("it must look like https://host/v1")
    if "@" in parts.netloc:
        raise InvalidUpstream("a password in it would be shown; put the key into HOSTEL_UPSTREAM_KEY")
    if parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise InvalidUpstream("it must end with its path")


@attrs.frozen
class Upstream:
    """Where requests to models go; offer it to a runtime before it opens: `runtime.offer(Upstream(url))`.

    `url` is the base of the endpoint's paths, such as `https://host/v1`. `api_key` names its key, as
    `env:NAME` for the environment variable NAME, and is read whenever a request is sent; None if the
    endpoint needs no key. `concurrency` limits the requests in flight for each model.

    :raises InvalidUpstream: if `url` is not the address of an endpoint, or holds a password.
    """

    url: str = attrs.field(validator=_check)
    api_key: str | None = None
    concurrency: int = 10
