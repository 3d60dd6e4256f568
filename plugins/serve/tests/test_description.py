"""The OpenAPI document: it is true, as a tool finds that calls whatever it describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tiffin_serve import AsgiApplication
from tiffin_serve._description import schema_of

PARTICULAR = ("/models/sums/predict", "/models/sums/divided", "/models/matcher/match")
"""These refuse negative numbers, answer with NaN, and need some of their arguments: no schema says so."""


def test_a_spec_becomes_a_schema() -> None:
    """Shapes bound lists, dtypes bound numbers, columns are required, what says nothing is anything."""
    array = schema_of({"type": "array", "dtype": "uint8", "shape": [None, 2]})
    pixel = {"type": "integer", "minimum": 0, "maximum": 255}
    assert array == {"type": "array", "items": {"type": "array", "items": pixel, "minItems": 2, "maxItems": 2}}
    frame = schema_of({"type": "frame", "columns": [{"name": "age", "dtype": "float64"}, {"name": "city"}]})
    assert frame["items"]["required"] == ["age", "city"]
    assert frame["items"]["properties"] == {"age": {"type": "number"}, "city": {}}
    assert schema_of({"type": "list", "items": {"type": "str"}}) == {"type": "array", "items": {"type": "string"}}
    assert schema_of({"type": "object", "class": "a.B"}) == {}
    assert schema_of(None) == {}
    several = {"type": "arguments", "properties": {"scale": {"type": "float", "default": 1.0}}}
    assert schema_of(several)["properties"] == {"scale": {"type": "number", "default": 1.0}}


def test_the_document_names_every_method(client: Callable[..., Any]) -> None:
    """With an example of what each takes: what it was saved with, or what its spec allows."""
    one = client("sums:prod", "words")
    told = one.get("/openapi.json").json()
    paths = {"/models/sums/predict", "/models/sums/divided", "/models/sums/both", "/models/words/predict"}
    assert paths <= told["paths"].keys()
    bodies = {path: told["paths"][path]["post"]["requestBody"]["content"]["application/json"] for path in paths}
    assert bodies["/models/sums/predict"]["example"] == [[0, 0, 0]]
    assert bodies["/models/words/predict"]["example"] == ["text"]
    for path, body in bodies.items():
        assert one.post(path, body["example"]).status_code in (200, 406), path


def test_whatever_is_described_is_answered_as_described(client: Callable[..., Any]) -> None:
    """Valid and invalid bodies without number, made of the document: no answer is a 500, or has another form."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed; make setup brings it")
    from hypothesis import HealthCheck, given, settings

    one = client("sums:prod", "words", "matcher")
    schema = schemathesis.openapi.from_asgi("/openapi.json", AsgiApplication(one.application))
    calm = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    found = 0
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        for result in schema.get_all_operations():
            operation = result.ok()
            positive = mode == schemathesis.GenerationMode.POSITIVE
            if operation.path in PARTICULAR if positive else operation.method.upper() == "GET":
                continue

            @calm
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case: Any) -> None:
                case.call_and_validate()

            check()
            found += 1
    assert found >= 8
