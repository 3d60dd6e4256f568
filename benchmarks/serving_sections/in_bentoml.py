"""BentoML's server: `bentoml serve serving_sections.in_bentoml:Served`; $SERVED says which model."""

from __future__ import annotations

import os

import batching
import bentoml
import numpy as np

_predict = {name: function for name, function, _ in batching.models()}[os.environ["SERVED"]]


@bentoml.service(workers=1, traffic={"timeout": 60})
class Served:
    """The model."""

    @bentoml.api(batchable=True, max_batch_size=batching.MAX_BATCH_SIZE, max_latency_ms=60_000)
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the classes of rows."""
        return np.asarray(_predict(inputs))
