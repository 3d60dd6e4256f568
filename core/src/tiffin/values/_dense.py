"""Dense arrays of frameworks other than numpy: all that is alike in them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import prod
from typing import Any, ClassVar

from tiffin.values._kind import Unsendable, ValueKind


class DenseKind(ValueKind):
    """Tensors that have a `shape`, a `dtype` and a `device`, and are cut as numpy's arrays are; they cross as bytes.

    A subclass says `name`, `types`, `join`, and how such a value becomes bytes and is made of them.

    Attributes:
        sizes: name of a type of elements → bytes of one; a closed list, so that no peer chooses a name.
    """

    sizes: ClassVar[Mapping[str, int]] = {
        "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
        "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1, "complex64": 8, "complex128": 16,
        "float8_e4m3fn": 1, "float8_e5m2": 1,
    }  # fmt: skip

    def dtype_of(self, value: Any) -> str:
        """Return the name of the type of elements."""
        return str(value.dtype.name)

    def to_bytes(self, value: Any) -> Any:
        """Return the elements as an array of bytes of numpy's, in C's order.

        Raises:
            Unsendable: there are no such bytes.
        """
        raise NotImplementedError  # a subclass says how

    def from_bytes(self, data: Any, dtype: str, shape: list[int]) -> Any:
        """Return the value of these elements; `data` is what `to_bytes` returns, and of the right length."""
        raise NotImplementedError  # a subclass says how

    def count(self, value: Any, axis: int) -> int | None:
        """Return the length of the axis; a number alone has no rows."""
        dimensions = len(value.shape)
        if not dimensions:
            return None
        if not -dimensions <= axis < dimensions:
            raise ValueError(f"a tensor of shape {tuple(value.shape)} has no axis {axis}")
        return int(value.shape[axis])

    def key(self, value: Any, axis: int) -> Hashable:
        """Return type, device, and shape without the axis."""
        shape = list(value.shape)
        del shape[axis]
        return self.dtype_of(value), str(value.device), len(value.shape), tuple(shape)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows."""
        return value[(slice(None),) * (axis % len(value.shape)) + (slice(start, stop),)]

    def send(self, value: Any) -> Any:
        """Return type, shape and bytes."""
        name = self.dtype_of(value)
        if name not in self.sizes:
            raise Unsendable(f"a tensor of type {name}")
        return [name, list(value.shape), self.to_bytes(value)]

    def receive(self, parts: Any) -> Any:
        """Return the value that came."""
        import numpy

        name, shape, data = parts
        if (
            name not in self.sizes
            or not all(type(length) is int and length >= 0 for length in shape)
            or type(data) is not numpy.ndarray
            or data.dtype != numpy.uint8
            or data.shape != (prod(shape) * self.sizes[name],)
        ):
            raise ValueError("parts that are no tensor")
        return self.from_bytes(data, name, shape)

    def spec(self, value: Any, axis: int | None) -> Mapping[str, Any]:
        """Return type and shape."""
        shape: list[int | None] = list(value.shape)
        if axis is not None and -len(shape) <= axis < len(shape):
            shape[axis] = None
        return {"type": "array", "dtype": self.dtype_of(value), "shape": shape}
