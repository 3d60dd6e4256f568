"""Kinds of values: how each is batched, how it crosses to another process, and what its spec says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiffin.values._class_names import is_called, loaded_class
from tiffin.values._containers import (
    BatchContainer,
    ContainerRegistry,
    container_kind,
    find_container,
    register_container,
)
from tiffin.values._kind import Inseparable, Unsendable, ValueKind
from tiffin.values._kind_registry import KindRegistry, find_kind, from_numpy, make_ready, register_kind, registry

if TYPE_CHECKING:
    from tiffin.values._dense import DenseKind

__all__ = [
    "BatchContainer",
    "ContainerRegistry",
    "DenseKind",
    "Inseparable",
    "KindRegistry",
    "Unsendable",
    "ValueKind",
    "container_kind",
    "find_container",
    "find_kind",
    "from_numpy",
    "is_called",
    "loaded_class",
    "make_ready",
    "register_container",
    "register_kind",
    "registry",
]


def __getattr__(name: str) -> Any:
    # A worker process does without it until an adapter's kinds are asked for.
    if name == "DenseKind":
        from tiffin.values._dense import DenseKind

        return DenseKind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
