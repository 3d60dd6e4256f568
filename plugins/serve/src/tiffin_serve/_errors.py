"""Refusals: what a request gets that cannot be answered, and which status stands for which of a runner's errors."""

from __future__ import annotations

import logging
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import (
    BatchInputError,
    CallTimeoutError,
    LatencyLimitError,
    MethodTimeoutError,
    QueueFullError,
    RemoteError,
    RunnerClosedError,
    RunnerNotReadyError,
    TiffinError,
    WorkerDiedError,
)

logger = logging.getLogger("tiffin.serve")


class ServeError(TiffinError):
    """What was to be served cannot be."""


class RequestError(TiffinError):
    """A request is answered with an error. Attributes: `status`, the HTTP status, and `headers`, more of the answer's."""

    status: int
    headers: Mapping[str, str]

    def __init__(
        self, status: int, what: str, *, why: str = "", fix: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what, why=why, fix=fix, status=status, headers=headers or {})


_STATUSES: Mapping[type[TiffinError], int] = {
    BatchInputError: 422,
    QueueFullError: 503,
    LatencyLimitError: 503,
    RunnerNotReadyError: 503,
    RunnerClosedError: 503,
    WorkerDiedError: 503,
    CallTimeoutError: 504,
    MethodTimeoutError: 504,
}
"""Errors of runners whose cause the caller may know; all others are the server's own."""

_MISSING = re.compile(r"\(\) missing \d+ required (?:positional|keyword-only) arguments?: ([^\n]{1,200})$")
"""How Python says that a call lacks arguments. Which ones have no default, no spec says."""


def as_request_error(error: Exception) -> RequestError:
    """Return what a caller is told of an error. What is the server's own fault is logged, and told by a number only."""
    if isinstance(error, RequestError):
        return error
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            again = {"retry-after": str(max(1, math.ceil(getattr(error, "retry_after", 1.0))))} if status == 503 else {}
            return RequestError(status, error.what, why=error.why, headers=again)
    if missing := _MISSING.search(_told(error)):
        return RequestError(422, f"The inputs lack {missing[1]}", why="These arguments have no default")
    if is_about_values(error):
        return RequestError(422, f"The model does not take these values: {_told(error)}")
    number = uuid.uuid4().hex[:12]
    logger.error("Error %s: %s", number, error, exc_info=error)
    return RequestError(
        500, f"The request could not be answered (error {number})", why="The server's log says more under this number"
    )


def is_about_values(error: Exception) -> bool:
    """Tell whether a method says that a value is not right: it raised a ValueError, here or in a worker process."""
    if isinstance(error, RemoteError):
        return error.type_name.removeprefix("builtins.") == "ValueError"
    return isinstance(error, ValueError) and not isinstance(error, TiffinError)


def _told(error: Any) -> str:
    """Return the first line of what an error says, of a length that fits an answer."""
    text = str(getattr(error, "text", error)).strip().partition("\n")[0]
    return text if len(text) <= 300 else f"{text[:299]}…"
