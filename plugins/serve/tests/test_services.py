"""Services: functions of a user's, what they take and give, their runners, and the command that serves them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import tiffin
from tiffin_serve import AsgiApplication, ServeError, Service
from tiffin_serve.io import JSON, NumpyNdarray, PandasDataFrame, PandasSeries, Text


def ask(loop: Callable[..., Any], service: Service, path: str, body: Any, method: str = "POST") -> httpx.Response:
    """Send one request to a service in this process."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.asgi()), base_url="http://service"
        ) as client:
            return await client.request(method, path, content=content)

    found: httpx.Response = loop(send())
    return found


def test_a_function_calls_a_runner_and_its_answer_goes_back(store: None, loop: Callable[..., Any]) -> None:
    """Synchronous and asynchronous functions both, with the descriptors that are said."""
    runner = tiffin.get("sums:1").to_runner()
    service = Service("totals", runners=[runner])

    @service.api(input=NumpyNdarray(shape=(-1, 3)), output=NumpyNdarray())
    def total(rows: Any) -> Any:
        return runner.predict.run(rows)

    @service.api(input=NumpyNdarray(dtype="float64"), output=JSON(), route="/v1/total")
    async def later(rows: Any) -> Any:
        return {"total": await runner.predict.async_run(rows)}

    loop(service.start())
    try:
        assert ask(loop, service, "/total", [[1, 2, 3]]).json() == [6.0]
        assert ask(loop, service, "/v1/total", [[1, 2, 3]]).json() == {"total": [6.0]}
        wrong = ask(loop, service, "/total", [[1, 2]])
        assert (wrong.status_code, "shape (any, 3)" in wrong.json()["error"]) == (422, True)
        assert ask(loop, service, "/readyz", b"", "GET").json()["models"] == {"sums": True}
        assert ask(loop, service, "/total", b"", "GET").status_code == 405
    finally:
        loop(service.stop())
    assert not runner.ready()


def test_a_runner_that_is_started_already_stays_its_owners(store: None, loop: Callable[..., Any]) -> None:
    """The service ends what it started, and nothing else."""

    async def within(service: Service) -> dict[str, bool]:
        async with service:
            return service.states()

    with tiffin.get("sums:1").to_runner() as runner:
        assert loop(within(Service("guest", runners=[runner]))) == {"sums": True}
        assert runner.ready()


def test_annotations_are_enough(loop: Callable[..., Any]) -> None:
    """An array, a table, a series, a text are known by their classes; all else is JSON; no argument is no body."""
    pandas = pytest.importorskip("pandas")
    service = Service("plain")

    def doubled(rows: np.ndarray) -> np.ndarray:
        return rows * 2

    def shout(text: str) -> str:
        return text.upper()

    def count(things: dict[str, int]) -> int:
        return len(things)

    def columns(table: pandas.DataFrame) -> list[str]:
        return list(table.columns)

    def nothing() -> dict[str, bool]:
        return {"called": True}

    columns.__annotations__["table"] = pandas.DataFrame
    for function in (doubled, shout, count, columns, nothing):
        assert service.api(function) is function
    assert ask(loop, service, "/doubled", [[1, 2]]).json() == [[2, 4]]
    said = ask(loop, service, "/shout", "ö".encode())
    assert (said.text, said.headers["content-type"]) == ("Ö", "text/plain; charset=utf-8")
    assert ask(loop, service, "/count", {"a": 1}).json() == 1
    assert ask(loop, service, "/columns", [{"a": 1, "b": "x"}]).json() == ["a", "b"]
    assert ask(loop, service, "/nothing", b"").json() == {"called": True}
    assert ask(loop, service, "/doubled", {"a": 1}).status_code == 422
    assert ask(loop, service, "/columns", [1]).status_code == 422
    assert ask(loop, service, "/columns", []).status_code == 422
    assert ask(loop, service, "/shout", b"\xff").status_code == 400


def test_descriptors_check_dtypes_shapes_and_columns() -> None:
    """What does not fit is refused with what was expected; what fits without loss is cast."""
    pytest.importorskip("pandas")
    array = NumpyNdarray(dtype=np.float32, shape=(None, 2))
    assert array.read(b"[[1, 2]]").dtype == np.float32
    for body in (b"[[1, 2, 3]]", b'[["a", "b"]]', b"[[true, false]]", b"7"):
        with pytest.raises(tiffin.exceptions.TiffinError):
            array.read(body)
    table = PandasDataFrame(columns=["age", "city"], dtype={"age": "int64"})
    assert table.read(b'[{"city": "Rome", "age": 31}]').to_dict("records") == [{"age": 31, "city": "Rome"}]
    assert list(table.read(b'{"age": [31], "city": ["Rome"]}').columns) == ["age", "city"]
    for body in (b'[{"age": 31}]', b'[{"age": 1.5, "city": ""}]', b'[{"age": 1, "city": "", "x": 1}]', b"[1]"):
        with pytest.raises(tiffin.exceptions.TiffinError):
            table.read(body)
    assert table.write(table.read(b'[{"age": 31, "city": "Rome"}]')) == b'[{"age":31,"city":"Rome"}]'
    series = PandasSeries(dtype="float64", name="x").read(b"[1, 2]")
    assert (series.tolist(), series.name) == ([1.0, 2.0], "x")


