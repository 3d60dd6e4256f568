"""The endpoints of plain JSON: POST /models/NAME/METHOD, and GET /models."""

from __future__ import annotations

from typing import Any

from tiffin.signatures import describe_spec
from tiffin_serve._application import Application, json_response
from tiffin_serve._errors import RequestError
from tiffin_serve._json_forms import JSON, read_json, write_json
from tiffin_serve._requests import Request, Response
from tiffin_serve._running import Method
from tiffin_serve._served import Served, Shelf
from tiffin_serve._streams import answer_events

PREFIX = "/models/"
EXPLAIN = "tiffin-explain"
"""A request with this header is answered with it: why the call waited, and with what it was batched."""


def add_calls(application: Application, shelf: Shelf) -> None:
    """Route the endpoints of plain JSON to what is served."""

    async def list_models(request: Request) -> Response:
        return json_response({"models": [_described(shelf, one) for one in shelf.served]})

    application.route("GET", "/models", list_models)
    for name, one in shelf.by_name.items():
        application.route("GET", PREFIX + name, _describer(shelf, one))
        for method in one.methods.values():
            application.route("POST", f"{PREFIX}{name}/{method.name}", shelf.handler(name, method, make_handler))
        if one.default:
            application.route("POST", PREFIX + name, shelf.handler(name, one.methods[one.default], make_handler))

    def missing(rest: str) -> RequestError:
        name, _, method = rest.partition("/")
        one = shelf.by_name.get(name)
        if one is None:
            return RequestError(
                404, f"No model {name[:130]!r} is served here", fix=f"Served are: {', '.join(shelf.by_name)}"
            )
        return RequestError(
            404, f"Model {name!r} has no method {method[:130]!r} here", fix=f"It has: {', '.join(one.methods)}"
        )

    application.unknown[PREFIX] = missing


def make_handler(one: Served, method: Method) -> Any:
    """Return the handler of calls of a method.

    A bare value is answered with a bare value, {"inputs": value} with {"outputs": value}; a method that streams,
    with an event for each item.
    """
    tag = [("tiffin-model", str(one.tag))]
    headers = [*JSON, *tag]
    taker, within = method.taker, method.latency is not None

    async def call(request: Request) -> Response:
        method.check_open(request.since)
        text = await request.body()
        value = read_json(text)
        named = type(value) is dict and "inputs" in value
        if named:
            if len(value) > 1:
                unknown = ", ".join(repr(key[:80]) for key in value if key != "inputs")
                raise RequestError(422, f"Beside 'inputs' there is {unknown[:300]}", fix='Send {"inputs": …} alone')
            value = value["inputs"]
        argument = taker.from_json(value, text)
        explain = request.headers.get(EXPLAIN) is not None
        asked = method.of(request, explain=explain)
        if asked.streams:
            return await answer_events(asked.stream(argument), tag)
        at_once = asked.run_within(argument, request.since) if within and asked is method else asked.run(argument)
        result = await at_once
        added = headers
        if explain:
            added = [*headers, (EXPLAIN, write_json(result.explanation.as_dict()).decode())]
            result = result.result
        return Response(200, write_json({"outputs": result} if named else result), added)

    return call


def _describer(shelf: Shelf, one: Served) -> Any:
    async def describe(request: Request) -> Response:
        return json_response(_described(shelf, one))

    return describe


def _described(shelf: Shelf, one: Served) -> dict[str, Any]:
    return {
        "model": one.tag.name,
        "version": one.tag.version,
        "names": shelf.called(one),
        "framework": one.model.framework,
        "methods": {
            method.name: {
                "takes": method.taker.words,
                "returns": "anything" if method.output_spec is None else describe_spec(method.output_spec),
                "input_spec": method.about.input_spec,
                "output_spec": method.about.output_spec,
                "batchable": method.about.batchable,
                "streams": method.streams,
            }
            for method in one.methods.values()
        },
    }
