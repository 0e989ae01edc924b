"""The transfer engine: one remote file becomes one verified local file.

Imports point down this list:

    fetch           the entry: lock, run in a thread, report, cancel
    transfer        the whole way of one file: attempts until it is complete and true
    attempt         one go at it: workers are started, watched and joined
    worker          a thread with one connection and one buffer
    transfer_state  what the workers of an attempt share
    part_file       the partial file and its sidecar on disk
    net             connections, answers and redirects
    ranges          which bytes are here, and who fetches which of the others
    hasher          the checksum that follows the bytes
    concurrency     how many connections to a host, and whose they are
    retry_budget    how long to wait before asking again, and when to stop
    rate_limiter    how fast bytes may be read
    lock            one writer per partial file, across processes
    report          what a transfer tells
"""

from .concurrency import ConnectionBudget
from .fetch import discard_partial, fetch
from .part_file import partial_of
from .rate_limiter import Limiter, Loosest, Pace, loosest
from .report import Fetched, FetchPhase, FetchProgress, Partial

__all__ = [
    "ConnectionBudget",
    "Fetched",
    "FetchPhase",
    "FetchProgress",
    "Limiter",
    "Loosest",
    "Pace",
    "Partial",
    "discard_partial",
    "fetch",
    "loosest",
    "partial_of",
]
