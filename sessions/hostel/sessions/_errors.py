"""What can go wrong when one talks to a host, as facts with fields.

SessionsError
├── UnknownTask (LookupError)          no such task, in that session or at all
├── AmbiguousTaskId (LookupError)      several sessions have one: say which with `session_id=`
├── TaskAlreadyExists                  a live task of that id is in the session
├── IllegalTransition                  the state table forbids the move
├── InvalidProgress (ValueError)       done and total contradict each other
├── InvalidTaskId (ValueError)         an id that is empty, too long or no text
├── UnknownCursor (ValueError)         not where a page of this host ended
├── InvalidQuestion (ValueError)       a question that nobody could answer
├── AsksNothing                        the task has no open question
├── StaleQuestion                      it asks something else by now
├── WrongAnswer (ValueError)           the value does not answer the question
├── QuestionWithdrawn                  the task has to stop: nobody will answer
├── TakesNoMessages                    the host does not run the task, or it has ended
├── MailboxFull                        the task has not read what it was sent
├── TaskStillRuns                      the host runs the task: cancel it first
├── SessionClosing                     the session takes no new tasks while it closes
├── HostClosed                         the host is not open
├── TaskFailed, TaskCancelled          how a task ended, raised to whoever waits on its handle
└── JournalError                       the journal could not keep, or cannot read, what it was given
    ├── JournalTooNew                  written by a newer hostel
    ├── JournalCorrupt                 part of the file cannot be read
    ├── JournalInUse                   another host writes to it
    └── JournalConflict                somebody else has written to it all the same

HiddenTasksFailed is an ExceptionGroup: every failure of a session's hidden tasks, each noted with its label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .states import TaskState


NAMED = 5
"""How many sessions a message names at most."""


class SessionsError(Exception):
    """Base of what a host raises on purpose."""


class UnknownTask(SessionsError, LookupError):
    """No task of that id is known."""

    def __init__(self, task_id: str, session_id: str | None = None) -> None:
        where = f"in session {session_id!r}" if session_id is not None else "in any session"
        super().__init__(f"no task {task_id!r} {where}")
        self.task_id = task_id
        self.session_id = session_id


class AmbiguousTaskId(SessionsError, LookupError):
    """Several sessions have a task of that id; pass `session_id=` to say which."""

    def __init__(self, task_id: str, session_ids: Sequence[str]) -> None:
        named = ", ".join(session_ids[:NAMED])
        more = f" and {len(session_ids) - NAMED} more" if len(session_ids) > NAMED else ""
        super().__init__(f"task {task_id!r} is in several sessions ({named}{more}): say which")
        self.task_id = task_id
        self.session_ids = tuple(session_ids)


class TaskAlreadyExists(SessionsError):
    """The session already has a live task of that id."""

    def __init__(self, task_id: str, session_id: str) -> None:
        super().__init__(f"session {session_id!r} already has a live task {task_id!r}")
        self.task_id = task_id
        self.session_id = session_id


class IllegalTransition(SessionsError):
    """The state table forbids the move; the record is left as it was."""

    def __init__(self, task_id: str, was: TaskState, wanted: TaskState) -> None:
        super().__init__(f"task {task_id!r} is {was} and cannot become {wanted}")
        self.task_id = task_id
        self.was = was
        self.wanted = wanted


class InvalidProgress(SessionsError, ValueError):
    """Progress whose numbers contradict each other."""

    def __init__(self, done: float | None, total: float | None) -> None:
        super().__init__(f"progress of {done} out of {total} is impossible")
        self.done = done
        self.total = total


class InvalidTaskId(SessionsError, ValueError):
    """A task or session id that is empty, longer than `limit` characters or no Unicode text."""

    def __init__(self, given: str, limit: int) -> None:
        fits = 0 < len(given) <= limit
        problem = "and no lone surrogates" if fits else f"not {len(given)}"
        super().__init__(f"an id has 1 to {limit} characters, {problem}")
        self.given = given[:limit]
        self.limit = limit


class UnknownCursor(SessionsError, ValueError):
    """A page starts at the beginning or where an earlier page of the same host ended."""

    def __init__(self, given: str) -> None:
        super().__init__("the cursor is not one of this host: start at the first page")
        self.given = given


class InvalidQuestion(SessionsError, ValueError):
    """A question that nobody could answer: `problem` says what is wrong with it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the question cannot be asked: {problem}")
        self.problem = problem


