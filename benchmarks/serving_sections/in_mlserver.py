"""MLServer's runtime, named by the settings that `peers` writes; $SERVED says which model."""

from __future__ import annotations

import os

import batching
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Served(MLModel):  # type: ignore[misc]
    """The model."""

    async def load(self) -> bool:
        """Make the model."""
        self.predict_rows = {name: function for name, function, _ in batching.models()}[os.environ["SERVED"]]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the classes of a batch."""
        found = self.predict_rows(NumpyCodec.decode_input(payload.inputs[0]))
        output = NumpyCodec.encode_output("outputs", found.reshape(-1, 1))
        return InferenceResponse(model_name=self.name, outputs=[output])
