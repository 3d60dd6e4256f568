"""A module, to check the adapter with."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_ROWS = tf.TensorSpec([None, 4], tf.float32, name="rows")


class Linear(tf.Module):  # type: ignore[misc]
    """A product, and two functions of it."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.reshape(tf.range(12.0), (4, 3)))

    @tf.function(input_signature=[_ROWS])  # type: ignore[untyped-decorator]
    def __call__(self, rows: Any) -> Any:
        """Return the product."""
        return rows @ self.weights

    @tf.function(input_signature=[_ROWS])  # type: ignore[untyped-decorator]
    def explain(self, rows: Any) -> Any:
        """Return the product, and its sum for each row."""
        product = rows @ self.weights
        return {"product": product, "sum": tf.reduce_sum(product, 1)}
