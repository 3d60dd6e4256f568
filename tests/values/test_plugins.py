"""Kinds of plugins: asked when a value needs them, in callers, workers and clients; tensors lose graph and device."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from inside.signatures import count_rows
from tiffin.exceptions import PluginError, PluginWarning, UnsendableError
from tiffin.runners import Runnable, Runner
from tiffin.signatures import infer_spec, plain_spec
from tiffin.values import ValueKind, find_kind, from_numpy, register_kind, registry

EXAMPLE = Path(__file__).parents[2] / "examples" / "values-tokens" / "src"


class Tensor:
    """Stands for a framework's tensor: data, a device, and the graph that a result hangs on."""

    def __init__(self, data: Any, device: str = "cpu", graph: Any = None) -> None:
        self.data, self.device, self.graph = np.asarray(data), device, graph


class Parameter(Tensor):
    pass


class TensorKind(ValueKind):
    name = "framework.Tensor"
    types = (Tensor,)
    subclasses = True

    def count(self, value, axis):
        return value.data.shape[axis]

    def key(self, value, axis):
        return value.data.dtype, value.data.shape[1:], value.device

    def join(self, values, axis):
        return Tensor(np.concatenate([value.data for value in values]), values[0].device)

    def cut(self, value, start, stop, axis):
        return Tensor(value.data[start:stop], value.device)

    def settle(self, result):
        return Tensor(result.data, result.device) if result.graph else result

    def send(self, value):
        assert not value.graph
        return value.data

    def receive(self, parts):
        return Tensor(parts)

    def spec(self, value, axis):
        shape = [None if number == axis else length for number, length in enumerate(value.data.shape)]
        return {"type": "array", "dtype": str(value.data.dtype), "shape": shape}

    def from_numpy(self, array, spec):
        return Tensor(array.astype(spec["dtype"]))


class TensorAdapter:
    """An adapter that claims a class of a package that is imported."""

    def __init__(self) -> None:
        self.asked = 0

    @tiffin.hookimpl
    def context_info(self):
        return {"types": [f"{Tensor.__module__}.Module"]}

    @tiffin.hookimpl
    def save(self, model, path):
        raise NotImplementedError

    @tiffin.hookimpl
    def load(self, path):
        raise NotImplementedError

    @tiffin.hookimpl
    def values(self):
        self.asked += 1
        return [TensorKind()]


@pytest.fixture
def adapter() -> Iterator[TensorAdapter]:
    tiffin.register(made := TensorAdapter(), name="tensor_framework")
    yield made
    tiffin.unregister("tensor_framework")


class Model(Runnable):
    @Runnable.method(batchable=True)
    def double(self, x):
        return Tensor(x.data * 2, x.device, graph=["nodes"])

    @Runnable.method(batchable=True)
    def devices(self, x):
        return [x.device] * len(x.data)

    @Runnable.method
    def nested(self, x):
        return {"out": [(x, Tensor(x.data, graph=["nodes"]))], "n": 1}

    @Runnable.method
    async def later(self, x):
        return Tensor(x.data, graph=["nodes"])

    @Runnable.method
    def pieces(self, x):
        yield Tensor(x.data, graph=["nodes"])


def runners(place: str, runnable: type[Runnable], folder: Path) -> tuple[Any, Any]:
    runner = Runner(runnable, backend="local" if place == "local" else "process").start()
    if place != "attached":
        return runner, runner
    folder.chmod(0o700)
    return runner, Runner.attach(runner.listen(folder / "runner"))


@pytest.mark.parametrize("place", ["local", "process", "attached"])
def test_tensors_of_an_adapter_merge_cross_and_come_back_without_graph(place, adapter, tmp_path):
    """Also subclasses, inside other values, from coroutines and streams; for a plain Runnable, adapter given at run time."""
    runner, called = runners(place, Model, tmp_path)
    with runner, called:

        async def main() -> list[Any]:
            values = [Tensor([[1.0]]), Parameter([[2.0]], graph=["leaf"]), Tensor([[3.0], [4.0]])]
            return await asyncio.gather(*(called.double.async_run(value) for value in values))

        answers = asyncio.run(main())
        assert [type(answer) for answer in answers] == [Tensor] * 3
        assert [answer.data.tolist() for answer in answers] == [[[2.0]], [[4.0]], [[6.0], [8.0]]]
        inner = called.nested.run(Tensor([[1.0]]))["out"][0]
        loose = [*answers, *inner, called.later.run(Tensor([[1.0]])), *called.pieces.run(Tensor([[1.0]]))]
        assert [answer.graph for answer in loose] == [None] * len(loose)
    assert adapter.asked == 1


def test_tensors_on_different_devices_do_not_share_a_batch(adapter):
    """What a kind's key holds keeps them apart."""

    async def main(runner: Runner) -> list[Any]:
        values = [Tensor([[1.0]], "cpu"), Tensor([[2.0]], "gpu:0"), Tensor([[3.0]], "gpu:1")]
        return await asyncio.gather(*(runner.devices.async_run(value) for value in values))

    with Runner(Model) as runner:
        assert asyncio.run(main(runner)) == [["cpu"], ["gpu:0"], ["gpu:1"]]


def test_specs_and_rows_ask_the_kind(adapter):
    """As at save; a spec that names its kind is enough to make a value of an array."""
    spec = infer_spec(Tensor(np.ones((2, 3), "float32")), batch_dim=0)
    assert spec == {"type": "array", "dtype": "float32", "shape": [None, 3], "kind": "framework.Tensor"}
    assert count_rows(Tensor(np.ones((2, 3))), 0, where="input") == 2
    made = from_numpy(np.ones((4, 3)), spec)
    assert type(made) is Tensor
    assert made.data.dtype == np.float32


