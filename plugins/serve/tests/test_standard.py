"""The Open Inference Protocol as its own description has it, `data/open_inference_rest.yaml`, and as kserve writes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from peers import ask_peer
from servers import Missing
from tiffin_serve import AsgiApplication

DESCRIPTION = Path(__file__).parent / "data" / "open_inference_rest.yaml"


def described() -> dict[str, Any]:
    """Return the description, for the model that is served: it leaves open which there is."""
    # Its paths have ${NAME}, which OpenAPI does not know.
    document: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8").replace("${", "{"))
    for operations in document["paths"].values():
        for parameter in operations.get("parameters", []):
            parameter["schema"] = {"type": "string", "enum": ["sums"] if parameter["name"] == "MODEL_NAME" else ["1"]}
    return document


def test_whatever_the_protocols_description_allows_is_answered_as_it_says(client: Callable[..., Any]) -> None:
    """Requests without number, made of the description: no answer is a 500, each has the form that stands there."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed; make setup brings it")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import response_schema_conformance

    served = AsgiApplication(client("sums:1").application)
    document = yaml.safe_dump(described()).encode()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/description.yaml":
            await served(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/yaml")]})
        await send({"type": "http.response.body", "body": document})

    schema = schemathesis.openapi.from_asgi("/description.yaml", application)
    calm = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    found = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @calm
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(checks=[not_a_server_error, response_schema_conformance])

        check()
        found.add(operation.path)
    assert len(found) == 6


KSERVE = """
import base64, json, sys
import numpy as np
from kserve import InferInput, InferRequest
found = []
for binary in (False, True):
    tensor = InferInput("input", [2, 3], "FP32")
    tensor.set_data_from_numpy(np.array([[1, 2, 3], [4, 5, 6]], np.float32), binary_data=binary)
    body, length = InferRequest("sums", [tensor], request_id="r-1").to_rest()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    found.append((base64.b64encode(text).decode(), length))
print(json.dumps(found))
"""


def test_what_kserve_writes_is_read(client: Callable[..., Any]) -> None:
    """Its `to_rest`, in JSON and with binary tensors."""
    try:
        written = json.loads(ask_peer("kserve", "-c", KSERVE))
    except Missing as missing:
        pytest.skip(str(missing))
    one = client("sums:1")
    assert [length is None for _, length in written] == [True, False]
    for body, length in written:
        headers = {} if length is None else {"inference-header-content-length": str(length)}
        answer = one.request("POST", "/v2/models/sums/infer", headers=headers, content=base64.b64decode(body))
        assert (answer.status_code, answer.json()["outputs"][0]["data"], answer.json()["id"]) == (
            200,
            [6.0, 15.0],
            "r-1",
        )
