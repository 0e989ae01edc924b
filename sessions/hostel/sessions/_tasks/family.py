"""Parents and children among live tasks.

A child may be registered before its parent; until that comes it is an orphan, remembered by the parent's id.
The children of a task that has ended become those of its parent, so that a request to stop still reaches
them from further up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .entry import Entry


class Families:
    """The orphans of one host, and who joins whom. `find` returns the live task that a parent's id names for
    a child in a session, or None.
    """

    def __init__(self, find: Callable[[str, str], Entry | None]) -> None:
        self._find = find
        self._orphans: dict[str, set[Entry]] = {}

    def join(self, entry: Entry) -> None:
        """Find the parent of a new task, and its children among the orphans."""
        if entry.record.parent_task_id is not None:
            self.join_parent(entry)
        if self._orphans:
            for child in list(self._orphans.get(entry.record.id, ())):
                self._leave_orphans(child)
                self.join_parent(child)

    def join_parent(self, entry: Entry) -> None:
        """Find the parent of a task, or note that it is not there yet."""
        parent_id = entry.record.parent_task_id
        if parent_id is None or not entry.live:
            return
        parent = self._find(parent_id, entry.record.session_id)
        # a task that names its own descendant would make a circle, and a request to stop would run in it
        if parent is not None and entry not in _line_of(parent):
            _adopt(parent, entry)
        else:
            self._orphans.setdefault(parent_id, set()).add(entry)

    def leave(self, entry: Entry) -> None:
        """Take a task that has ended out of its family."""
        if entry.parent is not None or entry.children:
            _leave_family(entry)
        if self._orphans:
            self._leave_orphans(entry)

    def _leave_orphans(self, entry: Entry) -> None:
        parent_id = entry.record.parent_task_id
        orphans = self._orphans.get(parent_id) if parent_id is not None else None
        if parent_id is not None and orphans is not None:
            orphans.discard(entry)
            if not orphans:
                del self._orphans[parent_id]


def _line_of(entry: Entry) -> Iterator[Entry]:
    """Return a task and those it descends from."""
    above: Entry | None = entry
    while above is not None:
        yield above
        above = above.parent


def _adopt(parent: Entry, child: Entry) -> None:
    child.parent = parent
    parent.children = parent.children or set()
    parent.children.add(child)


def _leave_family(entry: Entry) -> None:
    """Take a task that has ended out of its family; its children become those of its parent, so that a
    request to stop still reaches them from further up.
    """
    parent, children = entry.parent, entry.children
    entry.parent = entry.children = None
    if parent is not None and parent.children is not None:
        parent.children.discard(entry)
    for child in children or ():
        child.parent = None
        if parent is not None:
            _adopt(parent, child)
