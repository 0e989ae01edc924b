"""What tests of batches need: a model endpoint with faults, and a private PostgreSQL server."""

from ._desk import ENDPOINT, Clock, Desk, eventually, finished, template
from ._postgres import PostgresServer, postgres_binaries
from ._upstream import Answer, Call, Upstream

__all__ = [
    "ENDPOINT",
    "Answer",
    "Call",
    "Clock",
    "Desk",
    "PostgresServer",
    "Upstream",
    "eventually",
    "finished",
    "postgres_binaries",
    "template",
]
