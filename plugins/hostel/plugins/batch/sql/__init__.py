"""A store of batches on SQLAlchemy Core: SQLite in a file, or PostgreSQL for many machines."""

from .store import SqlStorage

__all__ = ["SqlStorage"]
