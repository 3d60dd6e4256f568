"""The object whose methods run: what `prepare` makes of a model, at save, in runnables and in worker processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import hookimpl
from tiffin.exceptions import HookError, PartialKwargsError, SignatureError, UntrustedModelError
from tiffin.plugins import Registry

ONLY = {"score": {"batchable": True}}
B = {"score": {"name": "b"}}


class Proto:
    """A model that has no methods: weights by name."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = dict(weights)


class Session:
    """What runs it."""

    def __init__(self, proto: Proto, device: str | None, custom_objects: Mapping[str, Any], scale: float = 1) -> None:
        self.weights, self.device, self.custom_objects, self.scale = proto.weights, device, custom_objects, scale

    def score(self, x: list[float], name: str = "a") -> list[float]:
        return [value * self.weights[name] * self.scale for value in x]

    def where(self) -> str | None:
        return self.device

    def extra(self) -> Any:
        return self.custom_objects["extra"]


class Adapter:
    """An adapter without `get_runnable`."""

    def __init__(self, **info: Any) -> None:
        self.info = {"resources": ("nvidia.com/gpu", "cpu"), **info}

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {
            "types": [f"{Proto.__module__}.Proto"],
            "signatures": {"score": {"batchable": True}, "where": {}},
            "options": {"scale": 1},
            "code_files": (),
            **self.info,
        }

    @hookimpl
    def save(self, model: Proto, path: Path) -> None:
        (path / "weights.json").write_text(json.dumps(model.weights), encoding="utf-8")

    @hookimpl
    def load(self, path: Path) -> Any:
        return Proto(json.loads((path / "weights.json").read_text(encoding="utf-8")))

    @hookimpl
    def prepare(self, obj: Proto, options: Any, custom_objects: Any, device: Any) -> Session:
        return Session(obj, device, custom_objects, options["scale"])


class FileAdapter(Adapter):
    """One whose models are files: `load` returns what runs, and `prepare` has nothing to do."""

    @hookimpl
    def save(self, model: Any, path: Path) -> None:
        assert isinstance(model, Path)
        (path / "weights.json").write_bytes(model.read_bytes())

    @hookimpl
    def load(self, path: Path, options: Any, custom_objects: Any) -> Session:
        proto = Proto(json.loads((path / "weights.json").read_text(encoding="utf-8")))
        return Session(proto, None, custom_objects, options["scale"])

    @hookimpl
    def prepare(self) -> None:
        return None


@pytest.fixture(autouse=True)
def _registered(fresh_registry: Registry, store_home: Path) -> None:
    tiffin.register(Adapter(), "proto")


def test_what_is_said_of_methods_is_checked_against_the_prepared_object() -> None:
    """The proto itself has none of them; a misspelled one is refused, and nothing is saved."""
    model = tiffin.save("x", Proto({"a": 2, "b": 3}), signatures=ONLY, input_example=[1.0, 2.0], partial_kwargs=B)
    assert model.info.signatures["score"].input_spec is not None
    assert isinstance(model.load(), Proto)
    assert model.to_runnable()().score([1.0]) == [3.0]
    with pytest.raises(SignatureError, match="'predikt'"):
        tiffin.save("y", Proto({}), signatures={"predikt": {}})
    with pytest.raises(PartialKwargsError, match="'nam'"):
        tiffin.save("y", Proto({}), partial_kwargs={"score": {"nam": "b"}})
    with pytest.raises(SignatureError, match="KeyError"):
        tiffin.save("y", Proto({}), signatures=ONLY, input_example=[1.0])
    assert [found.name for found in tiffin.models.list()] == ["x"]


def test_an_object_that_loads_as_another_kind_is_checked_as_loaded(store_home: Path) -> None:
    """A file, or a proto, is written first; what does not fit is refused before it is published."""
    tiffin.register(FileAdapter(types=[], paths=True), "plain_file")
    file = store_home.parent / "w.json"
    file.write_text('{"a": 5}', encoding="utf-8")
    model = tiffin.plain_file.save_model("x", str(file), signatures=ONLY, input_example=[1.0])
    assert model.info.signatures["score"].output_spec is not None
    assert model.load().score([2.0]) == [10.0]
    assert tiffin.save("z", file, framework="plain_file").to_runnable()().score([2.0]) == [10.0]
    with pytest.raises(SignatureError, match="'predikt'"):
        tiffin.plain_file.save_model("y", file, signatures={"predikt": {}})
    assert {found.name for found in tiffin.models.list()} == {"x", "z"}


