"""ValueKind: all that Tiffin has to know of one kind of values. Imports no package.

How many rows a value has, which values join, how they are joined and cut, how one crosses to another process, and what
its spec says: one class says all of it, for one class of values or for several that are alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any


class Unsendable(Exception):
    """What was reached has no typed form. The path to it grows as the exception rises.

    Args:
        type_name: what it is, for people.
        reason: why it has none, as a sentence; may be empty.
        path: where it is below the object that is being encoded: ".column" or "[3]".
    """

    def __init__(self, type_name: str, reason: str = "", path: str = "") -> None:
        super().__init__(type_name)
        self.type_name, self.reason, self.path = type_name, reason, path


class Inseparable(Exception):
    """Raised by `ValueKind.separate`: whose rows are whose cannot be told, so the calls have to run one by one."""


class ValueKind:
    """A kind of values. Override what its values can do; what is not overridden, they cannot.

    A kind whose values have rows overrides `count`, `key`, `join` and `cut`; one whose values cross to other processes,
    `send` and `receive`. All methods that get an axis raise `ValueError` for one that the value does not have.

    Attributes:
        name: what frames between processes call it; unique. Often the dotted name of the class.
        types: the classes whose values are of this kind: each a class, or a dotted name, public or private, which is
            compared with what is imported and never imported for that.
        subclasses: whether values of subclasses are of this kind too. What a subclass means by joining or sending its
            objects is not known, so that has to be asked for.
        table: whether methods group, sort or drop rows by what is in them. Where the answer to several calls, joined, has a
            wrong number of rows, the calls then run once more, one by one.
    """

    name: str
    types: Sequence[type | str]
    subclasses: bool = False
    table: bool = False

    def count(self, value: Any, axis: int) -> int | None:
        """Return how many rows the value has, or `None` if it is no batch of rows."""
        return None

    def key(self, value: Any, axis: int) -> Hashable:
        """Return what two values must have in common to be joined: dtype, shape without the axis, columns, device.

        Joining values of equal keys and cutting the result apart must give back equal values, each as if the others had
        not been there. What `join` pads is left out. `None` stands for a value that can be joined with no other.
        """
        return f"{type(value).__module__}.{type(value).__qualname__}"

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one value with the rows of two or more, in this order. Their keys are equal. May pad."""
        raise NotImplementedError  # never called: a kind that overrides half of a group is not registered

    def shares(self, value: Any) -> bool:
        """Return whether what `join` returns has parts in common with this value that a method could change in place.

        Calls that failed together are run again only if not: what a first run has changed must not run a second time. This
        default says that `join` copies.
        """
        return False

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows from `start` up to `stop`. May share memory with the value."""
        raise NotImplementedError  # never called: a kind that overrides half of a group is not registered

    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        """Return one part per count, all rows in order.

        The parts go to callers who do not know of each other, so no part may keep a much larger whole alive. This default
        cuts, and relies on `own`.
        """
        if len(counts) == 1:
            return [value]
        stops = list(accumulate(counts))
        return [
            self.own(self.cut(value, start, stop, axis)) for start, stop in zip([0, *stops[:-1]], stops, strict=True)
        ]

    def separate(self, result: Any, counts: Sequence[int], axis: int, brought: Sequence[Sequence[Any]]) -> list[Any]:
        """Return each caller's part of what a method returned for several calls, joined. This default is `split`.

        Override it where a result says more about its rows than their order, as the index of a frame does.

        Args:
            result: what the method returned; it has as many rows as all calls together.
            counts: how many rows each call brought.
            axis: where the rows lie.
            brought: for each batched argument, what each call brought.

        Raises:
            Inseparable: it cannot be told. The calls run once more, one by one, if the method may run twice.
        """
        return self.split(result, counts, axis)

    def own(self, part: Any) -> Any:
        """Return the part with memory of its own. This default returns it as it is; override where cuts are views."""
        return part

    def settle(self, result: Any) -> Any:
        """Return a method's result as its callers get it: off the gradient graph. This default returns it as it is."""
        return result

    def send(self, value: Any) -> Any:
        """Return the parts that cross to another process: plain values, arrays, and values of other kinds.

        Raises:
            Unsendable: this one has no such parts.
        """
        raise Unsendable(f"an object of type {type(value).__module__}.{type(value).__qualname__}")

    def receive(self, parts: Any) -> Any:
        """Return the value, made of what `send` wrote in another process.

        The package of the kind's classes is imported when this is called. Must check what it is given, and raise
        ValueError, TypeError or LookupError if it is not in order.
        """
        raise NotImplementedError  # never called: a kind that overrides half of a group is not registered

    def spec(self, value: Any, axis: int | None) -> Mapping[str, Any] | None:
        """Return the spec of a value, with the length along `axis` free.

        `None` leaves it to Tiffin, which looks for columns, a dtype and a shape.
        """
        return None

    def from_numpy(self, array: Any, spec: Mapping[str, Any]) -> Any:
        """Return a value of this kind with the content of a numpy array, as the spec says.

        Raises:
            LookupError: values of this kind cannot be made of arrays. That is this default.
        """
        raise LookupError(f"Values of the kind {self.name!r} cannot be made of arrays")