class Named:
    """What a framework returns: tensors by name."""


class NamedKind(ValueKind):
    name, types = "named", (Named,)

    def spec(self, value, axis):
        return {"type": "dict", "properties": {"x": {"type": "array", "dtype": "int64", "shape": [None, None]}}}


def test_a_kind_may_describe_its_values_as_dicts():
    """Such a spec is one that signatures take; of arrays alone it says of which kind they are made."""
    register_kind(NamedKind())
    spec = infer_spec(Named(), batch_dim=0)
    assert spec == plain_spec(spec, where="input")
    assert "kind" not in spec


def test_kinds_go_with_their_plugin(adapter):
    """After unregister the class is unknown, and known again when the plugin comes back."""
    assert find_kind(Tensor(1)) is not None
    tiffin.unregister("tensor_framework")
    assert find_kind(Tensor(1)) is None
    tiffin.register(adapter, name="tensor_framework")
    assert find_kind(Tensor(1)) is not None


def test_an_adapter_is_asked_only_once_its_package_is_imported():
    """And a class of the standard library, or of numpy, asks nobody."""

    class Lazy(TensorAdapter):
        @tiffin.hookimpl
        def context_info(self):
            return {"types": ["framework_of_the_test.Module"]}

    tiffin.register(lazy := Lazy(), name="lazy_framework")
    try:
        assert find_kind(Tensor(1)) is None
        assert lazy.asked == 0
        sys.modules["framework_of_the_test"] = types.ModuleType("framework_of_the_test")
        registry.forget([])
        assert find_kind(np.matrix([1])) is find_kind(object()) is None
        assert lazy.asked == 0
        assert find_kind(Tensor(1)) is not None
        assert lazy.asked == 1
    finally:
        sys.modules.pop("framework_of_the_test", None)
        tiffin.unregister("lazy_framework")


@pytest.mark.parametrize("answer", ["framework.Tensor", [Tensor], 1, TensorKind()])
def test_a_wrong_answer_is_warned_of_and_hides_nobody_else(answer):
    """The warning names the plugin; its values stay unknown."""

    class Wrong:
        @tiffin.hookimpl
        def values(self):
            return answer

    tiffin.register(Wrong(), name="wrong_values")
    try:
        with pytest.warns(PluginWarning, match="'wrong_values' cannot say its kinds"):
            assert find_kind(Tensor(1)) is None
        with Runner(Model, backend="process") as runner, pytest.raises(UnsendableError, match="Tensor"):
            runner.double.run(Tensor([[1.0]]))
    finally:
        tiffin.unregister("wrong_values")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "has the name ''"),
        ({"types": "framework.Tensor"}, "types='framework.Tensor'"),
        ({"types": ["Tensor"]}, "types="),
        ({"count": ValueKind.count}, "lacks count"),
        ({"join": ValueKind.join}, "lacks join"),
        ({"receive": ValueKind.receive}, "lacks receive"),
    ],
)
def test_half_a_kind_is_refused_when_it_is_registered(changes, words):
    """With what is missing, in one error."""
    with pytest.raises(PluginError, match=words.replace("'", ".")):
        register_kind(type("Half", (TensorKind,), changes)())


def test_private_and_public_names_mean_the_class(monkeypatch):
    """Where it is defined, where it is re-exported, and the packages above; a class of another place is not meant."""
    module = types.ModuleType("pack._private.tensors")
    public = types.ModuleType("other_pack")
    made = type("Made", (), {"__module__": "pack._private.tensors", "__qualname__": "Made"})
    public.Made = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pack._private.tensors", module)
    monkeypatch.setitem(sys.modules, "other_pack", public)
    for name in ("pack._private.tensors.Made", "pack._private.Made", "pack.Made", "other_pack.Made"):
        kind = type("Named", (TensorKind,), {"name": name, "types": [name]})()
        register_kind(kind)
        assert find_kind(made()) is kind
        registry.forget([kind])
    kind = type("Named", (TensorKind,), {"name": "x", "types": ["pac.Made", "pack.Mad", "elsewhere.Made"]})()
    register_kind(kind)
    assert find_kind(made()) is None
    registry.forget([kind])


@pytest.mark.parametrize("place", ["local", "process", "attached"])
def test_the_example_of_a_third_party_runs(place, tmp_path, monkeypatch):
    """Thirty lines: padded when merged, sent to a worker that learns the kind from the program that starts it."""
    monkeypatch.syspath_prepend(EXAMPLE)
    example = importlib.import_module("tiffin_tokens")

    class Lengths(Runnable):
        @Runnable.method(batchable=True)
        def widths(self, tokens):
            return [tokens.ids.shape[1]] * len(tokens.ids)

        @Runnable.method(batchable=True)
        def same(self, tokens):
            return tokens

    tiffin.register(example, name="tokens")
    try:
        runner, called = runners(place, Lengths, tmp_path)

        async def main(handle: Any) -> list[Any]:
            values = [example.Tokens([[1, 2]]), example.Tokens([[1, 2, 3], [4, 5, 6]])]
            return await asyncio.gather(*(handle.async_run(value) for value in values))

        with runner, called:
            assert max(max(widths) for widths in asyncio.run(main(called.widths))) == 3
            answers = asyncio.run(main(called.same))
            assert [answer.ids[:, :2].tolist() for answer in answers] == [[[1, 2]], [[1, 2], [4, 5]]]
    finally:
        tiffin.unregister("tokens")


def test_values_are_found_without_a_runner():
    """A program that only saves or only attaches asks the plugins as well."""
    code = "from tiffin.values import find_kind\nimport polars\nprint(find_kind(polars.DataFrame()).name)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "polars.DataFrame"
