"""Bytes that are no request, and the status that says so."""

from __future__ import annotations


class Unfit(Exception):
    """What a peer has sent is refused with `status`, and nothing more is read from it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
