"""See and steer every session: the runtime over HTTP, as events, as a page and from the command line.

`Runtime(plugins=[Inspector()])` serves an embedding application's runtime; `hostel serve` runs one as a
process. The commands are a plugin of their own, which opens no port.
"""

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from ._errors import InspectorError, NotReached, PortInUse, Refused, WeakToken
    from ._plugin import Inspector

__getattr__ = lazily(
    __name__,
    {
        "_errors": ("InspectorError", "NotReached", "PortInUse", "Refused", "WeakToken"),
        "_plugin": ("Inspector",),
    },
)

__all__ = [
    "Inspector",
    # errors
    "InspectorError",
    "NotReached",
    "PortInUse",
    "Refused",
    "WeakToken",
]
