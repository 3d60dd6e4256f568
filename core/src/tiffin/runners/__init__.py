"""Runners: many callers use one model as if each had it alone."""

from __future__ import annotations

from ._attached import AttachedMethod, AttachedRunner
from ._backends import register_backend
from ._handles import MethodHandle
from ._interfaces import (
    Backend,
    CallOptions,
    CallRequest,
    CallService,
    Deliver,
    MethodTraits,
    Outcome,
    Port,
    Worker,
    WorkerSpec,
)
from ._local import LocalBackend
from ._ports import Explained
from ._resources import ResourceStrategy, available_processors, share_processors
from ._runnable import Runnable, RunnableMethod
from ._runner import Runner
from ._stored import make_runnable
from ._unmerged import UnmergedHandle
from ._worker_process import ProcessBackend

__all__ = [
    "AttachedMethod",
    "AttachedRunner",
    "Backend",
    "CallOptions",
    "CallRequest",
    "CallService",
    "Deliver",
    "Explained",
    "LocalBackend",
    "MethodHandle",
    "MethodTraits",
    "Outcome",
    "Port",
    "ProcessBackend",
    "ResourceStrategy",
    "Runnable",
    "RunnableMethod",
    "Runner",
    "UnmergedHandle",
    "Worker",
    "WorkerSpec",
    "available_processors",
    "make_runnable",
    "register_backend",
    "share_processors",
]
