"""Tools with which a model runs its session's background tasks: plain typed async functions, for any
framework that makes tools of functions. `tools_for(session)` returns them; docs/toolbox.md has the rest.

This is a library: it registers nothing, so it is no plugin to start.

_tools    the eight tools
_notices  what happened meanwhile, as one text for the model's next turn
_function methods as functions that a framework can read
_finding  the task that a model names
_mistakes what a model did wrong, in one sentence
_telling  tasks, questions and notices as text
_output   a part of a task's output as text
_params   what kinds of tasks and questions want, in words
_short_ids ids that a model can repeat
_text     text that is bounded, without control characters, and in quotes
"""

from ._function import Tool
from ._notices import News, notices_for
from ._tools import tools_for

__all__ = ["News", "Tool", "notices_for", "tools_for"]
