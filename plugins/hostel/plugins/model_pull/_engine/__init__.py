"""The transfer engine: one remote file becomes one verified local file."""

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
