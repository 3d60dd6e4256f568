"""Runners: many callers use one model as if each had it alone."""

from __future__ import annotations

from ._backends import register_backend
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
from ._resources import ResourceStrategy, share_cores
from ._runnable import Runnable, RunnableMethod
from ._runner import Runner
from ._stored import make_runnable

__all__ = [
    "Backend",
    "CallOptions",
    "CallRequest",
    "CallService",
    "Deliver",
    "Explained",
    "LocalBackend",
    "MethodTraits",
    "Outcome",
    "Port",
    "ResourceStrategy",
    "Runnable",
    "RunnableMethod",
    "Runner",
    "Worker",
    "WorkerSpec",
    "make_runnable",
    "register_backend",
    "share_cores",
]
