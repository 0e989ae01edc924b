"""A method as a function that a framework can read: frameworks make the description of a tool from its name,
docstring, parameters and their types, each with its own means."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable

from ._mistakes import OF_MODELS
from ._text import shortened

Tool = Callable[..., Awaitable[str]]


def as_function(method: Tool, limit: int, more: str = "") -> Tool:
    """Return `method` as a plain function that answers with at most `limit` characters, also to mistakes;
    `more` is inserted into its docstring before the arguments.
    """

    async def tool(*args: object, **kwargs: object) -> str:
        try:
            answer = await method(*args, **kwargs)
        except OF_MODELS as error:
            answer = f"{str(error).removesuffix('.')}."
        return shortened(answer, limit)

    hints = typing.get_type_hints(method)
    signature = inspect.signature(method)
    named = [one.replace(annotation=hints[name]) for name, one in signature.parameters.items()]
    about, _, arguments = (inspect.getdoc(method) or "").partition("\n\nArgs:\n")
    vars(tool)["__signature__"] = signature.replace(parameters=named, return_annotation=str)
    tool.__annotations__ = hints
    tool.__name__ = tool.__qualname__ = method.__name__
    tool.__doc__ = "\n\n".join(part for part in (about, more, arguments and f"Args:\n{arguments}") if part)
    return tool
