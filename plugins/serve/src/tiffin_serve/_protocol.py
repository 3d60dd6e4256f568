"""The Open Inference Protocol in REST, version 2, with the extension for binary tensors.

https://github.com/kserve/open-inference-protocol. It has models and versions, and no methods: a method beside the default one
is a model of its own, "iris.predict_proba".
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tiffin.version import __version__
from tiffin_serve._application import Application, Handler, json_response
from tiffin_serve._errors import RequestError
from tiffin_serve._json_forms import JSON, read_json, write_json
from tiffin_serve._requests import Request, Response
from tiffin_serve._running import Method, is_ready
from tiffin_serve._served import Served, Shelf
from tiffin_serve._taking import Tensor
from tiffin_serve._tensors import datatype_of, described_outputs, name_outputs, read_tensors, write_tensor

LENGTH = "inference-header-content-length"
EXTENSIONS = ["binary_tensor_data", "model_repository(index)"]


def add_protocol(application: Application, shelf: Shelf, root: str = "/v2") -> None:
    """Route the protocol's endpoints.

    Args:
        application: gets the routes.
        shelf: what is served.
        root: where the protocol's paths begin; a registry of containers has a /v2, too.
    """
    models = models_of(shelf)

    async def server(request: Request) -> Response:
        return json_response({"name": "tiffin", "version": __version__, "extensions": EXTENSIONS})

    async def live(request: Request) -> Response:
        return json_response({"live": True, "ready": is_ready(shelf)})

    async def ready(request: Request) -> Response:
        return _readiness({"live": True, "ready": is_ready(shelf)})

    async def index(request: Request) -> Response:
        listed = [
            {
                "name": name,
                "version": one.tag.version,
                "state": "READY" if one.ready else "UNAVAILABLE",
                "reason": "",
            }
            for name, found in models.items()
            for one, *_ in dict(found).values()
        ]
        return json_response(list({(told["name"], told["version"]): told for told in listed}.values()))

    application.route("GET", root, server)
    application.route("GET", f"{root}/", server)
    application.route("GET", f"{root}/health/live", live)
    application.route("GET", f"{root}/health/ready", ready)
    application.route("POST", f"{root}/repository/index", index)
    for name, found in models.items():
        for version, (one, method, full) in found.items():
            path = f"{root}/models/{name}" + (f"/versions/{version}" if version else "")
            versions = list(dict.fromkeys(str(other.tag.version) for other, *_ in found.values()))
            application.route("GET", path, _metadata(one, method, name, versions))
            application.route("GET", f"{path}/ready", _model_ready(one, name))
            application.route("POST", f"{path}/infer", shelf.handler(full, method, partial(_infer, name=name)))

    def missing(rest: str) -> RequestError:
        name = rest.partition("/")[0]
        if name not in models:
            return RequestError(404, f"No model {name[:130]!r} is served here", fix=f"Served are: {', '.join(models)}")
        return RequestError(
            404,
            f"There is no {rest[len(name) :][:130]!r} of model {name!r}",
            fix=f"Versions are: {', '.join(filter(None, models[name]))}; there are ready and infer",
        )

    application.unknown[f"{root}/models/"] = missing


def models_of(shelf: Shelf) -> dict[str, dict[str, tuple[Served, Method, str]]]:
    """Return the protocol's models: name → version → what is meant, with its name on the shelf.

    The version may be an alias, or "" for where none is given.
    """
    models: dict[str, dict[str, tuple[Served, Method, str]]] = {}
    for full, one in shelf.by_name.items():
        name, _, version = full.partition(":")
        if one.default and not one.methods[one.default].streams:
            models.setdefault(name, {})[version] = one, one.methods[one.default], full
        for method in one.methods.values():
            if not method.streams and method.name != one.default and f"{name}.{method.name}" not in shelf.by_name:
                models.setdefault(f"{name}.{method.name}", {})[version] = one, method, full
    return models


def _readiness(told: dict[str, Any]) -> Response:
    return Response(200 if told["ready"] else 503, write_json(told), JSON)


def _model_ready(one: Served, name: str) -> Handler:
    async def ready(request: Request) -> Response:
        return _readiness({"name": name, "ready": one.ready})

    return ready


def _metadata(one: Served, method: Method, name: str, versions: list[str]) -> Handler:
    def told(tensors: list[Tensor]) -> list[dict[str, Any]]:
        return [
            {
                "name": tensor,
                "datatype": datatype_of(dtype),
                "shape": [-1 if length is None else length for length in shape],
            }
            for tensor, shape, dtype in tensors
        ]

    async def metadata(request: Request) -> Response:
        return json_response(
            {
                "name": name,
                "versions": versions,
                "platform": f"tiffin_{one.model.framework}",
                "inputs": told(method.taker.tensors()),
                "outputs": told(described_outputs(method.output_spec)),
            }
        )

    return metadata


def _infer(one: Served, method: Method, name: str) -> Handler:
    model = {"model_name": name, "model_version": str(one.tag.version)}
    tag, within = ("tiffin-model", str(one.tag)), method.latency is not None

    async def infer(request: Request) -> Response:
        method.check_open(request.since)
        body = await request.body()
        text, binary = _parts(body, request.headers.get(LENGTH))
        asked = read_json(text)
        if type(asked) is not dict:
            raise RequestError(400, "The request is not an object", fix='Send {"inputs": [{"name": …}]}')
        outputs, binary_output = _outputs(asked)
        arrays = read_tensors(asked.get("inputs"), binary, text)
        argument = method.taker.from_arrays(arrays)
        result = await (method.run_within(argument, request.since) if within else method.run(argument))
        found = name_outputs(result)
        unknown = [name for name in outputs if name not in found]
        if unknown:
            raise RequestError(400, f"There is no output {unknown[0][:80]!r}", fix=f"There are: {', '.join(found)}")
        wanted = outputs or dict.fromkeys(found, binary_output)
        written = [write_tensor(name, found[name], binary=binary) for name, binary in wanted.items()]
        answer = {**model, "outputs": [told for told, _ in written]}
        if "id" in asked:
            answer["id"] = asked["id"]
        head = write_json(answer)
        if not any(binary for binary in wanted.values()):
            return Response(200, head, [*JSON, tag])
        headers = [("content-type", "application/octet-stream"), (LENGTH, str(len(head))), tag]
        return Response(200, b"".join([head, *(data for _, data in written)]), headers)

    return infer


def _parts(body: bytes, stated: str | None) -> tuple[bytes, bytes]:
    """Return a request's JSON, and the tensors behind it."""
    if stated is None:
        return body, b""
    if not stated.isascii() or not stated.isdigit() or len(stated) > 19 or int(stated) > len(body):
        raise RequestError(
            400, f"Inference-Header-Content-Length is {stated[:40]!r}", why=f"The body has {len(body)} bytes"
        )
    return body[: int(stated)], body[int(stated) :]


def _outputs(asked: dict[str, Any]) -> tuple[dict[str, bool], bool]:
    """Return which outputs are asked for, with whether each is to be binary, and whether those that are not named are."""
    if not isinstance(asked.get("id", ""), str):
        raise RequestError(400, "The request's id is not a text")
    binary = _flag(asked, "binary_data_output", False)
    outputs = asked.get("outputs", [])
    if type(outputs) is not list or not all(type(one) is dict and type(one.get("name")) is str for one in outputs):
        raise RequestError(400, "The request's outputs are not a list of objects with names")
    return {one["name"]: _flag(one, "binary_data", binary) for one in outputs}, binary


def _flag(holder: dict[str, Any], name: str, default: bool) -> bool:
    parameters = holder.get("parameters", {})
    value = parameters.get(name, default) if type(parameters) is dict else None
    if type(value) is not bool:
        raise RequestError(400, f"The parameter {name!r} is {str(value)[:40]}", why="It is true or false")
    return value
