"""Keeping a host's events: the way into a journal, the SQLite file, its readers, its damage."""
