"""Kinds of values: how each is batched, and how it crosses to another process."""

from __future__ import annotations

from tiffin.values._kind import BatchContainer, ContainerRegistry, find_container, register_container, registry
from tiffin.values._sending import Unsendable, find_form, form_named

__all__ = [
    "BatchContainer",
    "ContainerRegistry",
    "Unsendable",
    "find_container",
    "find_form",
    "form_named",
    "register_container",
    "registry",
]
