"""The description of the endpoints: OpenAPI 3.1, made of the specs of what is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin.examples import read_file, unpack
from tiffin.exceptions import TiffinError
from tiffin.models import default_store
from tiffin.version import __version__
from tiffin_serve._application import Application, json_response
from tiffin_serve._calling import PREFIX
from tiffin_serve._json_forms import read_json, write_json
from tiffin_serve._requests import Request, Response
from tiffin_serve._running import Method
from tiffin_serve._served import Served, Shelf
from tiffin_serve._streams import EVENTS
from tiffin_serve._taking import plain_dtype

_SCALARS: Mapping[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "none": {"type": "null"},
}
_ERRORS = {
    "400": "The body is not JSON, or not complete",
    "406": "The answer has no form in JSON",
    "408": "The body was late",
    "413": "The body is too large",
    "415": "The body is compressed in a way that is not known",
    "422": "The values are not what the method takes",
    "500": "The model failed",
    "503": "There is no room, or no worker",
    "504": "The model did not answer in time",
}
_HEALTH = {
    "/livez": "Tell whether the process lives",
    "/readyz": "Tell whether every model answers",
}


EXTENSION = "x-tiffin"
"""What the document says besides, for the pages and for `Client`."""
_GIVES = {"array": "array", "frame": "frame", "series": "series"}
_MOST_ITEMS = 1000
_LONGEST_EXAMPLE = 4096
_LONGEST_TEXT = 500


def answer_of(text: str, schema: Mapping[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    """Return the description of one answer."""
    return {"description": text, "content": {media_type: {"schema": dict(schema)}}}


API_ERRORS = {status: answer_of(text, {"$ref": "#/components/schemas/Error"}) for status, text in _ERRORS.items()}
"""What every call may be answered with beside its result."""


def add_description(application: Application, shelf: Shelf) -> None:
    """Route /openapi.json."""

    async def describe(request: Request) -> Response:
        return json_response(description(shelf))

    application.route("GET", "/openapi.json", describe)


def document(title: str, paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document: these paths, and those for operators."""
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    health: dict[str, Any] = {}
    for path, summary in _HEALTH.items():
        answers = {status: answer_of("An object", {"type": "object"}) for status in ("200", "503")}
        health[path] = {"get": {"summary": summary, "responses": answers}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": {**health, **paths},
        "components": {"schemas": {"Error": error}},
    }


def description(shelf: Shelf) -> dict[str, Any]:
    """Return the OpenAPI document of the endpoints of plain JSON."""
    answers = {"200": answer_of("All that is served", {"type": "object"})}
    paths: dict[str, Any] = {"/models": {"get": {"summary": "List what is served", "responses": answers}}}
    for one in shelf.served:
        name = shelf.called(one)[0]
        for method in one.methods.values():
            paths[f"{PREFIX}{name}/{method.name}"] = {"post": _operation(shelf, one, method)}
    return document("Models served by Tiffin", paths)


def _operation(shelf: Shelf, one: Served, method: Method) -> dict[str, Any]:
    names = shelf.called(one)
    bare = schema_of(method.about.input_spec)
    named = {"type": "object", "properties": {"inputs": bare}, "required": ["inputs"], "additionalProperties": False}
    result = schema_of(method.output_spec)
    text = "The answer, in an object where the input was in one"
    answer = answer_of(text, {"anyOf": [result, _outputs(result)]})
    if method.streams:
        answer = answer_of("An event for each item, in JSON, and the event `end`", {"type": "string"}, EVENTS)
    answers = {"200": answer, **API_ERRORS}
    return {
        "summary": f"Call {method.name} of {one.tag}",
        "operationId": f"{names[0]}/{method.name}",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [bare, named]} if bare else {},
                    "example": _example(one, method, bare),
                }
            },
        },
        "responses": answers,
        EXTENSION: {
            "group": str(one.tag),
            "names": names,
            "framework": one.model.framework,
            "labels": dict(one.model.info.labels),
            "text": one.model.info.card[:_LONGEST_TEXT],
            "takes": method.taker.words,
            "streams": method.streams,
            "runner": str(one.tag),
            "method": method.name,
            "paths": _paths(one, names, method),
            "several": method.by_name,
            "gives": "events" if method.streams else _GIVES.get((method.output_spec or {}).get("type", ""), "json"),
        },
    }


