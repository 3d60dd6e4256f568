"""Ray Serve's server: `python -m serving_sections.in_rayserve PORT`; $SERVED says which model."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import batching
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=1000)
class Served:
    """The model."""

    def __init__(self, model: str) -> None:
        self.predict_rows = {name: function for name, function, _ in batching.models()}[model]

    @serve.batch(max_batch_size=batching.MAX_BATCH_SIZE, batch_wait_timeout_s=0.01)
    async def predict(self, rows: list[Any]) -> list[Any]:
        """Return the classes of a batch."""
        return list(self.predict_rows(np.array(rows)))

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answer one request."""
        asked = await request.json()
        return {"outputs": [int(await self.predict(asked["inputs"][0]))]}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", object_store_memory=100 << 20)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Served.bind(os.environ["SERVED"]), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
