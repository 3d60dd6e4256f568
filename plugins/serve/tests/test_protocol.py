"""The Open Inference Protocol, in this process: what it takes, and what it refuses."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

INFER = "/v2/models/sums/infer"
LENGTH = "inference-header-content-length"
ROW = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}


def test_metadata_comes_from_the_specs(client: Callable[..., Any]) -> None:
    """Names, datatypes and shapes, with -1 for what is free."""
    one = client("sums:prod", "words", "matcher")
    told = one.get("/v2/models/sums").json()
    assert told["versions"] == ["1"]
    assert told["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 3]}]
    assert told["outputs"] == [{"name": "output", "datatype": "FP64", "shape": [-1]}]
    assert one.get("/v2/models/sums/versions/prod").json() == told
    assert [output["name"] for output in one.get("/v2/models/sums.both").json()["outputs"]] == ["low", "high"]
    assert one.get("/v2/models/words").json()["inputs"] == [{"name": "input", "datatype": "BYTES", "shape": [-1]}]
    assert [tensor["name"] for tensor in one.get("/v2/models/matcher").json()["inputs"]] == ["left", "right", "scale"]


def test_health_server_and_index(client: Callable[..., Any]) -> None:
    """What clients ask before they infer."""
    one = client("sums:1")
    assert one.get("/v2").json()["extensions"][0] == "binary_tensor_data"
    assert one.get("/v2/health/live").json() == {"live": True, "ready": True}
    assert one.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert one.get("/v2/models/sums/ready").json() == {"name": "sums", "ready": True}
    listed = one.request("POST", "/v2/repository/index").json()
    assert [told["name"] for told in listed] == ["sums", "sums.divided", "sums.both"]
    one.shelf.draining = True
    assert one.get("/v2/health/ready").status_code == 503


def test_tensors_in_json_flat_or_nested(client: Callable[..., Any]) -> None:
    """Both ways of writing data mean the same; the id comes back."""
    one = client("sums:1")
    for data in ([1, 2, 3], [[1.0, 2, 3]]):
        answer = one.post(INFER, {"id": "7", "inputs": [{**ROW, "data": data}]}).json()
        output = {"name": "output", "datatype": "FP64", "shape": [1], "data": [6.0]}
        assert answer == {"model_name": "sums", "model_version": "1", "outputs": [output], "id": "7"}


@pytest.mark.parametrize(("datatype", "taken"), [
    ("FP64", True), ("FP32", True), ("FP16", True), ("INT32", True), ("UINT8", True), ("BOOL", False), ("BYTES", False),
])  # fmt: skip
def test_a_datatype_is_cast_where_nothing_is_lost(client: Callable[..., Any], datatype: str, taken: bool) -> None:
    """The model was saved with float64: narrower numbers fit, truth values and texts do not."""
    data = {"BOOL": [True, False, True], "BYTES": ["1", "2", "3"]}.get(datatype, [1, 2, 3])
    answer = client("sums:1").post(INFER, {"inputs": [{**ROW, "datatype": datatype, "data": data}]})
    assert answer.status_code == (200 if taken else 422), answer.text
    assert taken or "expected array of float64" in answer.json()["error"]


def send(one: Any, head: Mapping[str, Any], binary: bytes, stated: str | None = None, path: str = INFER) -> Any:
    """Post a head and what follows it."""
    text = json.dumps(head).encode()
    return one.post(path, content=text + binary, headers={LENGTH: str(len(text)) if stated is None else stated})


def binary_input(size: int, **fields: Any) -> dict[str, Any]:
    """Return an input whose data follow the head."""
    plain = {key: value for key, value in ROW.items() if key != "data"}
    return {**plain, "parameters": {"binary_data_size": size}, **fields}


def test_binary_tensors_in_and_out(client: Callable[..., Any]) -> None:
    """The bytes behind the head are the tensors, in order, both ways; one output may be asked for in either form."""
    one = client("sums:1")
    data = np.array([[1.0, 2.0, 3.0]]).tobytes()
    outputs = [{"name": "high", "parameters": {"binary_data": True}}, {"name": "low"}]
    answer = send(one, {"inputs": [binary_input(24)], "outputs": outputs}, data, path="/v2/models/sums.both/infer")
    length = int(answer.headers[LENGTH])
    told = json.loads(answer.content[:length])["outputs"]
    assert told[0] == {"name": "high", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}
    assert told[1] == {"name": "low", "datatype": "FP64", "shape": [1], "data": [1.0]}
    assert answer.content[length:] == struct.pack("<d", 3.0)
    words = {"inputs": [binary_input(10, shape=[2, 1], datatype="BYTES")], "parameters": {"binary_data_output": True}}
    items = b"\1\0\0\0a\1\0\0\0b"
    answer = send(one := client("words"), words, items, path="/v2/models/words/infer")
    assert answer.content.endswith(items.upper()), answer.content
    assert one.post(
        "/v2/models/words/infer", {"inputs": [{**ROW, "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}]}
    )


def test_nan_goes_in_and_out_in_binary(client: Callable[..., Any]) -> None:
    """What JSON cannot say has a way all the same."""
    one = client("sums:1")
    data = np.array([[0.0, 1.0, 2.0]]).tobytes()
    head = {"inputs": [binary_input(24)], "parameters": {"binary_data_output": True}}
    answer = send(one, head, data, path="/v2/models/sums.divided/infer")
    assert np.isnan(np.frombuffer(answer.content[-24:])[0])
    assert one.post("/v2/models/sums.divided/infer", {"inputs": [{**ROW, "data": [0, 1, 2]}]}).status_code == 406


@pytest.mark.parametrize(
    ("head", "binary", "stated"),
    [
        ({"inputs": [binary_input(24)]}, bytes(23), None),
        ({"inputs": [binary_input(24)]}, bytes(25), None),
        ({"inputs": [binary_input(16)]}, bytes(16), None),
        ({"inputs": [binary_input(23)]}, bytes(23), None),
        ({"inputs": [binary_input(-8)]}, bytes(24), None),
        ({"inputs": [binary_input(True)]}, bytes(24), None),
        ({"inputs": [binary_input(24)]}, bytes(24), "99999999"),
        ({"inputs": [binary_input(24)]}, bytes(24), "-1"),
        ({"inputs": [binary_input(24)]}, bytes(24), "two"),
        ({"inputs": [binary_input(24, shape=[1 << 62, 1 << 62])]}, bytes(24), None),
        ({"inputs": [binary_input(24, shape=[-1, -3])]}, bytes(24), None),
        ({"inputs": [binary_input(0, shape=[1] * 100)]}, b"", None),
        ({"inputs": [binary_input(3, datatype="BYTES")]}, b"\1\0\0", None),
        ({"inputs": [binary_input(5, datatype="BYTES", shape=[1])]}, b"\xff\xff\xff\xffa", None),
        ({"inputs": [binary_input(5, datatype="BYTES", shape=[1])]}, b"\1\0\0\0\xff", None),
        ({"inputs": [{**ROW, "data": [1, 2]}]}, b"", None),
        ({"inputs": [{**ROW, "data": 1}]}, b"", None),
        ({"inputs": [{**ROW, "datatype": "FP128"}]}, b"", None),
        ({"inputs": [{**ROW, "shape": "x"}]}, b"", None),
        ({"inputs": [{**ROW, "parameters": []}]}, b"", None),
        ({"inputs": [{key: ROW[key] for key in ("name", "shape", "datatype")}]}, b"", None),
        ({"inputs": [ROW, ROW]}, b"", None),
        ({"inputs": [ROW, {**ROW, "name": "y"}]}, b"", None),
        ({"inputs": [ROW], "outputs": [{"name": "nix"}]}, b"", None),
        ({"inputs": [ROW], "outputs": {}}, b"", None),
        ({"inputs": [ROW], "parameters": {"binary_data_output": 1}}, b"", None),
        ({"inputs": [ROW], "id": 7}, b"", None),
        ({"inputs": []}, b"", None),
        ({"inputs": ["x"]}, b"", None),
        ({}, b"", None),
        ([], b"", None),
    ],
    ids=str,
)  # fmt: skip
def test_a_lie_is_refused(client: Callable[..., Any], head: Any, binary: bytes, stated: str | None) -> None:
    """Sizes, shapes, names and kinds that do not fit are a 4xx with an error in JSON, which clients can read."""
    answer = send(client("sums:1"), head, binary, stated)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]


LONG = "x" * 20_000
UNEVEN: dict[str, list[Any]] = {
    "one long text": [LONG] + ["y"] * 20_000,
    "the last is long": ["y"] * 20_000 + [LONG],
    "numbers first": [1] * 20_000 + [LONG],
    "escaped": ['\\"' * 10_000] + ["y"] * 20_000,
    "nested": [[LONG, "y"]] + [["y", "y"]] * 20_000,
}


@pytest.mark.parametrize("name", UNEVEN)
def test_texts_take_no_more_memory_than_they_are_long(name: str) -> None:
    """In numpy's own texts each has the width of the longest: a request of 100 kB would take gigabytes."""
    from tiffin_serve._errors import RequestError
    from tiffin_serve._taking import AnyTaker, ArrayTaker

    value = UNEVEN[name]
    text = json.dumps(value).encode()
    tracemalloc.start()
    try:
        for taker in (ArrayTaker({"type": "array"}), ArrayTaker({"type": "array", "dtype": "str"}), AnyTaker()):
            try:
                taken = taker.from_json(value, text)
            except RequestError:
                continue
            assert taken is value or taken.dtype == object
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(text)


