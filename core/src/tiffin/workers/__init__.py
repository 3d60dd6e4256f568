"""The back end `process`: worker processes, each with a copy of the runnable."""

from __future__ import annotations

from tiffin.workers._worker_process import ProcessBackend

__all__ = ["ProcessBackend"]
