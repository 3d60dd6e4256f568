"""Real clients of the Open Inference Protocol, against a server in its own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed; make setup brings it")
utils = pytest.importorskip("tritonclient.utils")


def test_tritonclient_asks_infers_and_reads(serving: Callable[..., Any]) -> None:
    """Health, metadata, index, tensors in binary and in JSON, compressed, by version, and errors that it can read."""
    one = serving("sums:prod", "words")
    client = http.InferenceServerClient(one.url.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("sums")
        assert client.is_model_ready("sums", "prod")
        assert client.get_server_metadata()["extensions"][0] == "binary_tensor_data"
        assert client.get_model_metadata("sums")["inputs"][0]["shape"] == [-1, 3]
        assert {"sums", "words"} <= {told["name"] for told in client.get_model_repository_index()}
        rows = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
        tensor = http.InferInput("any name", list(rows.shape), "FP32")
        for binary in (True, False):
            tensor.set_data_from_numpy(rows, binary_data=binary)
            for coding in (None, "gzip", "deflate"):
                for outputs in (None, [http.InferRequestedOutput("output", binary_data=not binary)]):
                    answer = client.infer("sums", [tensor], outputs=outputs, request_compression_algorithm=coding)
                    np.testing.assert_array_equal(answer.as_numpy("output"), [6.0, 15.0])
        assert client.infer("sums", [tensor], "1").as_numpy("output").dtype == np.float64
        words = http.InferInput("texts", [2, 1], "BYTES")
        words.set_data_from_numpy(np.array([["a"], ["ö"]], object))
        assert client.infer("words", [words]).as_numpy("output").tolist() == [b"A", "Ö".encode()]
        asked = client.async_infer("sums", [tensor])
        np.testing.assert_array_equal(asked.get_result().as_numpy("output"), [6.0, 15.0])
        for name, given in (("nix", tensor), ("sums", words)):
            with pytest.raises(utils.InferenceServerException) as refused:
                client.infer(name, [given])
            assert refused.value.message()
    finally:
        client.close()
