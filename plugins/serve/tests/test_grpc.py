"""The Open Inference Protocol by gRPC, called by its real client."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed; make setup brings it")
grpc = pytest.importorskip("grpc")
messages = pytest.importorskip("tritonclient.grpc.service_pb2")
stubs = pytest.importorskip("tritonclient.grpc.service_pb2_grpc")


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


@pytest.fixture
def connect(serving: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Return a function that serves tags, and returns a client, its address, and the server."""
    clients = []

    def start(*arguments: str) -> tuple[Any, str, Any]:
        port = free_port()
        one = serving(*arguments, "--grpc-port", str(port))
        assert f"    gRPC on port {port}: the Open Inference Protocol" in one.said
        clients.append(triton.InferenceServerClient(f"127.0.0.1:{port}"))
        return clients[-1], f"127.0.0.1:{port}", one

    yield start
    for client in clients:
        client.close()


def test_tritonclient_asks_infers_and_reads_by_grpc(connect: Callable[..., Any]) -> None:
    """Health, metadata, tensors raw and as values, versions, errors with their codes; HTTP beside it has the same models."""
    client, address, one = connect("sums:prod", "words")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("sums")
    assert client.is_model_ready("sums", "prod")
    assert client.get_server_metadata().name == "tiffin"
    told = client.get_model_metadata("sums")
    assert ([*told.inputs[0].shape], told.inputs[0].datatype) == ([-1, 3], "FP64")
    rows = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    tensor = triton.InferInput("any name", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    for outputs in (None, [triton.InferRequestedOutput("output")]):
        answer = client.infer("sums", [tensor], outputs=outputs, request_id="r-1")
        np.testing.assert_array_equal(answer.as_numpy("output"), [6.0, 15.0])
        assert answer.get_response().id == "r-1"
    assert client.infer("sums", [tensor], "1").as_numpy("output").dtype == np.float64
    words = triton.InferInput("texts", [2, 1], "BYTES")
    words.set_data_from_numpy(np.array([["a"], ["ö"]], object))
    assert client.infer("words", [words]).as_numpy("output").tolist() == [b"A", "Ö".encode()]
    with grpc.insecure_channel(address) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        request = messages.ModelInferRequest(model_name="sums")
        given = request.inputs.add(name="x", datatype="FP64", shape=[1, 3])
        given.contents.fp64_contents.extend([1, 2, 3])
        assert np.frombuffer(stub.ModelInfer(request).raw_output_contents[0]).tolist() == [6.0]
        request.raw_input_contents.append(b"x")
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(request)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"") == b"\x08\x01"
    for name, given, code in (("nix", tensor, "NOT_FOUND"), ("sums", words, "INVALID_ARGUMENT")):
        with pytest.raises(triton.InferenceServerException) as failed:
            client.infer(name, [given])
        assert failed.value.status() == f"StatusCode.{code}", failed.value.message()
    assert httpx.post(f"{one.url}/models/sums", json=[[1, 2, 3]]).json() == [6.0]
    one.process.terminate()
    assert one.process.wait(60) == 0


def test_grpc_speaks_tls_where_http_does(
    serving: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """With the same certificate, which the client checks; without TLS nobody gets in."""
    cert, key = certificate
    port = free_port()
    serving("sums:1", "--grpc-port", str(port), "--certificate", str(cert), "--key", str(key))
    with triton.InferenceServerClient(f"127.0.0.1:{port}", ssl=True, root_certificates=str(cert)) as client:
        assert client.is_model_ready("sums")
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as plain:
        with pytest.raises(triton.InferenceServerException) as refused:
            plain.is_server_live()
        assert refused.value.status() == "StatusCode.UNAVAILABLE"


def test_grpc_asks_for_tokens_as_http_does(connect: Callable[..., Any], tmp_path: Path) -> None:
    """As metadata of a call."""
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n", encoding="utf-8")
    tokens.chmod(0o600)
    client, _, _ = connect("sums:1", "--token-file", str(tokens))
    with pytest.raises(triton.InferenceServerException) as refused:
        client.get_model_metadata("sums")
    assert refused.value.status() == "StatusCode.UNAUTHENTICATED"
    assert client.get_model_metadata("sums", headers={"authorization": "Bearer secret"}).name == "sums"
