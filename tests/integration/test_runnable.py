"""`get_runnable` and `to_runnable`: a class whose instances load the model, and whose methods can be called directly."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import tiffin
from tiffin import Runnable, hookimpl
from tiffin.exceptions import AdapterNotFoundError, SignatureError, StoreError, TiffinError, WrongFrameworkError
from tiffin.runners import RunnableMethod

X, y = load_iris(return_X_y=True)


@pytest.fixture
def model() -> Any:
    """Return the handle on a stored classifier."""
    fitted = LogisticRegression(max_iter=500).fit(X, y)
    signatures = {
        "predict": {"batchable": True},
        "predict_proba": {"batchable": True, "batch_dim": (0, 0)},
        "score": {},
    }
    return tiffin.save("iris", fitted, signatures=signatures)


def test_an_instance_has_the_methods_of_the_signatures(model: Any) -> None:
    """And answers as the model does."""
    runnable = model.to_runnable()
    assert issubclass(runnable, Runnable)
    assert set(runnable.runnable_methods) == {"predict", "predict_proba", "score"}
    instance = runnable()
    loaded = model.load()
    np.testing.assert_array_equal(instance.predict(X), loaded.predict(X))
    np.testing.assert_array_equal(instance.predict_proba(X[:3]), loaded.predict_proba(X[:3]))
    assert instance.score(X, y) == loaded.score(X, y)


def test_a_class_is_made_without_loading_the_model(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that makes a runner need not hold the model."""
    loads: list[str] = []
    original = type(model).load
    monkeypatch.setattr(type(model), "load", lambda self: loads.append(str(self.tag)) or original(self))
    runnable = model.to_runnable()
    assert loads == []
    runnable()
    assert loads == [str(model.tag)]


def test_methods_know_how_their_calls_may_be_merged(model: Any) -> None:
    """What the signature says, and what the adapter says of resources."""
    runnable = tiffin.sklearn.get_runnable(model.tag)
    methods = runnable.runnable_methods
    assert isinstance(methods["predict"], RunnableMethod)
    assert methods["predict"].batchable
    assert not methods["score"].batchable
    assert tuple(runnable.SUPPORTED_RESOURCES) == ("cpu",)
    assert runnable.SUPPORTS_CPU_MULTI_THREADING


def test_partial_kwargs_are_merged_under_the_calls_arguments() -> None:
    """By keyword and by position; other handles may have others."""

    class Scale:
        def apply(self, values: Any, factor: int = 1, offset: int = 0) -> Any:
            return [value * factor + offset for value in values]

    model = tiffin.picklable_model.save_model(
        "scale", Scale(), signatures={"apply": {}}, partial_kwargs={"apply": {"factor": 10, "offset": 1}}
    )
    instance = model.to_runnable()()
    assert instance.apply([1]) == [11]
    assert instance.apply([1], factor=2) == [3]
    assert instance.apply([1], 2) == [3]
    assert instance.apply([1], 2, 0) == [2]
    other = model.with_options(partial_kwargs={"apply": {"factor": 5}})
    assert other.to_runnable()().apply([1]) == [5]
    assert tiffin.get("scale").to_runnable()().apply([1]) == [11]


def test_a_callable_is_called() -> None:
    """The default signature of any object."""
    instance = tiffin.save("double", lambda x: x * 2).to_runnable()()
    assert instance.__call__(4) == 8
    assert instance(4) == 8


def test_an_adapters_own_runnable_is_used(fresh_registry: Any) -> None:
    """Where the adapter has the hook and does not answer None."""

    class Own(Runnable):
        @Runnable.method
        def shout(self) -> str:
            return "own"

    class Adapter:
        own: Any = Own

        @hookimpl
        def context_info(self) -> dict[str, Any]:
            return {"types": [f"{__name__}.Thing"], "signatures": {"shout": {}}}

        @hookimpl
        def save(self, path: Any) -> None:
            (path / "x").write_text("x", encoding="utf-8")

        @hookimpl
        def load(self) -> Any:
            return Thing()

        @hookimpl
        def get_runnable(self) -> Any:
            return self.own

    adapter = Adapter()
    tiffin.register(adapter, "own")
    model = tiffin.save("x", Thing())
    assert model.to_runnable() is Own
    adapter.own = None
    assert model.to_runnable()().shout() == "default"


class Thing:
    """A model with a method."""

    def shout(self) -> str:
        return "default"


def test_what_has_no_methods_to_offer_is_refused() -> None:
    """Data without signatures, a raw folder, another framework's model, a model whose adapter is not there."""
    with pytest.raises(SignatureError, match=r"has no signatures.*signatures="):
        tiffin.save("data", {"a": 1}).to_runnable()
    with tiffin.models.create("raw"):
        pass
    with pytest.raises(StoreError, match="raw folder"):
        tiffin.get("raw").to_runnable()
    with pytest.raises(WrongFrameworkError):
        tiffin.sklearn.get_runnable("data")
    assert issubclass(AdapterNotFoundError, TiffinError)


class Talker:
    """A model that streams, and counts."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def __setstate__(self, state: Any) -> None:
        self.thread = threading.get_ident()

    def talk(self, words: int) -> Any:
        yield from map(str, range(words))

    def home(self) -> bool:
        return threading.get_ident() == self.thread


@pytest.mark.parametrize("backend", ["local", "process"])
def test_signatures_say_what_streams_and_where_a_method_runs(backend: str) -> None:
    """A stored model streams as a runnable of one's own does, its partial kwargs merged in."""
    signatures = {"talk": {"stream": True}, "home": {"thread_affine": True, "idempotent": False}}
    model = tiffin.save("x", Talker(), signatures=signatures, partial_kwargs={"talk": {"words": 3}})
    methods = model.to_runnable().runnable_methods
    assert (methods["talk"].kind, methods["home"].thread_affine, methods["home"].idempotent) == ("stream", True, False)
    with model.to_runner(backend=backend) as runner:
        assert [*runner.talk.run(2)] == ["0", "1"]
        assert [*runner.talk.run()] == ["0", "1", "2"]
        assert runner.home.run()
