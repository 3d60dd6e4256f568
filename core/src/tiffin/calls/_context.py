"""The context in which a worker's methods run: the worker's own, never the caller's."""

from __future__ import annotations

from contextvars import Context, ContextVar

running_in: ContextVar[str] = ContextVar("tiffin_running_in", default="")
"""The identity of the runner whose method runs here; empty outside of methods."""


def worker_context(runner: str) -> Context:
    """Return a new context for a worker: nothing of the thread that makes it is in there.

    Args:
        runner: The identity of the worker's runner.
    """
    context = Context()
    context.run(running_in.set, runner)
    return context
