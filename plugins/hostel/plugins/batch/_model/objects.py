"""Files and batches in OpenAI's words. Times are whole seconds; what is not known is null, not left out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .records import Batch, File, FileStatus, Problem, Purpose

JSONObject = dict[str, Any]


def file_object(file: File) -> JSONObject:
    """Write a file; an error file is one of results, as there."""
    purpose = Purpose.BATCH_OUTPUT if file.purpose is Purpose.BATCH_ERROR else file.purpose or Purpose.BATCH
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at),
        "expires_at": _seconds(file.expires_at),
        "filename": file.name,
        "purpose": purpose,
        "status": "error" if file.status is FileStatus.ERROR else "processed",
        "status_details": file.error_message,
    }


def batch_status(batch: Batch) -> str:
    """Name a batch's status; `failed` means that its input was not valid."""
    if batch.failed_at is not None:
        return "failed"
    if batch.cancelled_at is not None:
        return "cancelled"
    if batch.expired_at is not None:
        return "expired"
    if batch.completed_at is not None:
        return "completed"
    if batch.cancelling_at is not None:
        return "cancelling"
    return "in_progress" if batch.finalizing_at is None else "finalizing"


def batch_object(batch: Batch) -> JSONObject:
    """Write a batch; its files appear once it is finished and if they hold anything."""
    done = batch.is_finished
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": _errors(batch.errors),
        "input_file_id": batch.file_id,
        "completion_window": batch.completion_window,
        "status": batch_status(batch),
        "output_file_id": batch.output_file_id if done and batch.completed_requests else None,
        "error_file_id": batch.error_file_id if done and batch.failed_requests else None,
        "created_at": int(batch.created_at),
        "in_progress_at": _seconds(batch.requests_started_at),
        "expires_at": _seconds(batch.expires_at),
        "finalizing_at": _seconds(batch.finalizing_at),
        "completed_at": _seconds(batch.completed_at),
        "failed_at": _seconds(batch.failed_at),
        "expired_at": _seconds(batch.expired_at),
        "cancelling_at": _seconds(batch.cancelling_at),
        "cancelled_at": _seconds(batch.cancelled_at),
        "request_counts": {
            "total": batch.total_requests,
            "completed": batch.completed_requests,
            "failed": batch.failed_requests,
        },
        "usage": _usage(batch),
        "metadata": None if batch.metadata is None else dict(batch.metadata),
    }


def _errors(problems: Sequence[Problem]) -> JSONObject | None:
    if not problems:
        return None
    data = [
        {"code": each.code, "line": each.line, "message": each.message, "param": each.param}
        for each in problems
    ]
    return {"object": "list", "data": data}


def _usage(batch: Batch) -> JSONObject:
    usage = batch.usage
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _seconds(at: float | None) -> int | None:
    return None if at is None else math.floor(at)


def page_object(items: Sequence[Mapping[str, Any]], limit: int) -> JSONObject:
    """Write a page of a listing, from one item more than its limit."""
    shown = items[:limit]
    return {
        "object": "list",
        "data": list(shown),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }


def error_object(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> JSONObject:
    """Write why a call was refused."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
