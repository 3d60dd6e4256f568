"""What surrounds a program's calls: the folder that it was in when it imported Tiffin, and the context of a method."""

from __future__ import annotations

import os
from contextvars import Context, ContextVar
from pathlib import Path


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # removed already
        return os.sep


FOLDER = _folder()
"""What relative entries of sys.path mean, whatever folder comes later."""

running_in: ContextVar[str] = ContextVar("tiffin_running_in", default="")
"""The identity of the runner whose method runs here; empty outside of methods."""


def absolute(entry: str) -> str:
    """Return an entry of sys.path or PYTHONPATH that no change of folder alters. The empty one is the folder itself."""
    return str(Path(FOLDER, entry)) if entry else FOLDER


def worker_context(runner: str) -> Context:
    """Return a new context for a worker: nothing of the thread that makes it is in there.

    Args:
        runner: the identity of the worker's runner.
    """
    context = Context()
    context.run(running_in.set, runner)
    return context
