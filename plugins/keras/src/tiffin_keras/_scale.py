"""A layer that is not Keras' own, to check the adapter with."""

from __future__ import annotations

from typing import Any

import keras


class Scale(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies by a number.

    Args:
        factor: the number.
    """

    def __init__(self, factor: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.factor = factor

    def call(self, rows: Any) -> Any:
        """Return the product."""
        return rows * self.factor

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made with."""
        return {**super().get_config(), "factor": self.factor}
