"""The transfer engine: one remote file becomes one verified local file."""

from hostel.plugins.model_pull._fetch._budget import ConnectionBudget
from hostel.plugins.model_pull._fetch._fetch import discard_partial, fetch
from hostel.plugins.model_pull._fetch._limiter import Limiter, Loosest, Pace, loosest
from hostel.plugins.model_pull._fetch._part import free_bytes, partial_of
from hostel.plugins.model_pull._fetch._reply import size_of
from hostel.plugins.model_pull._fetch._report import Fetched, FetchPhase, FetchProgress, Partial
from hostel.plugins.model_pull._fetch._url import MAX_REDIRECTS, origin_of, redirected
from hostel.plugins.model_pull._fetch._verified import Verified

__all__ = [
    "ConnectionBudget",
    "Fetched",
    "FetchPhase",
    "FetchProgress",
    "Limiter",
    "Loosest",
    "MAX_REDIRECTS",
    "Pace",
    "Partial",
    "Verified",
    "discard_partial",
    "fetch",
    "free_bytes",
    "loosest",
    "origin_of",
    "partial_of",
    "redirected",
    "size_of",
]
