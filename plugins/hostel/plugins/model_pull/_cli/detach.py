"""`hostel pull --detach`: the models go into the queue of a runtime that serves, and the command ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import typer

from hostel.runtime import console
from hostel.runtime.paths import data_dir

from .._errors import PullError
from .._sources.reference import FOLDER
from .remote import remote_queues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._queue.download_request import DownloadRequest
    from .remote import RemoteQueue

NOBODY = "No runtime serves: start one with `hostel serve`, or leave out --detach."


def detach_all(requests: Sequence[DownloadRequest], *, as_json: bool) -> None:
    """Hand the models to the runtime that keeps this user's queue, else to the longest running; say what
    became of each, and exit with 0 or 1.
    """
    found = remote_queues(data_dir())
    for trouble in found.troubles:
        console.warn(trouble)
    if not found.queues:
        console.fail(NOBODY)
    queue, refused = found.queues[0], False
    for request in requests:
        try:
            name, place = queue.add(_placeless(request))
        except PullError as error:
            console.warn(error)
            refused = True
        else:
            say_queued(queue, name, place, as_json=as_json)
    if refused:
        raise typer.Exit(console.FAILED)


def say_queued(queue: RemoteQueue, name: str, place: int, *, as_json: bool) -> None:
    """Tell the user that a download waits or runs in a runtime; place 0 is that nothing is left to fetch."""
    if as_json:
        console.print_json({"type": "queued", "id": name, "position": place, "runtime": queue.url})
    elif place:
        sys.stdout.write(
            f"{name} has place {place} in {queue.where}; `hostel downloads` shows how far it is\n"
        )
    else:
        sys.stdout.write(f"{name} is here\n")


def _placeless(request: DownloadRequest) -> DownloadRequest:
    """Return a request that means the same in a process with another working directory."""
    if request.reference.scheme == FOLDER:
        request = attrs.evolve(request, repo_id=str(Path(request.reference.name).expanduser().absolute()))
    if request.cache_dir is not None:
        request = attrs.evolve(request, cache_dir=request.cache_dir.expanduser().absolute())
    return request
