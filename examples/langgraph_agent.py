"""langgraph: an agent starts a task, answers what it asks, and hears of its end before the model is called.

Install: pip install hostel langgraph. A scripted chat model stands in for yours and acts on what it reads.
"""

import re
from typing import Any

import anyio
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from hostel.plugins.toolbox import notices_for, tools_for
from hostel.runtime import Runtime, Session, TaskKind, current_task, hookimpl


async def deploy(service: str) -> str:
    """Deploy a service."""
    region = await current_task().ask("Which region?", choices=["eu", "us"])
    return f"{service} runs in {region}"


class Deploying:
    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind("deploy", deploy, exposed=True)]


class Scripted(BaseChatModel):
    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: Any, **__: Any) -> "Scripted":
        return self  # yours tells the model of them

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        print(f"--- the model reads\n{messages[-1].text}")
        return ChatResult(generations=[ChatGeneration(message=answer_to(str(messages[-1].text)))])


def answer_to(last: str) -> AIMessage:
    if last == "Deploy the shop, in Europe.":
        return calls("start_background_task", kind="deploy", params={"service": "shop"})
    if asked := re.search(r'task="(\w+)"', last):
        return calls("answer_background_task", task=asked[1], answer="eu")
    return AIMessage(
        "The shop is deployed." if "shop runs in eu" in last else "It goes on in the background."
    )


def calls(tool: str, **arguments: object) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": f"call-{tool}"}])


def graph_for(session: Session) -> Any:
    tools = [
        StructuredTool.from_function(coroutine=tool, parse_docstring=True) for tool in tools_for(session)
    ]
    model = Scripted().bind_tools(tools)

    async def agent(state: MessagesState) -> dict[str, list[BaseMessage]]:
        news = await notices_for(session)
        told = [HumanMessage(news.text)] if news else []
        answer = await model.ainvoke([*state["messages"], *told])
        await news.ack()  # what a node returns is in the history
        return {"messages": [*told, answer]}

    graph = StateGraph(MessagesState).add_node(agent).add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent").add_conditional_edges("agent", tools_condition).add_edge("tools", "agent")
    return graph.compile(checkpointer=InMemorySaver())


async def main() -> None:
    async with Runtime([Deploying()]) as runtime, runtime.session("conversation") as session:
        graph = graph_for(session)

        async def turn(prompt: str) -> str:
            thread: Any = {"configurable": {"thread_id": session.id}}
            state = await graph.ainvoke({"messages": [HumanMessage(prompt)]}, thread)
            print(f"--- the model says\n{state['messages'][-1].text}")
            # Yours waits for its user here; this waits until there is something to tell.
            live = [record.id for record in await session.list()]
            await session.wait_any(live, or_asking=True, timeout=10)
            return str(state["messages"][-1].text)

        # The model answers the question as soon as it is asked, in the first turn or in the second.
        said = [await turn(prompt) for prompt in ("Deploy the shop, in Europe.", "How is it?", "And now?")]
        assert said.count("The shop is deployed.") == 1


if __name__ == "__main__":
    anyio.run(main)
