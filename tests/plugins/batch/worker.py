"""A daemon in a process of its own, to be killed."""

import sys
from functools import partial

import anyio

from hostel.plugins.batch import Daemon, HttpSender, RetryPolicy, SqlStorage


async def main(location: str, upstream: str) -> None:
    async with SqlStorage(location) as storage, HttpSender(upstream) as sender:
        daemon = Daemon(
            storage,
            sender,
            default_concurrency=40,
            retry=RetryPolicy(backoff=0.02, max_backoff=0.1),
            poll=0.1,
            heartbeat=0.2,
            stale_after=8,
        )
        await daemon.run()


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:3]), backend=sys.argv[3])
