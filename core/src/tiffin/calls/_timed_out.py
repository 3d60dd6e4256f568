"""A call that took too long in a worker, which is given up for it: the same words for all back ends."""

from __future__ import annotations

import logging

from tiffin.exceptions import MethodTimeoutError

logger = logging.getLogger("tiffin.runners")


def timed_out(worker: str, method: str, timeout: float, runner: str) -> MethodTimeoutError:
    """Log that a method ran longer than it may, and return the error for its callers.

    Args:
        worker: the worker's name.
        method: the method.
        timeout: seconds that it had.
        runner: the runner's name.
    """
    logger.warning("worker %s: %r ran longer than %s s; the worker is given up", worker, method, timeout)
    return MethodTimeoutError(
        f"{method!r} ran longer than {timeout} s in the worker {worker}, which is given up",
        fix="Allow the method more time, or find out what it waits for",
        runner=runner,
        method=method,
        timeout=timeout,
    )
