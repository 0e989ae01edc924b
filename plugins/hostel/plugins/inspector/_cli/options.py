"""What several commands take, said once."""

from __future__ import annotations

from typing import Annotated

import typer

Task = Annotated[str, typer.Argument(help="A task as `hostel ps` lists it.", metavar="TASK")]
TaskIds = Annotated[list[str], typer.Argument(help="Tasks as `hostel ps` lists them.", metavar="TASK...")]
OfSession = Annotated[str | None, typer.Option(help="The session it is in, if several have one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
