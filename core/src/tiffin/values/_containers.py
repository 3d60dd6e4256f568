"""Containers: what kinds of values were called before. Kept for one release, as wrappers around kinds; they warn."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from tiffin.values._kind import ValueKind
from tiffin.values._kind_registry import find_class, register_kind

_INSTEAD = "containers go with the next release; write a tiffin.values.ValueKind, which says how values cross too"


class BatchContainer(ABC):
    """What batching has to know of one class of values. Deprecated: write a `ValueKind`."""

    __module__ = "tiffin.values"  # pickles hold the public name, wherever the file is

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ != __name__:
            warnings.warn(f"{cls.__name__} is a BatchContainer: {_INSTEAD}", DeprecationWarning, stacklevel=2)

    @abstractmethod
    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return how many rows the value has, or `None` if this one is no batch after all. As `ValueKind.count`."""

    @abstractmethod
    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return what two values must have in common to be joined. As `ValueKind.key`."""

    @abstractmethod
    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return one value with the rows of two or more, in this order. As `ValueKind.join`."""

    @abstractmethod
    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows from `start` up to `stop`. As `ValueKind.cut`."""

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return one part per count, all rows in order. As `ValueKind.split`."""
        return ValueKind.split(_ContainerKind("", self), value, counts, axis)

    def detach(self, part: Any) -> Any:
        """Return the part with memory of its own. As `ValueKind.own`."""
        return part


class _ContainerKind(ValueKind):
    """A container as a kind. How values cross it does not say: that is for the kind that it stands before, if any."""

    def __init__(self, claim: type | str, container: BatchContainer) -> None:
        dotted = claim if isinstance(claim, str) else f"{claim.__module__}.{claim.__qualname__}"
        self.name, self.types, self.container = f"container of {dotted}", (claim,), container

    def count(self, value: Any, axis: int) -> int | None:
        """Ask the container."""
        return self.container.count_rows(value, axis)

    def key(self, value: Any, axis: int) -> Hashable:
        """Ask the container."""
        return self.container.compatibility_key(value, axis)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Ask the container."""
        return self.container.concatenate(values, axis)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Ask the container."""
        return self.container.slice_rows(value, start, stop, axis)

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Ask the container."""
        return self.container.split(value, counts, axis)

    def own(self, part: Any) -> Any:
        """Ask the container."""
        return self.container.detach(part)


class _KindContainer(BatchContainer):
    """A kind as a container, for whoever asks for one."""

    def __init__(self, kind: ValueKind) -> None:
        self.kind = kind

    def count_rows(self, value: Any, axis: int) -> int | None:
        """Ask the kind."""
        return self.kind.count(value, axis)

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Ask the kind."""
        return self.kind.key(value, axis)

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Ask the kind."""
        return self.kind.join(values, axis)

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Ask the kind."""
        return self.kind.cut(value, start, stop, axis)

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Ask the kind."""
        return self.kind.split(value, counts, axis)

    def detach(self, part: Any) -> Any:
        """Ask the kind."""
        return self.kind.own(part)


def container_kind(claim: type | str, container: BatchContainer) -> ValueKind:
    """Return the kind that does what the container says."""
    return _ContainerKind(claim, container)


def register_container(kind: type | str, container: BatchContainer) -> None:
    """Handle values of exactly this class with the container. Deprecated: `register_kind`.

    Args:
        kind: a class, or its dotted public name, which is never imported ("polars.DataFrame").
        container: how to count, join and cut its rows.
    """
    warnings.warn(f"register_container: {_INSTEAD}", DeprecationWarning, stacklevel=2)
    register_kind(_ContainerKind(kind, container))


def find_container(value: Any) -> BatchContainer | None:
    """Return the container for this value's class, or `None`. Deprecated: `find_kind`."""
    warnings.warn(f"find_container: {_INSTEAD}", DeprecationWarning, stacklevel=2)
    return _container_for(type(value))


def _container_for(cls: type) -> BatchContainer | None:
    kind = find_class(cls)
    if isinstance(kind, _ContainerKind):
        return kind.container
    return None if kind is None or type(kind).count is ValueKind.count else _KindContainer(kind)


class ContainerRegistry:
    """What held containers. Deprecated: all of it goes to the one registry of kinds."""

    def register(self, kind: type | str, container: BatchContainer) -> None:
        """As `register_container`."""
        register_container(kind, container)

    def register_all(self, containers: Mapping[type | str, BatchContainer]) -> None:
        """Register every entry."""
        for kind, container in containers.items():
            register_container(kind, container)

    def find(self, kind: type) -> BatchContainer | None:
        """As `find_container`, by class."""
        return _container_for(kind)
