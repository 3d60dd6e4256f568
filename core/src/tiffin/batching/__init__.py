"""Adaptive batching: a pure state machine that merges calls."""

from __future__ import annotations

from tiffin.batching._chunks import Batch, Chunk, Sink, Waiter
from tiffin.batching._core import Core
from tiffin.batching._cost import Cost
from tiffin.batching._counters import Counters, Histogram
from tiffin.batching._explain import explain
from tiffin.batching._merging import BatchAxes, BatchDim, Layout, Prepared, prepare
from tiffin.batching._method import Method
from tiffin.batching._refusals import again
from tiffin.batching._workforce import Station
from tiffin.calls import Explanation
from tiffin.values import BatchContainer, ContainerRegistry, find_container, register_container

registry = ContainerRegistry()
"""Deprecated, as containers are: `tiffin.values.registry` holds the kinds of values."""

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
