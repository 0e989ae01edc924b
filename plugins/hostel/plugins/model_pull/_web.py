"""Origins, redirects and proxies: where a request may go and what it may carry; sizes as headers name them.

Pure but for `proxy_for`.
"""

import ipaddress
import re
import urllib.request
from urllib.parse import quote, urljoin, urlsplit

import attrs

from ._errors import BadResponse

MAX_REDIRECTS = 10
SIZE = r"[0-9]{1,18}"
_PORTS = {"http": 80, "https": 443}
_LEGAL = "%:/?#[]@!$&'()*+,;=~"


@attrs.frozen
class Origin:
    """Scheme, host and port: what a secret belongs to."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def origin_of(url: str) -> Origin:
    """Return the origin of an http or https url; raises BadResponse for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise BadResponse(url, f"it is no address ({error})") from error
    if parts.scheme not in _PORTS:
        raise BadResponse(url, "only http and https urls are followed")
    if not parts.hostname:
        raise BadResponse(url, "it has no host")
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def target_of(url: str) -> str:
    """Return what follows the host in a request line."""
    parts = urlsplit(url)
    return quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_LEGAL)


def redirected(url: str, location: str) -> str:
    """Return where `location`, sent by `url`, leads; raises BadResponse if it would give up encryption."""
    try:
        target = urljoin(url, quote(_raw_bytes(location), safe=_LEGAL))
    except ValueError as error:
        raise BadResponse(url, f"it redirects to no address ({error})") from error
    source, goal = origin_of(url), origin_of(target)
    if source.scheme == "https" and goal.scheme == "http" and not goal.loopback:
        raise BadResponse(url, f"it redirects from https to http ({goal})")
    return target


def proxy_for(url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for `url`."""
    origin = origin_of(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(origin.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def size_of(text: str) -> int | None:
    """Read a number of bytes; None if it is none, or more than any file has."""
    text = text.strip()
    return int(text) if re.fullmatch(SIZE, text) else None


def _raw_bytes(header: str) -> bytes:
    """Undo the latin-1 that HTTP headers are read with, so that a bare UTF-8 name survives."""
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()
