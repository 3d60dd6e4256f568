"""What operators ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import tiffin
from tiffin_serve import Place, Served, Shelf


def test_ready_only_once_every_runner_has_answered(client: Callable[..., Any], loop: Callable[..., Any]) -> None:
    """A model that is loaded and was never called is not ready yet; one whose runner drains is not any more."""
    one = client("sums:1", "words")
    assert one.get("/readyz").json()["ready"] is True
    waiting = Served(tiffin.get("sums:2"), {})
    before = one.shelf.versions
    one.shelf.show({**before, "sums:2": waiting}, [Place(tag, tag) for tag in (*before, "sums:2")])
    waiting.runner.start()
    answer = one.get("/readyz")
    assert (answer.status_code, answer.json()["models"]) == (
        503,
        {"sums:1": True, "words:" + str(tiffin.get("words").version): True, "sums:2": False},
    )
    waiting.runner.stop()
    one.shelf.show(before, [Place(tag, tag) for tag in before])
    one.shelf.draining = True
    assert one.get("/readyz").status_code == 503
    assert one.get("/livez").status_code == 200


def test_each_method_whose_spec_says_enough_is_called_at_the_start(client: Callable[..., Any]) -> None:
    """Ready says more than loaded: a row of zeros went through."""
    one = client("sums:1")
    counted = one.shelf.served[0].runner.metrics()["methods"]
    assert {name: method["calls"] for name, method in counted.items()} == {"predict": 1, "divided": 1, "both": 1}


def test_metrics_count_answers_and_calls(client: Callable[..., Any]) -> None:
    """Prometheus' text has what the server answered, by path and status, and what runners did."""
    one = client("sums:1")
    one.post("/models/sums/predict", [[1, 2, 3]])
    one.post("/models/sums/predict", [1])
    one.post("/models/%22%0a/predict", [])
    lines = one.get("/metrics").text.splitlines()
    assert 'tiffin_http_answers_total{path="/models/sums/predict",status="200"} 1' in lines
    assert 'tiffin_http_answers_total{path="/models/sums/predict",status="422"} 1' in lines
    assert 'tiffin_http_answers_total{path="",status="404"} 1' in lines
    assert 'tiffin_http_seconds_count{path="/models/sums/predict"} 2' in lines
    assert 'tiffin_calls_total{runner="sums:1",method="predict"} 2' in lines
    assert all(
        line.startswith("#") or line.rpartition(" ")[2].replace(".", "").replace("e-", "").isdigit() for line in lines
    )


def test_the_list_of_models_says_what_each_takes(store: None, client: Callable[..., Any]) -> None:
    """Names, methods and specs, for people and programs."""
    one = client("sums:prod")
    [model] = one.get("/models").json()["models"]
    assert model == one.get("/models/sums:prod").json()
    assert model["names"] == ["sums", "sums:1", "sums:prod"]
    assert model["methods"]["predict"]["takes"] == "array of float64, shape (any, 3)"


def test_an_alias_and_its_version_are_one(client: Callable[..., Any]) -> None:
    """What is asked for by two names runs once, and both mean it."""
    one = client("sums:prod", "sums:1")
    assert len(one.shelf.served) == 1
    for name in ("sums", "sums:prod", "sums:1"):
        assert one.post(f"/models/{name}", [[1, 2, 3]]).json() == [6.0]


def test_models_are_loaded_one_after_the_other(store: None, loop: Callable[..., Any]) -> None:
    """Two threads that import one framework at the same time may see each other's half-made modules."""
    order: list[str] = []

    class Told(Served):
        async def start(self, *, check: bool = False) -> None:
            order.append(f"{self.tag} begins")
            await asyncio.sleep(0)
            order.append(f"{self.tag} ends")

    shelf = Shelf([Told(tiffin.get(tag), {}) for tag in ("sums:1", "sums:2")])
    loop(shelf.start())
    assert order == ["sums:1 begins", "sums:1 ends", "sums:2 begins", "sums:2 ends"]
