"""Calls in plain JSON: what goes in, what comes out, what is refused."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tiffin_serve import Limits

SUMS = "/models/sums/predict"


def test_a_bare_list_is_answered_with_a_bare_list(client: Callable[..., Any]) -> None:
    """Nothing has to be wrapped."""
    answer = client("sums:prod").post(SUMS, [[1.0, 2.0, 3.0], [4, 5, 6]])
    assert (answer.status_code, answer.json()) == (200, [6.0, 15.0])
    assert answer.headers["tiffin-model"] == "sums:1"


def test_no_rows_are_answered_with_no_rows(client: Callable[..., Any]) -> None:
    """An empty list is a batch without rows, whatever the further axes."""
    assert client("sums:prod").post(SUMS, []).json() == []


def test_inputs_are_answered_with_outputs(client: Callable[..., Any]) -> None:
    """Where there is a name around the input, there is one around the output."""
    assert client("sums:prod").post(SUMS, {"inputs": [[1, 2, 3]]}).json() == {"outputs": [6.0]}


def test_a_model_has_the_names_it_was_asked_by(client: Callable[..., Any]) -> None:
    """The name alone, the tag as given, and the full tag mean one model; the first given is what the name alone means."""
    one = client("sums:prod", "sums:2")
    for path, tag in (("sums", "sums:1"), ("sums:prod", "sums:1"), ("sums:1", "sums:1"), ("sums:2", "sums:2")):
        assert one.post(f"/models/{path}/predict", [[1.0, 2.0, 3.0]]).headers["tiffin-model"] == tag


def test_the_default_method_needs_no_name(client: Callable[..., Any]) -> None:
    """Of several methods `predict` is meant."""
    assert client("sums:1").post("/models/sums", [[1.0, 2.0, 3.0]]).json() == [6.0]


def test_texts_and_named_arguments_are_taken(client: Callable[..., Any]) -> None:
    """What a spec says of lists and of several arguments holds for requests."""
    one = client("words", "matcher")
    assert one.post("/models/words", ["a", "b"]).json() == ["A", "B"]
    pair = {"left": [[1, 2, 3]], "right": [[1, 1, 1]]}
    assert one.post("/models/matcher", {"inputs": pair}).json() == {"outputs": [6.0]}
    assert one.post("/models/matcher", {**pair, "scale": 2}).json() == [12.0]
    assert one.post("/models/matcher", {**pair, "scales": 2}).status_code == 422
    lacking = one.post("/models/matcher", {"left": [[1, 2, 3]]})
    assert (lacking.status_code, "lack 'right'" in lacking.json()["error"]) == (422, True), lacking.text


def test_several_outputs_keep_their_names(client: Callable[..., Any]) -> None:
    """A dict of arrays comes out as an object of lists."""
    assert client("sums:1").post("/models/sums/both", [[1, 2, 3]]).json() == {"low": [1.0], "high": [3.0]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"[[1, 2", 400, "not JSON"),
        (b"[[NaN, 1, 2]]", 400, "not JSON"),
        (b"[[Infinity, 1, 2]]", 400, "not JSON"),
        (b"[[1e999, 1, 2]]", 400, "infinity"),
        (b"[[18446744073709551616, 1, 2]]", 400, "more than 64 bits"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[" * 1010 + b"1234567890123456789" + b"]" * 1010, 400, "nested"),
        (b"[" * 100 + b"]" * 100, 422, "expected array"),
        (b'"\xff"', 400, "not JSON"),
        (b"[[1, 2]]", 422, "expected array of float64, shape (any, 3), found shape (1, 2)"),
        (b"[1, 2, 3]", 422, "found shape (3,)"),
        (b"[[1, 2, 3], [1]]", 422, "lists of different lengths"),
        (b'[["1", 2, 3]]', 422, "not all numbers"),
        (b"[[true, 2, 3]]", 422, "not all numbers"),
        (b"[[true, false, true]]", 422, "truth values"),
        (b"[[null, 2, 3]]", 422, "not all numbers"),
        (b'[["a", "b", "c"]]', 422, "texts"),
        (b"{}", 422, "an object"),
        (b"5", 422, "a number"),
        (b'{"inputs": [[1, 2, 3]], "input": 1}', 422, "'input'"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_a_wrong_body_is_refused_and_told_what_was_expected(
    client: Callable[..., Any], body: bytes, status: int, said: str
) -> None:
    """Whatever comes, the caller learns what is wrong, and the model does not see it."""
    answer = client("sums:1").post(SUMS, content=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]


def test_long_digits_in_texts_and_fractions_are_no_large_numbers(client: Callable[..., Any]) -> None:
    """Only whole numbers are refused for their size."""
    one = client("words", "sums:1")
    assert one.post("/models/words", ["12345678901234567890123"]).json() == ["12345678901234567890123"]
    assert one.post(SUMS, content=b"[[0.1234567890123456789012, 0, 0]]").status_code == 200
    assert one.post(SUMS, content=b"[[18446744073709551615, 0, 0]]").status_code == 200


def test_what_is_not_there_is_told_with_what_is(client: Callable[..., Any]) -> None:
    """A wrong path names those that are right; a wrong method those that are allowed."""
    one = client("sums:1")
    for path, said in (
        ("/models/nix/predict", "sums"),
        ("/models/sums/nix", "predict, divided, both"),
        ("/x", "/docs"),
    ):
        answer = one.post(path, [])
        assert answer.status_code == 404
        assert said in answer.json()["error"]
    wrong = one.request("DELETE", SUMS)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "OPTIONS, POST")
    assert one.request("OPTIONS", SUMS).headers["allow"] == "OPTIONS, POST"
    assert one.request("HEAD", "/livez").content == b""


def test_a_value_error_of_the_model_is_the_callers_and_another_error_is_not_shown(
    client: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What a model says of values helps the caller; what else it raises stays in the log, under a number that is told."""
    one = client("sums:1")
    refused = one.post(SUMS, [[-1, 2, 3]])
    assert (refused.status_code, "negative numbers" in refused.json()["error"]) == (422, True)
    failed = one.post(SUMS, [[13, 2, 3]])
    assert failed.status_code == 500
    assert "secret" not in failed.text
    number = failed.json()["error"].partition("error ")[2][:12]
    assert number in caplog.text
    assert "secret of the house" in caplog.text


