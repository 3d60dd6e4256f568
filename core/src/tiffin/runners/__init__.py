"""Runners: many callers use one model as if each had it alone."""

from __future__ import annotations

from tiffin.calls import (
    Backend,
    CallOptions,
    CallRequest,
    CallService,
    Deliver,
    Explained,
    MethodTraits,
    Outcome,
    Port,
    Worker,
    WorkerSpec,
)
from tiffin.runners._backends import register_backend
from tiffin.runners._handles import MethodHandle
from tiffin.runners._local import LocalBackend
from tiffin.runners._resources import ResourceStrategy, available_processors, share_processors
from tiffin.runners._runnable import Runnable, RunnableMethod
from tiffin.runners._runner import Runner
from tiffin.runners._stored import make_runnable
from tiffin.runners._unmerged import UnmergedHandle
from tiffin.sharing import AttachedMethod, AttachedRunner
from tiffin.workers import ProcessBackend

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