def test_what_cannot_be_an_api_is_refused_when_it_is_made() -> None:
    """Arguments without names, a route that is none or taken, an unknown annotation, a dtype of no column."""
    service = Service("wrong")

    def two(*a: Any) -> Any: ...
    def unknown(a: Any) -> Any: ...

    unknown.__annotations__["a"] = "NotThere"
    for function, options in ((two, {}), (unknown, {}), (len, {"route": "x"}), (len, {"route": "/docs"})):
        with pytest.raises(ServeError) as refused:
            service.api(**options)(function)
        assert refused.value.why or refused.value.fix
    with pytest.raises(ServeError):
        Service("x", runners=["iris"])  # type: ignore[list-item]
    with pytest.raises(ServeError):
        PandasDataFrame(columns=["a"], dtype={"b": "int64"})


def test_an_error_of_a_function_is_a_500_without_its_text(loop: Callable[..., Any]) -> None:
    """A user's mistake is in the log; a value that he refuses is told."""
    service = Service("broken")

    @service.api(input=JSON(), output=JSON())
    def broken(value: Any) -> Any:
        if value == "value":
            raise ValueError("not this one")
        raise KeyError("secret")

    failed = ask(loop, service, "/broken", "x")
    assert (failed.status_code, "secret" in failed.text) == (500, False)
    refused = ask(loop, service, "/broken", "value")
    assert (refused.status_code, "not this one" in refused.text) == (422, True)


def test_the_description_names_every_api(loop: Callable[..., Any]) -> None:
    """Schemas come from the descriptors, and the summary from the docstring."""
    service = Service("described")

    @service.api(input=NumpyNdarray(dtype="int8", shape=(2,)), output=Text())
    def tell(pair: Any) -> str:
        """Tell of a pair."""
        return "told"

    told = ask(loop, service, "/openapi.json", b"", "GET").json()["paths"]["/tell"]["post"]
    assert told["summary"] == "Tell of a pair."
    schema = told["requestBody"]["content"]["application/json"]["schema"]
    assert (schema["minItems"], schema["items"]["minimum"]) == (2, -128)
    assert isinstance(service.asgi(), AsgiApplication)


APP = """
import numpy as np
import tiffin
from tiffin_serve import Service
from tiffin_serve.io import NumpyNdarray

sums_runner = tiffin.get("sums:prod").to_runner()
svc = Service("sums_service", runners=[sums_runner])


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
def total(rows: np.ndarray) -> np.ndarray:
    return sums_runner.predict.run(rows)


other = 1
"""


@pytest.mark.parametrize("target", ["app:svc", "./app.py:svc"])
def test_the_command_serves_a_file(
    serving: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """A small Python file in the current folder is a service."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    one = serving(target)
    assert one.said[1:3] == ["  sums_service", "    POST /total"]
    assert httpx.post(f"{one.url}/total", json=[[1, 2, 3]]).json() == [6.0]
    assert httpx.get(f"{one.url}/readyz").json()["ready"] is True
    one.process.terminate()
    assert one.process.wait(30) == 0


def test_a_target_that_is_no_service_is_an_error_in_words(store: None, tmp_path: Path, models_folder: Path) -> None:
    """A file that breaks, a variable that is none, options of models, and a name that means two things."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    (tmp_path / "sums.py").write_text("prod = 1\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(models_folder)}
    for arguments, code, said in (
        (["app:other"], 1, "There is: svc"),
        (["broken:svc"], 1, "ZeroDivisionError"),
        (["./nix.py:svc"], 1, "no file"),
        (["sums:prod"], 1, "a stored model and a service"),
        (["app:svc", "--backend", "process"], 2, "--backend is for models"),
        (["app:svc", "sums:1"], 2, "served alone"),
        (["nix:svc"], 3, "nix"),
    ):
        command = [sys.executable, "-m", "tiffin", "serve", *arguments, "--port", "0"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path, env=environment
        )
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
