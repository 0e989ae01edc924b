"""What is kept of sessions, each for itself."""

import pytest

from hostel.sessions import EventType, TaskEvent, TaskFilter, TaskSpec

from .conftest import HostFactory
from .steering import take_until

NOISE = 500


async def until(host_events: object, task_id: str) -> list[TaskEvent]:
    return await take_until(host_events, lambda event: event.task_id == task_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("filter", [TaskFilter("quiet"), TaskFilter(kind="monitor"), TaskFilter()], ids=str)
async def test_a_noisy_session_never_costs_a_quiet_one_its_history(
    open_host: HostFactory, filter: TaskFilter
) -> None:
    async with open_host(retain_events=20, retain_terminal=5) as host:
        for number in range(5):
            await host.register("quiet", TaskSpec(id=f"q{number}", kind="monitor"))
            await host.complete(f"q{number}")
        for number in range(NOISE // 2):
            await host.register("noisy", TaskSpec(id=f"n{number}"))
            await host.complete(f"n{number}", session_id="noisy")
        await host.register("quiet", TaskSpec(id="last", kind="monitor"))

        told = await until(host.subscribe(filter, after=0), "last")

        quiet = [event.task_id for event in told if event.session_id == "quiet"]
        assert quiet == [f"q{number // 2}" for number in range(10)] + ["last"]
        missed = [event for event in told if event.type is EventType.MISSED]
        assert len(missed) == (1 if filter == TaskFilter() else 0)
        assert [record.id for record in await host.list_managed("quiet")] == [
            *(f"q{number}" for number in range(5)),
            "last",
        ]


async def test_missed_counts_what_the_subscriber_could_have_been_told(
    open_forgetful_host: HostFactory,
) -> None:
    async with open_forgetful_host(retain_events=10) as host:
        mine, others = host.subscribe(TaskFilter("mine")), host.subscribe(TaskFilter("others"))
        for number in range(30):
            await host.register("mine", TaskSpec(id=f"m{number}"))
            if number % 3 == 0:
                await host.register("others", TaskSpec(id=f"o{number}"))

        told, quiet = await until(mine, "m29"), await until(others, "o27")

        assert [event.count for event in told if event.type is EventType.MISSED] == [20]
        assert [event.task_id for event in told[1:]] == [f"m{number}" for number in range(20, 30)]
        assert [event.type for event in quiet] == [EventType.REGISTERED] * 10
