"""Versions that are tried beside the one that is served: canaries and shadows, and what is reported of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tiffin
from tiffin_serve import Place, Served

ROWS = [[1.0, 2.0, 3.0]]
SAVED: dict[str, Any] = {"signatures": {"predict": {"batchable": True}}, "input_example": np.ones((2, 3))}


def tried(one: Any, loop: Callable[..., Any], tag: str, **place: Any) -> None:
    """Serve another version beside the first one of a client."""
    served = Served(tiffin.get(tag), {})
    loop(served.start())
    first = one.shelf.served[0]
    versions = {str(first.tag): first, tag: served}
    one.shelf.show(versions, [Place("sums:prod", str(first.tag), **place)])
    one.refill()


def test_a_canary_answers_its_part_of_the_calls(client: Callable[..., Any], loop: Callable[..., Any]) -> None:
    """One in four, in plain JSON and by the protocol together; by its own tag each version is reached alone."""
    import served_models

    tiffin.save("sums:3", served_models.Plus(), **SAVED)
    one = client("sums:prod")
    tried(one, loop, "sums:3", canary="sums:3", share=0.25)
    answers = [one.post("/models/sums/predict", ROWS) for _ in range(8)]
    assert [answer.json() for answer in answers] == [[6.0], [6.0], [6.0], [7.0]] * 2
    assert [answer.headers["tiffin-model"] for answer in answers].count("sums:3") == 2
    tensor = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": ROWS[0]}
    versions = [one.post("/v2/models/sums/infer", {"inputs": [tensor]}).json()["model_version"] for _ in range(4)]
    assert versions == ["1", "1", "1", "3"]
    assert one.post("/models/sums:1/predict", ROWS).json() == [6.0]
    assert one.post("/models/sums/predict", [[1]]).status_code == 422
    counted = one.get("/metrics").text
    assert 'tiffin_canary_calls_total{version="sums:1",outcome="answered"} 9' in counted
    assert 'tiffin_canary_calls_total{version="sums:1",outcome="refused"} 1' in counted
    assert 'tiffin_canary_calls_total{version="sums:3",outcome="answered"} 3' in counted
    assert 'tiffin_canary_seconds_total{version="sums:3"}' in counted


def test_a_shadow_gets_copies_and_its_answers_are_only_compared(
    client: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    """Callers get the answers of the version that is served, whatever the shadow says or raises."""
    import served_models

    tiffin.save("sums:3", served_models.Plus(), **SAVED)
    one = client("sums:prod")
    tried(one, loop, "sums:3", shadow="sums:3")
    for row, times in (([1.0, 2.0, 3.0], 3), ([0.0, 0.0, 0.0], 2), ([99.0, 0.0, 0.0], 1)):
        for _ in range(times):
            answer = one.post("/models/sums/predict", [row])
            assert (answer.json(), answer.headers["tiffin-model"]) == ([sum(row)], "sums:1")
    copies = 'tiffin_shadow_copies_total{version="sums:1",shadow="sums:3",outcome='
    counted = one.get("/metrics").text
    while sum(int(line.rpartition(" ")[2]) for line in counted.splitlines() if line.startswith(copies)) < 6:
        counted = one.get("/metrics").text
    assert f'{copies}"different"}} 3' in counted
    assert f'{copies}"equal"}} 2' in counted
    assert f'{copies}"failed"}} 1' in counted
