"""What is below `/v1`, as path items of OpenAPI: the calls alone, since their forms are OpenAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

CALLS = (
    ("post", "/files", "Upload a file with the lines of a batch"),
    ("get", "/files", "List files, the latest first"),
    ("get", "/files/{id}", "Show a file"),
    ("delete", "/files/{id}", "Delete a file"),
    ("get", "/files/{id}/content", "Read a file, line by line"),
    ("post", "/batches", "Start a batch from a file"),
    ("get", "/batches", "List batches, the latest first"),
    ("get", "/batches/{id}", "Show a batch"),
    ("post", "/batches/{id}/cancel", "Ask a batch to stop"),
)
BODIES = {"/files": "multipart/form-data", "/batches": "application/json"}
"""What is sent, by path; nothing is sent to the others."""
ANSWERS: JsonValue = {
    "200": {"description": "As OpenAI's API has it"},
    "default": {
        "description": "An error of the form that OpenAI's API has: `error` with `message`, `type` and `code`"
    },
}
ID: JsonValue = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def paths() -> dict[str, JsonValue]:
    """Return the description of each path."""
    found: dict[str, dict[str, JsonValue]] = {}
    for method, path, summary in CALLS:
        operation: dict[str, JsonValue] = {"summary": summary, "responses": ANSWERS}
        if "{id}" in path:
            operation["parameters"] = [ID]
        if method == "post" and path in BODIES:
            operation["requestBody"] = {"required": True, "content": {BODIES[path]: {}}}
        found.setdefault(path, {})[method] = operation
    return dict(found)