def test_an_answer_with_nan_is_not_made_null(client: Callable[..., Any]) -> None:
    """JSON has no NaN, and null would be another answer: the caller is told which form has it."""
    answer = client("sums:1").post("/models/sums/divided", [[0, 1, 2]])
    assert (answer.status_code, "NaN" in answer.json()["error"]) == (406, True)


def test_compressed_bodies_are_taken(client: Callable[..., Any]) -> None:
    """Bodies of gzip and deflate, whole."""
    one = client("sums:1")
    body = b"[[1, 2, 3]]"
    for coding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body)), ("identity", body)):
        assert one.post(SUMS, content=packed, headers={"content-encoding": coding}).json() == [6.0]
    whole = gzip.compress(body)
    wrong = [("gzip", body, 400), ("gzip", whole[:-4], 400), ("gzip", whole + b"x", 400), ("br", body, 415)]
    for coding, packed, status in wrong:
        assert one.post(SUMS, content=packed, headers={"content-encoding": coding}).status_code == status


def test_a_body_beyond_the_limit_is_refused_however_it_comes(client: Callable[..., Any]) -> None:
    """Stated, in parts, or small until it is decompressed."""
    one = client("sums:1", limits=Limits(body=1000))

    async def parts() -> Any:
        for _ in range(3):
            yield b" " * 400

    bomb = gzip.compress(b" " * 100_000)
    assert len(bomb) < 1000
    assert one.post(SUMS, content=b" " * 1001).status_code == 413
    assert one.post(SUMS, content=parts()).status_code == 413
    assert one.post(SUMS, content=bomb, headers={"content-encoding": "gzip"}).status_code == 413


def test_a_call_that_takes_too_long_is_a_504_and_a_full_queue_a_503(client: Callable[..., Any]) -> None:
    """What the runner says of time and room becomes a status."""
    assert client("slow", seconds=0.05).post("/models/slow", [[0.3]]).status_code == 504
    one = client("slow", max_queue_rows=1)
    one.shelf.served[0].runner.drain(10)
    refused = one.post("/models/slow", [[0.0]])
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
