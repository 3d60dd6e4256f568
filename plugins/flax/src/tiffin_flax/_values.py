"""JAX's arrays as a kind of values: batched along an axis, sent as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from tiffin.values import DenseKind


class ArrayKind(DenseKind):
    """Arrays, on any device; in another process they are where it computes."""

    name = "jax.Array"
    types = (type(jnp.zeros(0)),)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one array."""
        return jnp.concatenate(values, axis)

    def to_bytes(self, value: Any) -> Any:
        """Return the elements, off the device."""
        return np.ascontiguousarray(value).reshape(-1).view(np.uint8)

    def from_bytes(self, data: Any, dtype: str, shape: list[int]) -> Any:
        """Return the array.

        Raises:
            ValueError: elements of 64 bits, where JAX has not been told to keep them.
        """
        made = jnp.asarray(np.frombuffer(data.tobytes(), jnp.dtype(dtype)).reshape(shape))
        if self.dtype_of(made) != dtype:
            raise ValueError(f"an array of {dtype}, which JAX makes only with JAX_ENABLE_X64=1")
        return made

    def from_numpy(self, array: Any, spec: Mapping[str, Any]) -> Any:
        """Return an array of the spec's type."""
        name = spec.get("dtype")
        return jnp.asarray(array, name if name in self.sizes else None)
