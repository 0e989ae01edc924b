"""What admission decides, found out by looking at every task each time."""

from collections import Counter

import attrs

from hostel.sessions import Limits, Priority
from hostel.sessions._admission.admission import HEAD_START


@attrs.define(eq=False)
class Modelled:
    key: str
    session_id: str
    kind: str
    rank: tuple[float, int]
    parent: "Modelled | None"
    not_before: float = 0.0
    line: "list[Modelled] | None" = None


class Model:
    """The same decisions by looking at everything each time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.now = 0.0
        self.number = 0
        self.tasks: dict[str, Modelled] = {}

    def needs(self, task: Modelled) -> set[tuple[str, str]]:
        limits = self.limits
        needed = {("total", "")} if limits.total else set()
        needed |= {("session", task.session_id)} if limits.per_session else set()
        return needed | ({("kind", task.kind)} if task.kind in limits.per_kind else set())

    def size(self, limit: tuple[str, str]) -> int:
        sizes = {"total": self.limits.total, "session": self.limits.per_session}
        return sizes.get(limit[0]) or self.limits.per_kind[limit[1]]

    def held(self, line: list[Modelled]) -> set[tuple[str, str]]:
        return set().union(*(self.needs(task) for task in line))

    def used(self) -> Counter[tuple[str, str]]:
        lines = {id(task.line): task.line for task in self.tasks.values() if task.line}
        return Counter(limit for line in lines.values() for limit in self.held(line))

    def loan(self, task: Modelled) -> list[Modelled] | None:
        parent = task.parent
        return parent.line if parent and parent.line and parent.line[-1] is parent else None

    def stopping(self, task: Modelled) -> set[tuple[str, str]]:
        used, loan = self.used(), self.loan(task)
        needed = self.needs(task) - (self.held(loan) if loan else set())
        return {limit for limit in needed if used[limit] >= self.size(limit)}

    def waiting(self) -> list[Modelled]:
        waiting = [task for task in self.tasks.values() if task.line is None and task.not_before <= self.now]
        return sorted(waiting, key=lambda task: task.rank)

    def delayed(self) -> list[Modelled]:
        return [task for task in self.tasks.values() if task.line is None and task.not_before > self.now]

    def running(self) -> list[Modelled]:
        return [task for task in self.tasks.values() if task.line is not None]

    def offer(
        self, session_id: str, kind: str, priority: Priority, not_before: float, parent: str | None
    ) -> Modelled:
        self.number += 1
        rank = (max(self.now, not_before) + HEAD_START[priority], self.number)
        above = self.tasks.get(parent) if parent else None
        task = Modelled(str(self.number), session_id, kind, rank, above, not_before)
        self.tasks[task.key] = task
        return task

    def end(self, key: str) -> None:
        task = self.tasks.pop(key)
        if task.line is not None:
            task.line.remove(task)
        task.line = None

    def admit(self) -> list[str]:
        admitted = []
        while task := next((task for task in self.waiting() if not self.stopping(task)), None):
            loan = self.loan(task)
            task.line = loan if loan is not None else []
            task.line.append(task)
            admitted.append(task.key)
        return admitted
