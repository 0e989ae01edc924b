"""A model endpoint on loopback: speaks chat completions, notes its calls, misbehaves on demand."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

HEAD_BYTES = 64 * 1024


@attrs.define(eq=False)
class Call:
    """One request that arrived; `dropped` once its client hung up before the answer."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float
    dropped: bool = False

    @property
    def model(self) -> str:
        return str(self.body.get("model"))

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][-1]["content"])


@attrs.frozen
class Answer:
    """How to answer a call.

    :param body: text of the body; None for a completion that repeats the prompt
    :param hold: answer only once this is set
    :param hold_body: send the head and half of the body, the rest only once this is set
    :param cut: hang up instead of answering, or in the middle of the body
    """

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    hold: anyio.Event | None = None
    hold_body: anyio.Event | None = None
    cut: bool = False
    cut_body: bool = False


class Upstream:
    """A running endpoint; `script` decides each answer and may be replaced at any time."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.script: Callable[[Call], Answer] = lambda _: Answer()
        self.calls: list[Call] = []
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self._changed = anyio.Event()

    @classmethod
    @asynccontextmanager
    async def serve(cls, port: int = 0) -> "AsyncIterator[Upstream]":
        """Serve until the context ends."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port, backlog=1024)
        async with listener, anyio.create_task_group() as group:
            upstream = cls(listener.extra(anyio.abc.SocketAttribute.local_port))
            group.start_soon(listener.serve, upstream._converse)
            yield upstream
            group.cancel_scope.cancel()

    async def until(self, condition: Callable[["Upstream"], bool]) -> None:
        """Wait until a condition holds; it is looked at whenever a call comes or goes."""
        while not condition(self):
            await self._changed.wait()

    def sent(self, prompt: str) -> int:
        """Count the calls with a prompt."""
        return sum(call.prompt == prompt for call in self.calls)

    async def _converse(self, stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        try:
            async with stream:
                while await self._one_call(stream, reader):
                    pass
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead):
            return

    async def _one_call(self, stream: SocketStream, reader: BufferedByteReceiveStream) -> bool:
        head = (await reader.receive_until(b"\r\n\r\n", HEAD_BYTES)).decode()
        request, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.receive_exactly(int(headers.get("content-length", "0")))
        call = Call(len(self.calls), request.split(" ")[1], headers, json.loads(body or b"{}"), time.time())
        with self._counted(call):
            return await self._answer(stream, call, self.script(call))

    def _counted(self, call: Call) -> "_Counted":
        return _Counted(self, call)

    def notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _answer(self, stream: SocketStream, call: Call, answer: Answer) -> bool:
        if not await _held(stream, call, answer.hold) or answer.cut:
            return False
        body = (answer.body if answer.body is not None else _completion(call)).encode()
        headers = {"content-type": "application/json", "x-request-id": f"up-{call.number}"} | dict(
            answer.headers
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {answer.status} Status\r\n{lines}content-length: {len(body)}\r\n\r\n".encode()
        if answer.hold_body is None and not answer.cut_body:
            await stream.send(head + body)
            return True
        await stream.send(head + body[: len(body) // 2])
        if answer.cut_body or not await _held(stream, call, answer.hold_body):
            return False
        await stream.send(body[len(body) // 2 :])
        return True


class _Counted:
    def __init__(self, upstream: Upstream, call: Call) -> None:
        self._upstream, self._call = upstream, call

    def __enter__(self) -> None:
        upstream, model = self._upstream, self._call.model
        upstream.calls.append(self._call)
        upstream.in_flight[model] += 1
        upstream.most_in_flight[model] = max(upstream.most_in_flight[model], upstream.in_flight[model])
        upstream.notify()

    def __exit__(self, *_: object) -> None:
        self._upstream.in_flight[self._call.model] -= 1
        self._upstream.notify()


async def _held(stream: SocketStream, call: Call, hold: anyio.Event | None) -> bool:
    """Wait; tell whether the client is still there."""
    if hold is None:
        return True
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            try:
                await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                call.dropped = True
                group.cancel_scope.cancel()

        group.start_soon(watch)
        await hold.wait()
        group.cancel_scope.cancel()
    return not call.dropped


def _completion(call: Call) -> str:
    message = {"role": "assistant", "content": f"echo: {call.prompt}"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = {"id": f"chatcmpl-{call.number}", "object": "chat.completion", "created": int(call.at)}
    return json.dumps(answer | {"model": call.model, "choices": [choice], "usage": usage})
