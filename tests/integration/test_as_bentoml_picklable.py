"""Python objects, as BentoML's users keep them with `picklable_model`; holds for Tiffin, and for BentoML itself."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import bentoml_shim as bentoml

BentoMLException = bentoml.exceptions.BentoMLException
picklable_model = bentoml.picklable_model


class Scale:
    """A model with a method that takes rows, and one that does not."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows) * self.factor

    def describe(self) -> str:
        return f"times {self.factor}"

    def __call__(self, rows: Any) -> Any:
        return self.predict(rows)


def double(value: float) -> float:
    return 2 * value


def test_a_function_is_saved_and_loaded() -> None:
    """With the signature of its call, which does not merge."""
    saved = picklable_model.save_model("double", double)
    assert saved.tag.name == "double"
    assert picklable_model.load_model("double:latest")(3) == 6
    assert {name: signature.batchable for name, signature in saved.info.signatures.items()} == {"__call__": False}


@pytest.mark.parametrize("which", ["name", "latest", "tag", "text", "model"])
def test_a_model_is_loaded_by_whatever_names_it(which: str) -> None:
    """A name, a tag, its text, or the model."""
    saved = picklable_model.save_model("scale", Scale(3), signatures={"predict": {"batchable": True}})
    named = {"name": "scale", "latest": "scale:latest", "tag": saved.tag, "text": str(saved.tag), "model": saved}
    assert picklable_model.load_model(named[which]).describe() == "times 3"
    assert saved.load_model().describe() == "times 3"


def test_a_class_of_ones_own_is_kept_with_all_that_is_said_of_it() -> None:
    """Signatures, labels, metadata, custom objects."""
    picklable_model.save_model(
        "scale",
        Scale(3),
        signatures={"predict": {"batchable": True, "batch_dim": 0}, "describe": {"batchable": False}},
        labels={"owner": "nlp_team", "stage": "dev"},
        metadata={"author": "me", "scores": {"a": [0.5]}},
        custom_objects={"clean": str.strip, "names": ["a", "b"]},
    )
    model = picklable_model.get("scale:latest")
    assert {name: signature.batchable for name, signature in model.info.signatures.items()} == {
        "predict": True,
        "describe": False,
    }
    assert tuple(model.info.signatures["predict"].batch_dim) == (0, 0)
    assert model.info.labels == {"owner": "nlp_team", "stage": "dev"}
    assert model.info.metadata == {"author": "me", "scores": {"a": [0.5]}}
    assert model.custom_objects["clean"](" a ") == "a"
    assert model.custom_objects["names"] == ["a", "b"]


def test_external_modules_need_not_be_there_where_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stored with it."""
    module = ModuleType("own_tokenizer")
    source = "def tokenize(text):\n    return clean(text).split()\ndef clean(text):\n    return text.lower()"
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, "own_tokenizer", module)
    picklable_model.save_model("tokenizer", module.tokenize, external_modules=[module])
    monkeypatch.delitem(sys.modules, "own_tokenizer")
    assert picklable_model.load_model("tokenizer")("A b") == ["a", "b"]


@pytest.mark.parametrize("batch_dim", [0, 1, (0, 1)])
def test_batch_dim_of_a_signature_is_kept(batch_dim: Any) -> None:
    """One number for both axes, or a pair; in a dict or a `ModelSignature`."""
    pair = (batch_dim, batch_dim) if isinstance(batch_dim, int) else batch_dim
    given = {"batchable": True, "batch_dim": batch_dim}
    for signature in (given, bentoml.types.ModelSignature.from_dict(given)):
        saved = picklable_model.save_model("scale", Scale(1), signatures={"predict": signature})
        for model in (saved, bentoml.models.get(saved.tag)):
            assert tuple(model.info.signatures["predict"].batch_dim) == pair


def test_another_frameworks_model_is_not_got() -> None:
    """A folder of files is none of `picklable_model`."""
    with bentoml.models.create("files") as model:
        Path(model.path_of("x")).write_text("x")
    with pytest.raises((BentoMLException, ValueError)):
        picklable_model.get("files")
    with pytest.raises((BentoMLException, ValueError)):
        picklable_model.load_model("files")


@pytest.mark.filterwarnings("ignore:Calls of 'describe'")
def test_a_runner_of_a_model_has_its_methods() -> None:
    """After `init_local`, by `run` of each."""
    signatures = {"predict": {"batchable": True}, "describe": {"batchable": False}}
    picklable_model.save_model("scale", Scale(3), signatures=signatures)
    runner = picklable_model.get("scale:latest").to_runner(name="scaler", max_batch_size=10, max_latency_ms=10_000)
    runner.init_local(quiet=True)
    assert (runner.name, [model.tag.name for model in runner.models]) == ("scaler", ["scale"])
    np.testing.assert_array_equal(runner.predict.run(np.ones((2, 2))), np.full((2, 2), 3))
    assert runner.describe.run() == "times 3"
    runner.destroy()


def test_the_one_method_of_a_runner_is_its_run() -> None:
    """So is `__call__` of several."""
    picklable_model.save_model("double", double)
    runner = picklable_model.get("double").to_runner()
    runner.init_local(quiet=True)
    assert runner.run(4) == 8
    runner.destroy()


def test_an_instance_of_a_runnable_can_be_called_directly() -> None:
    """`to_runnable` gives its class."""
    picklable_model.save_model("scale", Scale(3), signatures={"describe": {"batchable": False}})
    runnable = picklable_model.get("scale").to_runnable()
    assert issubclass(runnable, bentoml.legacy.Runnable)
    assert runnable().describe() == "times 3"
