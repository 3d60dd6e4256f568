"""A model as runners call it: on its device, one call after the other."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from tiffin_torch.running import device_for, dtype_of, out_of_memory


class Running:
    """A model, whose `encode` or `predict` takes one text or pair, or a list of them.

    Args:
        model: the model; moved where a device is given.
        options: the adapter's.
        device: "nvidia.com/gpu" or "cpu"; `None` at save: then it stays where it is.
    """

    def __init__(self, model: Any, options: Mapping[str, Any], device: str | None) -> None:
        self._model = model
        self._lock = threading.Lock()  # fast tokenizers refuse two calls at once
        if device is not None:
            place = device_for(device, options)
            with out_of_memory(place):
                model.to(device=place, dtype=dtype_of(options))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_model"], name)

    def encode(self, texts: Any, **options: Any) -> Any:
        """Return embeddings as an array, shape (texts, dimensions), or (dimensions,) of one text.

        Args:
            texts: a text, or a list of texts.
            options: as the library's own takes them, such as normalize_embeddings.
        """
        return self._call("encode", texts, options)

    def predict(self, pairs: Any, **options: Any) -> Any:
        """Return how near the two texts of each pair are, as an array, shape (pairs,).

        Args:
            pairs: a list of pairs of texts.
            options: as the library's own takes them.
        """
        return self._call("predict", pairs, options)

    def _call(self, name: str, inputs: Any, options: dict[str, Any]) -> Any:
        with self._lock:
            return getattr(self._model, name)(inputs, **{"show_progress_bar": False, **options})
