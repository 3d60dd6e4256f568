"""The Open Inference Protocol by gRPC: each call is answered as the one in REST with binary tensors is.

So what is checked, counted and refused there is so here. Needs the extra `tiffin-serve[grpc]`.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tiffin_serve._application import Application
from tiffin_serve._errors import RequestError, ServeError
from tiffin_serve._grpc_messages import CALLS, HEALTH, SERVICE, make_messages
from tiffin_serve._json_forms import write_json
from tiffin_serve._protocol import LENGTH
from tiffin_serve._requests import Limits, Request, Response
from tiffin_serve._tensors import DATATYPES

_CONTENTS = {
    "BOOL": "bool_contents",
    **{f"INT{size}": "int_contents" for size in (8, 16, 32)},
    "INT64": "int64_contents",
    **{f"UINT{size}": "uint_contents" for size in (8, 16, 32)},
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Datatype → the field with its values, where they are not raw."""
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    406: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    422: "INVALID_ARGUMENT",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""HTTP status → code of gRPC; for all others that is INTERNAL."""
_FOR_EVER = 1e6
"""Seconds that open calls have; whoever closes the door knows for how long they really have."""
_HEAD_ROOM = 1 << 20
"""Bytes of a message beside its tensors."""


class GrpcRequest(Request):
    """A call, as a request in REST."""

    __slots__ = ("_body", "_client")

    def __init__(
        self, method: str, path: str, headers: dict[str, str], body: bytes, client: str, limits: Limits
    ) -> None:
        super().__init__(method, path, headers, limits)
        self._body, self._client = body, client

    @property
    def client(self) -> str:
        """The address that it came from."""
        return self._client

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        yield self._body

    async def gone(self) -> None:
        """Return never: gRPC itself cancels the call whose caller has gone."""
        await asyncio.get_running_loop().create_future()


class GrpcDoor:
    """A server that speaks gRPC, before an application.

    Args:
        application: answers, at the paths of the protocol.
        host: the address to listen on.
        port: its port.
        tls: the files of a certificate and its key; `None` for none.

    Raises:
        ServeError: what it needs is not installed.
    """

    def __init__(self, application: Application, host: str, port: int, tls: tuple[Path, Path] | None = None) -> None:
        try:
            import grpc
            import grpc.aio

            self._messages = make_messages()
        except ImportError as error:
            raise ServeError(
                f"gRPC needs {error.name}, which is not installed", fix="Try: pip install 'tiffin-serve[grpc]'"
            ) from error
        self._grpc, self._application, self._tls = grpc, application, tls
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._server: Any = None

    async def open(self) -> None:
        """Take calls.

        Raises:
            ServeError: the address is in use.
        """
        grpc, most = self._grpc, self._application.limits.body + _HEAD_ROOM
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", -1),
        ]
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=self._application.limits.connections)
        ask = self._ask
        calls = {
            "ServerLive": lambda asked, context: ask(context, "GET", "/health/live"),
            "ServerReady": lambda asked, context: ask(context, "GET", "/health/ready"),
            "ServerMetadata": lambda asked, context: ask(context, "GET", ""),
            "ModelReady": lambda asked, context: ask(context, "GET", f"{_path(asked.name, asked.version)}/ready"),
            "ModelMetadata": lambda asked, context: ask(context, "GET", _path(asked.name, asked.version)),
            "ModelInfer": self._infer,
        }
        handlers = {name: self._handler(name, call) for name, call in calls.items()}
        health = grpc.unary_unary_rpc_method_handler(
            self._health,
            request_deserializer=self._messages["Service"].FromString,
            response_serializer=lambda told: told.SerializeToString(),
        )
        generic = grpc.method_handlers_generic_handler
        self._server.add_generic_rpc_handlers((generic(SERVICE, handlers), generic(HEALTH, {"Check": health})))
        try:
            if self._tls is None:
                self._server.add_insecure_port(self._address)
            else:
                certificate, key = (path.read_bytes() for path in self._tls)
                self._server.add_secure_port(self._address, grpc.ssl_server_credentials([(key, certificate)]))
        except RuntimeError as error:
            raise ServeError(f"Cannot serve gRPC on {self._address}", fix="Choose another --grpc-port") from error
        await self._server.start()

    async def close(self) -> None:
        """Take no more calls; return when all that were taken have their answers."""
        if self._server is not None:
            await self._server.stop(_FOR_EVER)
            self._server = None

    def _handler(self, name: str, call: Callable[[Any, Any], Any]) -> Any:
        taken, given = (self._messages[message] for message in CALLS[name])

        async def answer(asked: Any, context: Any) -> Any:
            told = await call(asked, context)
            return (
                told if isinstance(told, given) else given(**{key: told[key] for key in told if key in _fields(given)})
            )

        return self._grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=taken.FromString, response_serializer=lambda told: told.SerializeToString()
        )

    async def _health(self, asked: Any, context: Any) -> Any:
        ready = (await self._ask(context, "GET", "/health/ready"))["ready"]
        return self._messages["Status"](status=1 if ready else 2)

    async def _ask(self, context: Any, method: str, path: str) -> dict[str, Any]:
        response = await self._send(context, method, path)
        found: dict[str, Any] = json.loads(response.body)
        return found

    async def _send(
        self, context: Any, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Have the application answer, or end the call with what is wrong."""
        said = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        said.pop("content-encoding", None)  # of the call, and undone by now
        request = GrpcRequest(
            method,
            f"{self._application.oip_root}{path}",
            {**said, **(headers or {})},
            body,
            context.peer(),
            self._application.limits,
        )
        watch = self._application.watch
        task = watch.enter(request)
        try:
            response = await self._application.entry(request)
        finally:
            watch.leave(task)
        if response.status >= 400 and not (path.endswith("/ready") and response.status == 503):
            code = getattr(self._grpc.StatusCode, _CODES.get(response.status, "INTERNAL"))
            await context.abort(code, str(json.loads(response.body)["error"]))
        return response

    async def _infer(self, asked: Any, context: Any) -> Any:
        try:
            head, tensors = _written(asked)
        except RequestError as error:
            await context.abort(self._grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        headers = {LENGTH: str(len(head))}
        path = f"{_path(asked.model_name, asked.model_version)}/infer"
        response = await self._send(context, "POST", path, b"".join([head, *tensors]), headers)
        return self._answer(response)

    def _answer(self, response: Response) -> Any:
        length = dict(response.headers).get(LENGTH)
        text = response.body if length is None else response.body[: int(length)]
        told, place = json.loads(text), len(text)
        outputs, raw = [], []
        for output in told["outputs"]:
            size = output["parameters"]["binary_data_size"]
            raw.append(response.body[place : place + size])
            place += size
            outputs.append(
                self._messages["Tensor"](name=output["name"], datatype=output["datatype"], shape=output["shape"])
            )
        return self._messages["Response"](
            model_name=told["model_name"],
            model_version=told["model_version"],
            id=told.get("id", ""),
            outputs=outputs,
            raw_output_contents=raw,
        )


def _fields(message: Any) -> set[str]:
    return set(message.DESCRIPTOR.fields_by_name)


def _path(name: str, version: str) -> str:
    return f"/models/{name}" + (f"/versions/{version}" if version else "")


def _written(asked: Any) -> tuple[bytes, list[bytes]]:
    """Return a call as the JSON of one in REST, and the tensors that follow it.

    Raises:
        RequestError: values are raw and not raw, or of no datatype.
    """
    raw = list(asked.raw_input_contents)
    if raw and len(raw) != len(asked.inputs):
        raise RequestError(400, f"There are {len(asked.inputs)} inputs and {len(raw)} raw contents")
    tensors, inputs = [], []
    for number, tensor in enumerate(asked.inputs):
        if raw and tensor.HasField("contents"):
            raise RequestError(400, f"Input {tensor.name[:80]!r} has contents beside the raw ones")
        data = raw[number] if raw else _bytes_of(tensor)
        tensors.append(data)
        told = {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype}
        inputs.append({**told, "parameters": {"binary_data_size": len(data)}})
    head: dict[str, Any] = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    if asked.id:
        head["id"] = asked.id
    if asked.outputs:
        head["outputs"] = [{"name": output.name} for output in asked.outputs]
    return write_json(head), tensors


def _bytes_of(tensor: Any) -> bytes:
    """Return the values of a tensor that is not raw as if it were."""
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise RequestError(400, f"Input {tensor.name[:80]!r} of {tensor.datatype[:20]!r} has no raw contents")
    values = getattr(tensor.contents, field)
    if tensor.datatype == "BYTES":
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    dtype = np.dtype(DATATYPES[tensor.datatype])
    try:
        return np.array(list(values), dtype.newbyteorder("<") if dtype.kind != "b" else np.uint8).tobytes()
    except OverflowError:
        raise RequestError(400, f"Input {tensor.name[:80]!r} has a value beyond {tensor.datatype}") from None
