"""Messages of the Open Inference Protocol by gRPC, made when they are needed: no code is generated, and none is registered.

The fields are those of https://github.com/kserve/open-inference-protocol, `open_inference_grpc.proto`. On the wire a map is
a list of pairs, and so it is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
"""Of https://github.com/grpc/grpc/blob/master/doc/health-checking.md, which probes of Kubernetes ask."""

_PARAMETERS = "[]Pair"
_TENSOR = {
    "name": "string",
    "datatype": "string",
    "shape": "[]int64",
    "parameters": _PARAMETERS,
    "contents": "Contents",
}
_NAMED = {"name": "string", "version": "string"}
_MESSAGES: Mapping[str, Mapping[str, str]] = {
    "Nothing": {},
    "Live": {"live": "bool"},
    "Ready": {"ready": "bool"},
    "Named": _NAMED,
    "Server": {**_NAMED, "extensions": "[]string"},
    "TensorMetadata": {"name": "string", "datatype": "string", "shape": "[]int64"},
    "Model": {
        "name": "string",
        "versions": "[]string",
        "platform": "string",
        "inputs": "[]TensorMetadata",
        "outputs": "[]TensorMetadata",
    },
    "Parameter": {"bool_param": "bool", "int64_param": "int64", "string_param": "string"},
    "Pair": {"key": "string", "value": "Parameter"},
    "Contents": {
        "bool_contents": "[]bool",
        "int_contents": "[]int32",
        "int64_contents": "[]int64",
        "uint_contents": "[]uint32",
        "uint64_contents": "[]uint64",
        "fp32_contents": "[]float",
        "fp64_contents": "[]double",
        "bytes_contents": "[]bytes",
    },
    "Tensor": _TENSOR,
    "Wanted": {"name": "string", "parameters": _PARAMETERS},
    "Request": {
        "model_name": "string",
        "model_version": "string",
        "id": "string",
        "parameters": _PARAMETERS,
        "inputs": "[]Tensor",
        "outputs": "[]Wanted",
        "raw_input_contents": "[]bytes",
    },
    "Response": {
        "model_name": "string",
        "model_version": "string",
        "id": "string",
        "parameters": _PARAMETERS,
        "outputs": "[]Tensor",
        "raw_output_contents": "[]bytes",
    },
    "Service": {"service": "string"},
    "Status": {"status": "int32"},
}
"""Message → field → type, in the order of their numbers, which begin at 1."""

CALLS: Mapping[str, tuple[str, str]] = {
    "ServerLive": ("Nothing", "Live"),
    "ServerReady": ("Nothing", "Ready"),
    "ModelReady": ("Named", "Ready"),
    "ServerMetadata": ("Nothing", "Server"),
    "ModelMetadata": ("Named", "Model"),
    "ModelInfer": ("Request", "Response"),
}
"""Call → what it takes and gives."""


def make_messages() -> dict[str, Any]:
    """Return the classes of all messages. Imports protobuf."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="tiffin_serve.proto", package="tiffin_serve", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, written) in enumerate(fields.items(), 1):
            kind = written.removeprefix("[]")
            label = kinds.LABEL_REPEATED if written.startswith("[]") else kinds.LABEL_OPTIONAL
            if kind in _MESSAGES:
                message.field.add(
                    name=field, number=number, label=label, type=kinds.TYPE_MESSAGE, type_name=f".tiffin_serve.{kind}"
                )
            else:
                message.field.add(name=field, number=number, label=label, type=kinds.Type.Value(f"TYPE_{kind.upper()}"))
    # A pool of its own: clients in the same process have messages of the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tiffin_serve.{name}")) for name in _MESSAGES
    }
