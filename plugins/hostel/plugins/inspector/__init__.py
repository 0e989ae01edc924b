"""See and steer every session: the runtime over HTTP, as events, as a page and from the command line.

`Runtime(plugins=[Inspector()])` serves an embedding application's runtime; `hostel serve` runs one as a
process. This module itself is the plugin that brings the commands; it opens no port.
"""

from ._commands import register_commands
from ._errors import InspectorError, NotReached, PortInUse, Refused, WeakToken
from ._plugin import Inspector

__all__ = [
    "Inspector",
    "register_commands",
    # errors
    "InspectorError",
    "NotReached",
    "PortInUse",
    "Refused",
    "WeakToken",
]
