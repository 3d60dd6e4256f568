"""Tensors as a kind of values: batched along an axis, sent as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tiffin.values import DenseKind


class TensorKind(DenseKind):
    """Dense tensors of numbers that have their values, on any device; in another process they are where it computes."""

    name = "tensorflow.Tensor"
    types = (type(tf.constant(0)),)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one tensor."""
        return tf.concat(values, axis)

    def to_bytes(self, value: Any) -> Any:
        """Return the elements, off the device."""
        return np.ascontiguousarray(value.numpy()).reshape(-1).view(np.uint8)

    def from_bytes(self, data: Any, dtype: str, shape: list[int]) -> Any:
        """Return the tensor."""
        kind = tf.as_dtype(dtype)
        return tf.constant(np.frombuffer(data.tobytes(), kind.as_numpy_dtype).reshape(shape), kind)

    def from_numpy(self, array: Any, spec: Mapping[str, Any]) -> Any:
        """Return a tensor of the spec's type."""
        name = spec.get("dtype")
        return tf.constant(array, tf.as_dtype(name) if name in self.sizes else None)
