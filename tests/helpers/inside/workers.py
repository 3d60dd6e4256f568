"""What is taken from inside `tiffin.workers`."""

from __future__ import annotations

from tiffin.workers import _worker_process
from tiffin.workers._worker_process import ProcessWorker

__all__ = ["WORKER_MAIN", "ProcessWorker", "_worker_process"]

WORKER_MAIN = "tiffin.workers._worker_main"
"""The program that a worker process runs."""
