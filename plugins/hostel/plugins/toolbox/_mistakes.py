"""What a model did wrong, in one sentence that says what to do instead. It is an answer, not an exception:
most frameworks end the run of an agent when a tool raises. What no model can mend is raised."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostel.runtime import InvalidParams, UnknownKind
from hostel.sessions import (
    AmbiguousTaskId,
    AsksNothing,
    InvalidTaskId,
    MailboxFull,
    SessionClosing,
    StaleQuestion,
    TakesNoMessages,
    UnknownTask,
    WrongAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mistake(Exception):
    """Its text is the answer."""


OF_MODELS = (Mistake, AmbiguousTaskId, InvalidParams, InvalidTaskId, SessionClosing, UnknownKind, UnknownTask)
"""What a tool answers with and does not raise."""


@contextmanager
def talking_with(name: str, how: str = "") -> Iterator[None]:
    """Turn what goes wrong while one talks with the task that is called `name` into mistakes; `how` says how
    it wants to be answered."""
    try:
        yield
    except (AsksNothing, StaleQuestion) as error:
        raise Mistake(
            f"{name} asks nothing: look at it with get_background_task before you answer."
        ) from error
    except WrongAnswer as error:
        raise Mistake(f"That does not answer {name}: {error.problem}. {how}".strip()) from error
    except TakesNoMessages as error:
        raise Mistake(f"{name} takes no messages: it is {error.state}, or somebody else runs it.") from error
    except MailboxFull as error:
        raise Mistake(
            f"{name} has not read the last {error.limit} messages; send this one again later."
        ) from error
    except (TypeError, ValueError) as error:
        raise Mistake(f"{name} cannot be told that: {error}.") from error
