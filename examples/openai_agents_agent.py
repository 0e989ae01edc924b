"""openai-agents: an agent starts a task, answers what it asks, and hears of its end before its next turn.

Install: pip install hostel openai-agents. A scripted Model stands in for yours and acts on what it reads.
"""

import json
import re
from typing import Any

import anyio
from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from hostel.plugins.toolbox import notices_for, tools_for
from hostel.runtime import Runtime, TaskKind, current_task, hookimpl


async def deploy(service: str) -> str:
    """Deploy a service."""
    region = await current_task().ask("Which region?", choices=["eu", "us"])
    return f"{service} runs in {region}"


class Deploying:
    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind("deploy", deploy, exposed=True)]


class Scripted(Model):
    async def get_response(self, *_: Any, input: Any, **__: Any) -> Any:
        last = "\n".join(str(item.get("content") or item.get("output")) for item in input[-2:])
        print(f"--- the model reads\n{last}")
        if "Deploy the shop" in last and "Started" not in last:
            return calls("start_background_task", kind="deploy", params={"service": "shop"})
        if "has its answer" not in last and (asked := re.search(r'task="(\w+)"', last)):
            return calls("answer_background_task", task=asked[1], answer="eu")
        return says("The shop is deployed." if "shop runs in eu" in last else "It goes on in the background.")

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError  # Runner.run, used below, does not stream


def calls(tool: str, **arguments: object) -> ModelResponse:
    text = json.dumps(arguments)
    call = ResponseFunctionToolCall(arguments=text, call_id=f"call-{tool}", name=tool, type="function_call")
    return ModelResponse([call], Usage(), None)


def says(text: str) -> ModelResponse:
    content = [ResponseOutputText(text=text, type="output_text", annotations=[])]
    message = ResponseOutputMessage(
        id="said", content=content, role="assistant", status="completed", type="message"
    )
    return ModelResponse([message], Usage(), None)


async def main() -> None:
    set_tracing_disabled(True)  # it would be sent to OpenAI
    async with Runtime([Deploying()]) as runtime, runtime.session("conversation") as session:
        # Params depend on the kind of task, which strict mode cannot express.
        tools = [function_tool(tool, strict_mode=False) for tool in tools_for(session)]
        agent = Agent("deployer", tools=tools, model=Scripted())

        history: list[Any] = []

        async def turn(prompt: str) -> str:
            news = await notices_for(session)
            told = [{"role": "user", "content": news.text}] if news else []
            result = await Runner.run(agent, [*history, {"role": "user", "content": prompt}, *told])
            history[:] = result.to_input_list()
            await news.ack()
            print(f"--- the model says\n{result.final_output}")
            # Yours waits for its user here; this waits until there is something to tell.
            live = [record.id for record in await session.list()]
            await session.wait_any(live, or_asking=True, timeout=10)
            return str(result.final_output)

        await turn("Deploy the shop, in Europe.")
        await turn("How is it?")  # the model learns of the question, and answers it
        assert await turn("And now?") == "The shop is deployed."


if __name__ == "__main__":
    anyio.run(main)