def test_a_misspelled_method_of_an_adapters_own_runnable_is_refused() -> None:
    """`get_runnable` is asked about the version that is about to be published."""

    class Own(tiffin.Runnable):
        @tiffin.Runnable.method
        def own(self) -> str:
            return "own"

    class WithRunnable(Adapter):
        @hookimpl
        def get_runnable(self, model: Any) -> Any:
            assert isinstance(model.load(), Proto)
            return Own if model.info.labels else None

    tiffin.unregister("proto")
    tiffin.register(WithRunnable(), "proto")
    own, other = {"labels": {"a": "b"}, "signatures": {"own": {}}}, {"signatures": {"predikt": {}}}
    assert tiffin.save("x", Proto({}), **own).to_runnable() is Own
    for wrong in ({**own, **other}, other, {"signatures": own["signatures"]}):
        with pytest.raises(SignatureError, match=r"'predikt'|'own'"):
            tiffin.save("y", Proto({}), **wrong)
    assert [found.name for found in tiffin.models.list()] == ["x"]


@pytest.mark.parametrize(("visible", "device"), [("1", "nvidia.com/gpu"), ("", "cpu"), ("-1", "cpu")])
def test_the_device_is_what_the_process_sees(visible: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a worker process, too, whose adapter was registered in the program that started it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    model = tiffin.save("x", Proto({"a": 2}))
    assert model.to_runnable()().where() == device
    with model.to_runner(backend="process") as runner:
        assert runner.where.run() == device
        assert runner.score.run([1.0, 2.0]) == [2.0, 4.0]


def test_a_device_that_the_adapter_does_not_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU model on a machine with GPUs stays where it belongs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    tiffin.unregister("proto")
    tiffin.register(Adapter(resources=["cpu"]), "proto")
    assert tiffin.save("x", Proto({"a": 2})).to_runnable()().where() == "cpu"


def test_prepare_and_load_get_the_custom_objects() -> None:
    """At save those that are given, later those that are stored, each loaded when it is asked for."""
    extra = {"signatures": {"extra": {}}, "custom_objects": {"extra": {"k": 1}}}
    assert tiffin.save("x", Proto({}), **extra).to_runnable()().extra() == {"k": 1}
    tiffin.register(FileAdapter(types=[], paths=True), "plain_file")
    file = tiffin.get("x").path / "weights.json"
    assert tiffin.plain_file.save_model("y", file, **extra).load().extra() == {"k": 1}


def test_a_custom_object_of_a_stranger_is_not_loaded_for_an_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's own files run no code; what stands beside them is checked when the adapter asks for it."""

    class Eager(Adapter):
        @hookimpl
        def load(self, path: Path, custom_objects: Any) -> Any:
            return custom_objects["extra"]

    tiffin.unregister("proto")
    tiffin.register(Eager(), "proto")
    tiffin.save("x", Proto({}), custom_objects={"extra": lambda: 1})
    tiffin.models.export_model("x", tmp_path / "x.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    tiffin.models.import_model(tmp_path / "x.tar")
    with pytest.raises(UntrustedModelError):
        tiffin.load("x")


def test_options_for_one_load() -> None:
    """They stand in for the recorded ones, which stay."""
    seen: list[Any] = []

    class Noting(Adapter):
        @hookimpl
        def load(self, options: Any) -> Any:
            seen.append(options["scale"])
            return Proto({})

    tiffin.unregister("proto")
    tiffin.register(Noting(), "proto")
    tiffin.save("x", Proto({}), scale=3)
    tiffin.load("x")
    tiffin.load("x", scale=4)
    tiffin.proto.load_model("x", scale=5)
    assert seen == [3, 4, 5]
    assert tiffin.get("x").info.options == {"scale": 3}
    with pytest.raises(SignatureError, match=r"Unknown option 'scal'.*Did you mean 'scale'"):
        tiffin.load("x", scal=4)


def test_an_option_with_the_name_of_an_argument_is_refused_when_the_adapter_is_registered() -> None:
    """It could never be given."""
    with pytest.raises(HookError, match="'odd' has an option 'trust'"):
        tiffin.register(Adapter(options={"trust": True}), "odd")
