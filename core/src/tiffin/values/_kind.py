"""Containers: how a kind of value is cut into rows and put together again.

A value that has a container is a batch of rows along one axis; any other value is not. Containers are found by the
exact class of a value, since what a subclass means by joining two of its objects is not known.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any


class BatchContainer(ABC):
    """What batching has to know of one class of values, arrays or frames for example.

    All of its methods get the axis along which the rows lie. Raise `ValueError` for an axis that a value does not have.
    """

    __module__ = "tiffin.values"  # pickles hold the public name, wherever the file is

    @abstractmethod
    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return how many rows the value has, or `None` if this one is no batch after all (an array without axes)."""

    @abstractmethod
    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return what two values must have in common to be joined: dtype, shape without the axis, columns and so on.

        Joining values of equal keys and cutting the result apart must give back equal values. `None` stands for a value
        that can be joined with no other.
        """

    @abstractmethod
    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return one value with the rows of two or more, in this order. Their keys are equal."""

    @abstractmethod
    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows from `start` up to `stop`. It may share memory with the value."""

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return one part per count, all rows in order.

        The parts go to callers who do not know of each other, so no part may keep a much larger whole alive. This
        default slices and relies on `detach`.
        """
        if len(counts) == 1:
            return [value]
        stops = list(accumulate(counts))
        starts = [0, *stops]
        return [
            self.detach(self.slice_rows(value, start, stop, axis)) for start, stop in zip(starts, stops, strict=False)
        ]

    def detach(self, part: Any) -> Any:
        """Return the part with memory of its own. This default returns it as it is; override where slices are views."""
        return part


class ContainerRegistry:
    """Containers by the class of the values they handle."""

    def __init__(self) -> None:
        self._by_class: dict[type, BatchContainer] = {}
        self._by_name: dict[str, dict[str, BatchContainer]] = {}

    def register(self, kind: type | str, container: BatchContainer) -> None:
        """Handle values of exactly this class with the container; the latest registration counts.

        Args:
            kind: A class, or its dotted public name ("polars.DataFrame"). A name is looked up among the modules that
                are imported already, and never imports one.
            container: How to handle the values.
        """
        if isinstance(kind, str):
            package = kind.partition(".")[0]
            self._by_name.setdefault(package, {})[kind] = container
            # The class may have been found under an older registration of the name.
            found = _resolve(kind)
            if found is not None:
                self._by_class[found] = container
        else:
            self._by_class[kind] = container

    def register_all(self, containers: Mapping[type | str, BatchContainer]) -> None:
        """Register every entry, as answered by a plugin's `batch_containers` hook."""
        for kind, container in containers.items():
            self.register(kind, container)

    def find(self, kind: type) -> BatchContainer | None:
        """Return the container for values of this class, or `None`."""
        container = self._by_class.get(kind)
        if container is None and self._by_name:
            named = self._by_name.get(kind.__module__.partition(".")[0])
            if named is not None:
                for name, candidate in named.items():
                    if _resolve(name) is kind:
                        self._by_class[kind] = container = candidate
                        break
        return container


def _resolve(name: str) -> type | None:
    module_name, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module_name), attribute, None)
    return found if isinstance(found, type) else None


registry = ContainerRegistry()
"""The containers that every runner of this process uses."""


def register_container(kind: type | str, container: BatchContainer) -> None:
    """Handle values of exactly this class, in every runner of this process, with the container.

    Args:
        kind: A class, or its dotted public name, which is never imported ("polars.DataFrame").
        container: How to count, join and cut its rows.
    """
    registry.register(kind, container)


def find_container(value: Any) -> BatchContainer | None:
    """Return the container for this value's class, or `None` if it is not a batch of rows."""
    return registry.find(type(value))
