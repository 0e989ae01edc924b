"""What tests of batches need.

_manual_worker  files and batches in a line each, and a worker that does what the test says
_upstream       a model endpoint that misbehaves on demand
_postgres       a private PostgreSQL server
"""

from ._manual_worker import ENDPOINT, Clock, ManualWorker, eventually, finished, template
from ._postgres import PostgresServer, postgres_binaries
from ._upstream import Answer, Call, Upstream

__all__ = [
    "ENDPOINT",
    "Answer",
    "Call",
    "Clock",
    "ManualWorker",
    "PostgresServer",
    "Upstream",
    "eventually",
    "finished",
    "postgres_binaries",
    "template",
]
