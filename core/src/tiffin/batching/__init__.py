"""Adaptive batching: a pure state machine that merges calls, and the containers it merges."""

from __future__ import annotations

from . import _arrays, _nested, _pandas  # noqa: F401 - each registers its containers
from ._chunks import Batch, Chunk, Sink, Waiter
from ._containers import BatchContainer, ContainerRegistry, find_container, register_container, registry
from ._core import Core
from ._cost import Cost
from ._counters import Counters, Histogram
from ._explain import Explanation, explain
from ._layout import BatchAxes, BatchDim, Layout, Prepared, prepare
from ._methods import Method
from ._refusals import again
from ._workforce import Station

__all__ = [
    "Batch",
    "BatchAxes",
    "BatchContainer",
    "BatchDim",
    "Chunk",
    "ContainerRegistry",
    "Core",
    "Cost",
    "Counters",
    "Explanation",
    "Histogram",
    "Layout",
    "Method",
    "Prepared",
    "Sink",
    "Station",
    "Waiter",
    "again",
    "explain",
    "find_container",
    "prepare",
    "register_container",
    "registry",
]
