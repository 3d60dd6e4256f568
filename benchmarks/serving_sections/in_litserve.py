"""LitServe's server: `python -m serving_sections.in_litserve PORT`; $SERVED says which model."""

from __future__ import annotations

import os
import sys
from typing import Any

import batching
import litserve
import numpy as np


class Api(litserve.LitAPI):  # type: ignore[misc]
    """The model."""

    def setup(self, device: str) -> None:
        """Make the model, in the worker."""
        self.predict_rows = {name: function for name, function, _ in batching.models()}[os.environ["SERVED"]]

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # it reads annotations, and not as text
        """Return the one row."""
        return np.array(request["inputs"][0])

    def predict(self, x: Any) -> Any:
        """Return the classes of a batch."""
        return self.predict_rows(np.asarray(x))

    def encode_response(self, output: Any) -> dict[str, Any]:
        """Return the answer."""
        return {"outputs": [int(output)]}


if __name__ == "__main__":
    api = Api(max_batch_size=batching.MAX_BATCH_SIZE, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="error")
