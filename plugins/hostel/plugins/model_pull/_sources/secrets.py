"""What in a URL is a secret: user and password, and a query that lets whoever has it read.

Such parts are used and never kept: not on disk, not in a name, not in a log.
"""

import re
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_SECRET = re.compile(
    r"(^|[-_.])(sig|signature|token|jwt|hmac|sas|key|apikey|secret|passw(or)?d|auth|credentials?|policy)([-_.]|$)"
    r"|^(aws|google)access|^hdn",
    re.IGNORECASE,
)


def without_secret(url: str) -> str:
    """Return `url` without user and password, and without its query if one of its names is that of a secret.

    What is no http or https URL is returned as it is.
    """
    if not url.lower().startswith(("http://", "https://")):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    signed = any(_SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="" if signed else parts.query)
    return url if bare == parts else urlunsplit(bare)
