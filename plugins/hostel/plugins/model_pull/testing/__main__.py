"""Run a local hub as a process: `python -m hostel.plugins.model_pull.testing`.

It prints one JSON line that says where it is and what it serves, then serves until stdin ends or SIGINT or
SIGTERM arrives, and exits 0.
"""

import argparse
import json
import signal
import sys

from ._fault import Fault
from ._gguf import sample_model
from ._hub import LocalHub
from ._request import Origin

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LocalHub() as hub:
            files = sample_model(size=options.size, shards=dict(options.shards or ()) or None)
            commit = hub.add_repo(options.repo, files)
            if options.bps:
                hub.fault(Fault(origin=Origin.CDN, bps=options.bps))
            card = {"endpoint": hub.endpoint, "repo": options.repo, "commit": commit, "files": sorted(files)}
            sys.stdout.write(json.dumps(card) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hostel.plugins.model_pull.testing", description=__doc__)
    parser.add_argument("--repo", default="hostel/tiny-chat", help="owner/name of the repository")
    parser.add_argument("--size", type=_bytes, default="24M", help="bytes of the Q8_0 files (K, M, G)")
    parser.add_argument("--shards", type=_shards, nargs="*", help="LABEL=COUNT, for example Q8_0=8")
    parser.add_argument("--bps", type=_bytes, help="bytes per second of one connection to the CDN")
    return parser


def _bytes(text: str) -> int:
    unit = UNITS.get(text[-1:].upper())
    return int(text) if unit is None else int(text[:-1]) * unit


def _shards(text: str) -> tuple[str, int]:
    label, _, count = text.partition("=")
    return label, int(count or 1)


if __name__ == "__main__":
    sys.exit(main())
