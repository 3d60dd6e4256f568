"""The back end `process`: worker processes, each with a copy of the runnable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiffin.workers._life_line import die_with_parent
    from tiffin.workers._worker_process import ProcessBackend

__all__ = ["ProcessBackend", "die_with_parent"]


def __getattr__(name: str) -> Any:
    # A worker process comes through here to its own module, and needs nothing of what its parent needs.
    if name == "ProcessBackend":
        from tiffin.workers._worker_process import ProcessBackend

        return ProcessBackend
    if name == "die_with_parent":
        from tiffin.workers._life_line import die_with_parent

        return die_with_parent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
