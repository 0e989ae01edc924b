"""The transfer engine: one remote file becomes one verified local file."""

from .concurrency import ConnectionBudget
from .fetch import discard_partial, fetch
from .part_file import free_bytes, partial_of
from .rate_limiter import Limiter, Loosest, Pace, loosest
from .report import Fetched, FetchPhase, FetchProgress, Partial
from .verify import Verified

__all__ = [
    "ConnectionBudget",
    "Fetched",
    "FetchPhase",
    "FetchProgress",
    "Limiter",
    "Loosest",
    "Pace",
    "Partial",
    "Verified",
    "discard_partial",
    "fetch",
    "free_bytes",
    "loosest",
    "partial_of",
]
