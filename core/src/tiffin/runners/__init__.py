"""Runners: many callers use one model as if each had it alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiffin.calls import (
        Backend,
        CallAbout,
        CallOptions,
        CallRequest,
        CallService,
        ClientLimits,
        Deliver,
        Explained,
        MethodTraits,
        Outcome,
        Port,
        RanBatch,
        Worker,
        WorkerSpec,
        running_calls,
    )
    from tiffin.runners._backends import register_backend
    from tiffin.runners._handles import MethodHandle
    from tiffin.runners._local import LocalBackend
    from tiffin.runners._metrics_text import metrics_text
    from tiffin.runners._resources import (
        ResourceStrategy,
        available_processors,
        circumstances,
        device_for,
        given_threads,
        share_processors,
        share_resources,
    )
    from tiffin.runners._runnable import Runnable, RunnableMethod
    from tiffin.runners._runner import Runner
    from tiffin.runners._scaling import ScalingRule
    from tiffin.runners._stored import make_runnable
    from tiffin.runners._unmerged import UnmergedHandle
    from tiffin.sharing import AttachedMethod, AttachedRunner
    from tiffin.workers import ProcessBackend

__all__ = [
    "AttachedMethod",
    "AttachedRunner",
    "Backend",
    "CallAbout",
    "CallOptions",
    "CallRequest",
    "CallService",
    "ClientLimits",
    "Deliver",
    "Explained",
    "LocalBackend",
    "MethodHandle",
    "MethodTraits",
    "Outcome",
    "Port",
    "ProcessBackend",
    "RanBatch",
    "ResourceStrategy",
    "Runnable",
    "RunnableMethod",
    "Runner",
    "ScalingRule",
    "UnmergedHandle",
    "Worker",
    "WorkerSpec",
    "available_processors",
    "circumstances",
    "device_for",
    "given_threads",
    "make_runnable",
    "metrics_text",
    "register_backend",
    "running_calls",
    "share_processors",
    "share_resources",
]

_MODULES = {
    "AttachedMethod": "tiffin.sharing",
    "AttachedRunner": "tiffin.sharing",
    "Backend": "tiffin.calls",
    "CallAbout": "tiffin.calls",
    "CallOptions": "tiffin.calls",
    "CallRequest": "tiffin.calls",
    "CallService": "tiffin.calls",
    "ClientLimits": "tiffin.calls",
    "Deliver": "tiffin.calls",
    "Explained": "tiffin.calls",
    "LocalBackend": "tiffin.runners._local",
    "MethodHandle": "tiffin.runners._handles",
    "MethodTraits": "tiffin.calls",
    "Outcome": "tiffin.calls",
    "Port": "tiffin.calls",
    "ProcessBackend": "tiffin.workers",
    "RanBatch": "tiffin.calls",
    "ResourceStrategy": "tiffin.runners._resources",
    "Runnable": "tiffin.runners._runnable",
    "RunnableMethod": "tiffin.runners._runnable",
    "Runner": "tiffin.runners._runner",
    "ScalingRule": "tiffin.runners._scaling",
    "UnmergedHandle": "tiffin.runners._unmerged",
    "Worker": "tiffin.calls",
    "WorkerSpec": "tiffin.calls",
    "circumstances": "tiffin.runners._resources",
    "available_processors": "tiffin.runners._resources",
    "device_for": "tiffin.runners._resources",
    "given_threads": "tiffin.runners._resources",
    "make_runnable": "tiffin.runners._stored",
    "metrics_text": "tiffin.runners._metrics_text",
    "register_backend": "tiffin.runners._backends",
    "running_calls": "tiffin.calls",
    "share_processors": "tiffin.runners._resources",
    "share_resources": "tiffin.runners._resources",
}
"""Where each public name is: what a worker process makes its runnable of must not bring what its parent runs it with."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