def test_texts_of_one_length_stay_numpys_own() -> None:
    """So do short ones, whatever else the request holds; numbers are not looked through for texts that are not there."""
    from tiffin_serve._taking import ArrayTaker

    taker = ArrayTaker({"type": "array", "dtype": "str"})
    for value in (["ab", "c"], ["y" * 1000] * 50, [["a" * 5000]] + [["b"]] * 100):
        assert taker.from_json(value, json.dumps(value).encode()).tolist() == value
        assert taker.from_json(value, json.dumps(value).encode()).dtype.kind == "U"
    numbers = [[0.5] * 10] * 100
    text = json.dumps({"id": "z" * 1000, "inputs": numbers}).encode()
    assert ArrayTaker({"type": "array"}).from_json(numbers, text).dtype == float


@pytest.mark.parametrize("shape", [[0, 1 << 62, 1 << 62], [0, (1 << 64) - 1], [1 << 32, 1 << 32, 0]])
@pytest.mark.parametrize("binary", [False, True])
def test_axes_of_no_values_have_bounds(client: Callable[..., Any], shape: list[int], binary: bool) -> None:
    """Without values any axis fits by their number; what no array can have is the caller's mistake."""
    given = {"parameters": {"binary_data_size": 0}} if binary else {"data": []}
    answer = client("sums:1").post(INFER, {"inputs": [{"name": "x", "shape": shape, "datatype": "FP64", **given}]})
    assert answer.status_code == 400
    assert "has the shape" in answer.text


def test_what_is_not_there_is_told(client: Callable[..., Any]) -> None:
    """Models, versions and endpoints that nobody serves are 404 in JSON."""
    one = client("sums:1")
    for path in ("nix/infer", "sums/versions/9/infer", "sums/config", "sums/stats", ""):
        answer = one.get(f"/v2/models/{path}")
        assert (answer.status_code, bool(answer.json()["error"])) == (404, True)
