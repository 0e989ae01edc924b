"""A Hugging Face Hub on loopback, for tests, demos and benchmarks; standard library only.

    with LocalHub() as hub:
        sha = hub.add_repo("org/m", {"config.json": b"{}", "m-Q8_0.gguf": Blob(size=64 << 20, seed=1)})
        hub.fault(Fault(path=r"\\.gguf$", origin=Origin.CDN, reset_after=1 << 20, times=1))
        ...                                     # HF_ENDPOINT=hub.endpoint, or endpoint=hub.endpoint
        assert hub.bytes_sent(path=r"\\.gguf$") <= 66 << 20

Two origins as in the real one: the hub on 127.0.0.1 redirects large files to signed, expiring urls of a
CDN on another host name. `hub.tokens.member` reads private and gated repositories, `hub.tokens.stranger`
is a valid token that reads neither. It never offers xet, so huggingface_hub downloads over HTTP.
"""

from ._access import Tokens
from ._blob import MIB, Blob
from ._fault import ArmedFault, Ending, Fault
from ._gguf import gguf_blob, sample_model
from ._hub import LocalHub
from ._log import Exchange
from ._request import Origin, Request

__all__ = [
    "LocalHub",
    "Blob",
    "MIB",
    "Tokens",
    "Fault",
    "ArmedFault",
    "Ending",
    "Origin",
    "Exchange",
    "Request",
    "sample_model",
    "gguf_blob",
]
