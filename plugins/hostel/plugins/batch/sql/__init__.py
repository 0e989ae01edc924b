"""A store of batches on SQLAlchemy Core: SQLite in a file of its own, or PostgreSQL shared by many machines."""

from .store import SqlStorage

__all__ = ["SqlStorage"]
