"""The hook that batches bring: the manual of who sends their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hostel.runtime import hookspec

if TYPE_CHECKING:
    from ._daemon.sender import Sender


def _sender(chosen: object, upstream: str | None) -> Sender:  # noqa: ARG001
    if not callable(chosen):
        raise TypeError("a sender must be callable")
    return cast("Sender", chosen)


@hookspec(answer=_sender)
def choose_batch_sender(upstream: str | None) -> Sender | None:
    """Send the requests of batches in another way than over HTTP; return None to leave it to others.

    Called when the work on batches starts. What it returns is called with a `RequestData` for every attempt,
    up to the model's limit at a time, is cancelled when the request is, and answers with a `Reply` or a
    `Failure` (all three from `hostel.plugins.batch`); what it raises ends that attempt only.

    :param upstream: base URL that was asked for, None if there is none. Since 0.1.
    """
