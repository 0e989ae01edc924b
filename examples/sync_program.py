"""A synchronous program, whose main thread is its own: hostel runs on a loop in a thread beside it.

Install: pip install hostel.
"""

import sys
from collections.abc import Callable
from functools import partial, wraps

from anyio.from_thread import BlockingPortal, start_blocking_portal

from hostel.plugins.toolbox import Tool, notices_for, tools_for
from hostel.runtime import Runtime


def synchronous(portal: BlockingPortal, tool: Tool) -> Callable[..., str]:
    """Return a tool for a framework that calls its tools in a thread of its own."""

    @wraps(tool)  # name, docstring and signature stay
    def call(*args: object, **kwargs: object) -> str:
        return portal.call(partial(tool, *args, **kwargs))

    return call


def main() -> None:
    # Leaving the blocks ends everything, also on Ctrl-C: the loop's thread does not outlive them.
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Runtime()) as runtime,
        portal.wrap_async_context_manager(runtime.session("terminal")) as session,
    ):
        command = {"argv": [sys.executable, "-c", "print(6 * 7)"]}
        task = portal.call(session.start, "process", command)
        print("the program goes on while the command runs")
        result = portal.call(task.wait)
        print(result, portal.call(session.read_output, task.id).text)
        assert portal.call(session.read_output, task.id).text == "42\n"

        tools = [synchronous(portal, tool) for tool in tools_for(session)]
        listing = next(tool for tool in tools if tool.__name__ == "list_background_tasks")
        print(listing(include_ended=True))
        assert "completed" in listing(include_ended=True)

        news = portal.call(notices_for, session)
        assert "completed" in news.text
        portal.call(news.ack)


if __name__ == "__main__":
    main()
