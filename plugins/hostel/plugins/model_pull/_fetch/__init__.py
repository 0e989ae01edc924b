"""The transfer engine: one remote file becomes one verified local file."""

from hostel.plugins.model_pull._fetch._budget import ConnectionBudget
from hostel.plugins.model_pull._fetch._fetch import discard_partial, fetch
from hostel.plugins.model_pull._fetch._limiter import Limiter, Loosest, Pace, loosest
from hostel.plugins.model_pull._fetch._part import free_bytes, partial_of
from hostel.plugins.model_pull._fetch._report import Fetched, FetchPhase, FetchProgress, Partial

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
    "free_bytes",
    "loosest",
    "partial_of",
]
