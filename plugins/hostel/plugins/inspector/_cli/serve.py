"""`hostel serve`: a runtime as a process."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import anyio

from hostel.runtime import Runtime, console
from hostel.runtime.paths import data_dir as default_data_dir

from .._plugin import Inspector
from .._server.host_names import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve_until_stopped(
    host: str,
    port: int,
    allowed_hosts: list[str],
    data_dir: Path | None,
    upstream: str | None,
    concurrency: int,
) -> None:
    """Serve until SIGINT (exit code 130) or SIGTERM (0)."""
    with console.one_sentence():
        inspector = Inspector(host, port, os.environ.get("HOSTEL_TOKEN") or None, allowed_hosts)
    runtime = Runtime(plugins=[inspector], data_dir=data_dir or default_data_dir())
    if upstream is not None:
        runtime.offer(console.upstream(upstream, concurrency))
    if not is_loopback(host):
        console.warn(f"{host} can be reached from other machines: whoever has the token steers your tasks")

    async def run() -> int:
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async with runtime:
                _say(inspector)
                return await anext(signals)

    if console.run(run) == signal.SIGINT:
        raise KeyboardInterrupt


def _say(inspector: Inspector) -> None:
    sys.stdout.write(f"serving at {inspector.url}\n")
    if os.environ.get("HOSTEL_TOKEN"):
        sys.stdout.write("open it in a browser and enter the token of HOSTEL_TOKEN\n")
    elif sys.stdout.isatty():
        sys.stdout.write(f"open       {inspector.page_url}\n")
    else:
        sys.stdout.write(f"the token is in {inspector.card}\n")
    sys.stdout.write("Ctrl-C stops it; `hostel ps` lists its tasks, `hostel watch` follows them\n")
    sys.stdout.flush()