class AsksNothing(SessionsError):
    """The task has no open question."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id!r} asks nothing")
        self.task_id = task_id


class StaleQuestion(SessionsError):
    """The task asks another question by now: read it before you answer."""

    def __init__(self, task_id: str, question_id: str) -> None:
        super().__init__(f"task {task_id!r} does not ask question {question_id!r} any more")
        self.task_id = task_id
        self.question_id = question_id


class WrongAnswer(SessionsError, ValueError):
    """The value does not answer the question; the task goes on asking."""

    def __init__(self, task_id: str, problem: str) -> None:
        super().__init__(f"that is no answer to task {task_id!r}: {problem}")
        self.task_id = task_id
        self.problem = problem


class QuestionWithdrawn(SessionsError):
    """The task has to stop, so nobody will answer; a body that lets this pass ends as it was asked to."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id!r} has to stop, its question is withdrawn")
        self.task_id = task_id


class TakesNoMessages(SessionsError):
    """The task has ended, or its body is not the host's to run."""

    def __init__(self, task_id: str, state: TaskState) -> None:
        super().__init__(f"task {task_id!r} takes no messages: it is {state} or somebody else runs it")
        self.task_id = task_id
        self.state = state


class MailboxFull(SessionsError):
    """The task has not read what it was sent; send again when it has."""

    def __init__(self, task_id: str, limit: int) -> None:
        super().__init__(f"the mailbox of task {task_id!r} is full: {limit} messages are not read")
        self.task_id = task_id
        self.limit = limit


class TaskStillRuns(SessionsError):
    """The host runs the task's body; cancel it before its record can be removed."""

    def __init__(self, task_id: str, session_id: str) -> None:
        super().__init__(f"task {task_id!r} of session {session_id!r} still runs: cancel it first")
        self.task_id = task_id
        self.session_id = session_id


class SessionClosing(SessionsError):
    """The session is being closed, or the block that opened it was left; it takes no new tasks."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id!r} is closing and takes no new tasks")
        self.session_id = session_id


class HostClosed(SessionsError):
    """The host is not open: use it inside its `async with` block."""

    def __init__(self) -> None:
        super().__init__("the host is not open: use it inside its `async with` block")


class JournalError(SessionsError):
    """The journal at `path` could not do its work."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"journal {path}: {problem}")
        self.path = path
        self.problem = problem


class JournalTooNew(JournalError):
    """The journal was written by a newer version; upgrade hostel to read it."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(path, f"has schema {found}, this version reads up to {known}: upgrade hostel")
        self.found = found
        self.known = known


class JournalCorrupt(JournalError):
    """Part of the journal cannot be read; it is left as it is, and `salvage_journal` saves the rest."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, f"{problem}; salvage_journal() makes a whole one of what is left")


class JournalInUse(JournalError):
    """Another host writes to the journal."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "is in use by another host")


class JournalConflict(JournalError):
    """A task is not as this host left it: somebody else has written to the journal, so this host must end."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "was changed by somebody else: close this host, it no longer owns its tasks")


class HiddenTasksFailed(ExceptionGroup[Exception]):
    """All failures of a session's hidden tasks; `labels` are theirs, in the same order.

    `lost` counts earlier ones, which nobody collected in time to have them kept."""

    session_id: str = ""
    labels: tuple[str, ...] = ()
    lost: int = 0

    @classmethod
    def of(
        cls, session_id: str, failures: Sequence[tuple[str, Exception]], lost: int = 0
    ) -> HiddenTasksFailed:
        """Return the group of `failures`, each a label and what its task raised."""
        errors = [error for _, error in failures]
        more = f", {lost} more before them" if lost else ""
        group = cls(f"hidden tasks of session {session_id!r} failed{more}", errors)
        group.session_id = session_id
        group.lost = lost
        group.labels = tuple(label for label, _ in failures)
        for label, error in failures:
            error.add_note(f"hidden task {label!r} of session {session_id!r}")
        return group

    def derive(self, excs: Sequence[Exception]) -> ExceptionGroup[Exception]:  # type: ignore[override]
        return ExceptionGroup(self.message, excs)
