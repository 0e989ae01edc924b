"""A coding agent's background shell: commands go on while the model thinks, are read, answered and ended.

Install: pip install hostel. A scripted model stands in for yours; it sees what yours would see."""

import sys

import anyio

from hostel.plugins.toolbox import notices_for, tools_for
from hostel.runtime import Runtime

SERVER = (
    "import sys; print('listening on 8080', flush=True); name = input(); print('hello', name, flush=True)"
)


async def main() -> None:
    # With data_dir="..." commands go on when this program dies, and its next start finds them again.
    async with Runtime() as runtime, runtime.session("conversation") as session:
        # Functions with docstrings: give them to your framework, or to your own loop as here.
        tools = {tool.__name__: tool for tool in tools_for(session, kinds=["process"])}

        async def call(tool: str, **arguments: object) -> str:
            answer = await tools[tool](**arguments)
            print(f">>> {tool} {arguments}\n{answer}\n")
            return answer

        command = {"argv": [sys.executable, "-c", SERVER], "stdin": True}
        started = await call("start_background_task", kind="process", params=command, label="web server")
        server = started.removeprefix("Started ").removesuffix(".")
        build = {"shell": "echo compiling; echo 'no such header' >&2; exit 2"}
        await call("start_background_task", kind="process", params=build, label="build")

        await call("message_background_task", task=server, message="agent")
        assert "exit_status" in await call("wait_for_background_tasks", tasks=[server])
        assert "hello agent" in await call("read_background_output", task=server)

        # Before its next turn the model is told what ended meanwhile, once. Here it was the build.
        await session.wait_all()
        news = await notices_for(session)
        print(news.text)
        assert "no such header" in news.text
        await news.ack()
        assert not await notices_for(session)


if __name__ == "__main__":
    anyio.run(main)
