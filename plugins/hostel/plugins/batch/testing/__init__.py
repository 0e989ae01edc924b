"""What tests of batches need: a model endpoint with faults, and a private PostgreSQL server."""

from ._postgres import PostgresServer, postgres_binaries
from ._upstream import Answer, Call, Upstream

__all__ = ["Answer", "Call", "PostgresServer", "Upstream", "postgres_binaries"]
