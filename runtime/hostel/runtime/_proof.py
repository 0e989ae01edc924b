"""How both sides of a connection show that they know a token without sending it.

A server makes a key of its token for each of its runs. A client that knows the token can make it, too; it
sends a nonce first and its requests only to who answers with the proof that belongs to it."""

from __future__ import annotations

import hashlib
import hmac


def run_key(token: str, run: str) -> str:
    """Return the key that stands for `token` during one run of a server."""
    return _hmac(token, f"hostel run {run}")


def proof(key: str, nonce: str) -> str:
    """Return what only a server that knows the key of its run can answer to `nonce`."""
    return _hmac(key, f"hostel proof {nonce}")


def _hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(errors="replace"), hashlib.sha256).hexdigest()
