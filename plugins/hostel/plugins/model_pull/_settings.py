"""The environment, read when it is asked for and nowhere else in this plugin.

huggingface_hub freezes HF_ENDPOINT, HF_HOME and HF_TOKEN_PATH when it is imported; a long-lived host
must not.
"""

import os
from pathlib import Path

DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE = {"1", "on", "yes", "true"}


def endpoint() -> str:
    """Return the origin of the hub, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def offline() -> bool:
    """Return whether the user has forbidden the hub to be asked."""
    return any(
        os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def hf_home() -> Path:
    """Return the folder where huggingface_hub keeps its token and caches."""
    home = os.environ.get("HF_HOME")
    return _path(home) if home else _path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"


def hub_cache() -> Path:
    """Return the cache of models that huggingface_hub reads by default."""
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return _path(cache) if cache else hf_home() / "hub"


def token() -> str | None:
    """Return the token of the user who is logged in, None if nobody is or it shall stay unused."""
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in _TRUE:
        return None
    from huggingface_hub import constants, get_token

    if "HF_TOKEN" in os.environ or Path(constants.HF_HOME) == hf_home():
        return get_token()
    return _token_file()


def _token_file() -> str | None:
    path = os.environ.get("HF_TOKEN_PATH")
    file = _path(path) if path else hf_home() / "token"
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _path(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()