def _example(one: Served, method: Method, schema: Mapping[str, Any]) -> Any:
    """Return what a version was saved with as an example, where that is one small argument; else what its schema allows."""
    try:
        data = default_store().examples(one.model.info.content_digest)
        recorded = [] if data is None else read_file(data, "examples").examples
        for example in recorded:
            args, kwargs = unpack(example.arguments)
            if example.method == method.name and len(args) == 1 and not kwargs:
                text = write_json(args[0])
                return read_json(text) if len(text) <= _LONGEST_EXAMPLE else example_of(schema)
    except TiffinError:
        pass  # it has no form in JSON, or its file is not whole: pages can do without
    return example_of(schema)


def _paths(one: Served, names: list[str], method: Method) -> list[str]:
    """Return all paths at which a method is called."""
    paths = [f"{PREFIX}{name}/{method.name}" for name in names]
    return paths + [f"{PREFIX}{name}" for name in names if method.name == one.default]


def example_of(schema: Mapping[str, Any]) -> Any:
    """Return a value that a schema allows, for people to begin with; small, and of zeros."""
    if "example" in schema or "default" in schema:
        return schema.get("example", schema.get("default"))
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return example_of(schema[several][0])
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return [example_of(item) for item in schema["prefixItems"]]
        return [example_of(schema.get("items", {}))] * min(schema.get("minItems", 1), _MOST_ITEMS)
    if kind == "object":
        return {name: example_of(one) for name, one in schema.get("properties", {}).items()}
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), 0)
    return {"boolean": False, "string": "text", "null": None}.get(kind or "", [[0.0]])


def _outputs(result: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"outputs": result}, "required": ["outputs"]}


def schema_of(spec: Any) -> dict[str, Any]:
    """Return a spec as JSON Schema; empty, which is anything, where it says nothing that JSON has."""
    if spec is None:
        return {}
    kind = spec.get("type")
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if kind == "array" and "shape" in spec:
        schema = _of_dtype(spec.get("dtype"))
        for length in reversed(spec["shape"]):
            schema = {"type": "array", "items": schema}
            if length not in (None, -1):
                schema |= {"minItems": length, "maxItems": length}
        return schema
    if kind == "series":
        return {"type": "array", "items": _of_dtype(spec.get("dtype"))}
    if kind == "frame" and "columns" in spec:
        columns = {str(column["name"]): _of_dtype(column.get("dtype"), any_number=False) for column in spec["columns"]}
        return {"type": "array", "items": _object(columns, list(columns))}
    if kind == "list":
        return {"type": "array", "items": schema_of(spec.get("items"))}
    if kind == "tuple" and "items" in spec:
        parts = [schema_of(item) for item in spec["items"]]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
    if kind == "dict" and "properties" in spec:
        return _object({key: schema_of(item) for key, item in spec["properties"].items()}, list(spec["properties"]))
    if kind == "arguments":
        return _object(
            {
                key: schema_of(item) | ({"default": item["default"]} if "default" in item else {})
                for key, item in spec["properties"].items()
            },
            [],
        )
    return {}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _of_dtype(name: str | None, *, any_number: bool = True) -> dict[str, Any]:
    dtype = plain_dtype(name)
    if dtype is None:
        return {"type": "number"} if any_number and name is None else {}
    if dtype.kind in "iu":
        bits = dtype.itemsize * 8
        low, high = (0, (1 << bits) - 1) if dtype.kind == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
        return {"type": "integer", "minimum": low, "maximum": high}
    return {"f": {"type": "number"}, "b": {"type": "boolean"}, "U": {"type": "string"}}.get(dtype.kind, {})
