"""What a reply means for its request. Pure."""

from .._model.records import Request
from .._model.states import Completed, Failed, Failure, FailureKind, Pending, Processing
from .retry import RetryPolicy
from .sender import Reply

RETRIED_STATUSES = frozenset({408, 425, 429, 499})


def state_after(
    request: Request[Processing],
    reply: Reply | Failure,
    now: float,
    policy: RetryPolicy,
    chance: float,
    routed: str | None,
) -> Completed | Failed | Pending:
    """Decide the state after an attempt.

    :param routed: model that the request was sent to instead of its own, None if it was not
    """
    was = request.state
    if isinstance(reply, Reply) and 200 <= reply.status < 300:
        return Completed(
            reply.status, reply.body, was.claimed_at, was.started_at, now, reply.request_id, routed
        )
    failure = reply if isinstance(reply, Failure) else _failure_of(reply)
    if failure.retriable:
        # an answer may ask for more time; what broke without an answer cannot
        wait = reply.retry_after if isinstance(reply, Reply) else None
        start = policy.next_attempt(was.retry_attempt, now, was.batch_expires_at, wait, chance)
        if start is not None:
            return Pending(was.retry_attempt + 1, start, was.batch_expires_at)
    return Failed(failure, now, was.retry_attempt, was.batch_expires_at, routed)


def _failure_of(reply: Reply) -> Failure:
    again = reply.status >= 500 or reply.status in RETRIED_STATUSES
    kind = FailureKind.RETRIABLE_HTTP_STATUS if again else FailureKind.NON_RETRIABLE_HTTP_STATUS
    return Failure(kind, f"HTTP {reply.status}", reply.status, reply.body, reply.request_id)


def describe(reply: Reply | Failure) -> str:
    """Say in a few words what came back."""
    if isinstance(reply, Failure):
        return f"a request was not answered ({reply.message})"
    return f"a request was answered with HTTP {reply.status}"
