"""pydantic-ai: an agent starts a task, answers what it asks, and hears of its end before the next request.

Install: pip install hostel pydantic-ai-slim. A FunctionModel stands in for yours and acts on what it reads.
"""

import re

import anyio
from pydantic_ai import Agent, ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.models.function import AgentInfo, FunctionModel

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


def scripted(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    last = messages[-1].parts[-1].content  # what the model is to react to
    print(f"--- the model reads\n{last}")
    if last == "Deploy the shop, in Europe.":
        return calls("start_background_task", kind="deploy", params={"service": "shop"})
    if asked := re.search(r'task="(\w+)"', last):
        return calls("answer_background_task", task=asked[1], answer="eu")
    if "shop runs in eu" in last:
        return ModelResponse([TextPart("The shop is deployed.")])
    return ModelResponse([TextPart("It goes on in the background.")])


def calls(tool: str, **arguments: object) -> ModelResponse:
    return ModelResponse([ToolCallPart(tool, arguments)])


async def main() -> None:
    async with Runtime([Deploying()]) as runtime, runtime.session("conversation") as session:

        async def with_news(messages: list[ModelMessage]) -> list[ModelMessage]:
            # Before each request; what it adds stays in the history, so it is told once.
            if news := await notices_for(session):
                messages.append(ModelRequest.user_text_prompt(news.text))
                await news.ack()
            return messages

        agent = Agent(
            FunctionModel(scripted), tools=tools_for(session), capabilities=[ProcessHistory(with_news)]
        )

        history: list[ModelMessage] = []

        async def turn(prompt: str) -> str:
            result = await agent.run(prompt, message_history=history)
            history[:] = result.all_messages()
            print(f"--- the model says\n{result.output}")
            # Yours waits for its user here; this waits until there is something to tell.
            live = [record.id for record in await session.list()]
            await session.wait_any(live, or_asking=True, timeout=10)
            return result.output

        # The model answers the question as soon as it is asked, in the first turn or in the second.
        said = [await turn(prompt) for prompt in ("Deploy the shop, in Europe.", "How is it?", "And now?")]
        assert said.count("The shop is deployed.") == 1


if __name__ == "__main__":
    anyio.run(main)
