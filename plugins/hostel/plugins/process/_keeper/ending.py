"""Which signal comes next, and when: asking first, then insisting.

A command that is to end gets SIGINT, after the first grace SIGTERM, after the second SIGKILL, and SIGKILL
again until nothing is left. Those that a command leaves when it has ended have nothing to be interrupted in:
for them it begins at SIGTERM."""

from __future__ import annotations

import signal

AGAIN = 0.05
"""Seconds between one SIGKILL and the next: for those who were forked in between."""


class Ending:
    """The signals from `now` on; `at` is when the next is due. Times are seconds of one clock."""

    def __init__(self, now: float, interrupt_grace: float, terminate_grace: float) -> None:
        self.at = now
        self._steps = [(signal.SIGINT, interrupt_grace), (signal.SIGTERM, terminate_grace)]

    def due(self, now: float) -> signal.Signals | None:
        """Return the signal to send now, None if it is not time yet."""
        if now < self.at:
            return None
        step, grace = self._steps.pop(0) if self._steps else (signal.SIGKILL, AGAIN)
        self.at = now + grace
        return step

    def command_ended(self, now: float) -> None:
        """Go on to SIGTERM at once, for those that the command has left."""
        if self._steps and self._steps[0][0] is signal.SIGINT:
            del self._steps[0]
        if self._steps:
            self.at = now
