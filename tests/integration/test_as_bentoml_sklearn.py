"""Estimators and runners, as BentoML's users write them; holds for Tiffin, and for BentoML itself."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import bentoml_shim as bentoml

BentoMLException = bentoml.exceptions.BentoMLException
IRIS = datasets.load_iris()


@pytest.fixture
def clf() -> Any:
    """Return the classifier of the quick start."""
    return SVC(gamma="scale").fit(IRIS.data, IRIS.target)


@pytest.mark.parametrize("which", ["name", "latest", "tag", "text", "model"])
def test_the_quick_start_saves_and_loads(which: str, clf: Any) -> None:
    """`save_model` gives a model whose tag is `name:version`; `load_model` gives the estimator back."""
    saved = bentoml.sklearn.save_model("iris_clf", clf)
    name, colon, version = str(saved.tag).partition(":")
    assert (name, colon) == ("iris_clf", ":")
    assert version
    named = {"name": "iris_clf", "latest": "iris_clf:latest", "tag": saved.tag, "text": str(saved.tag), "model": saved}
    loaded = bentoml.sklearn.load_model(named[which])
    np.testing.assert_array_equal(loaded.predict(IRIS.data), clf.predict(IRIS.data))


@pytest.mark.parametrize("model", [RandomForestClassifier(5, random_state=0), make_pipeline(StandardScaler(), SVC())])
def test_ensembles_and_pipelines_are_saved(model: Any) -> None:
    """They answer as before."""
    model.fit(IRIS.data, IRIS.target)
    bentoml.sklearn.save_model("iris_clf", model)
    loaded = bentoml.models.get("iris_clf").load_model()
    np.testing.assert_array_equal(loaded.predict(IRIS.data), model.predict(IRIS.data))


def test_all_that_is_said_of_a_model_is_kept(clf: Any) -> None:
    """Signatures, labels, metadata, custom objects; what it was saved with."""
    scaler = StandardScaler().fit(IRIS.data)
    bentoml.sklearn.save_model(
        "demo:v1",
        clf,
        signatures={"predict": {"batchable": True, "batch_dim": 0}, "decision_function": {"batchable": False}},
        labels={"owner": "nlp_team"},
        metadata={"acc": np.float64(0.97), "params": {"gamma": "scale"}},
        custom_objects={"scaler": scaler, "classes": IRIS.target_names, "clean": lambda text: text.strip()},
    )
    model = bentoml.sklearn.get("demo:latest")
    assert str(model.tag) == "demo:v1"
    assert list(model.info.signatures) == ["predict", "decision_function"]
    assert model.info.labels == {"owner": "nlp_team"}
    assert model.info.metadata == {"acc": 0.97, "params": {"gamma": "scale"}}
    assert model.info.context.framework_name == "sklearn"
    assert "scikit-learn" in model.info.context.framework_versions
    np.testing.assert_array_equal(model.custom_objects["scaler"].transform(IRIS.data), scaler.transform(IRIS.data))
    assert list(model.custom_objects["classes"]) == ["setosa", "versicolor", "virginica"]
    assert model.custom_objects["clean"](" a ") == "a"


@pytest.mark.parametrize("model", [len, "text", {"a": 1}])
def test_what_is_no_estimator_is_refused(model: Any) -> None:
    """And nothing is saved."""
    with pytest.raises(TypeError):
        bentoml.sklearn.save_model("iris_clf", model)
    assert bentoml.models.list() == []


def test_another_frameworks_model_is_not_loaded() -> None:
    """What `picklable_model` saved is none of scikit-learn's."""
    bentoml.picklable_model.save_model("custom", len)
    with pytest.raises((BentoMLException, ValueError)):
        bentoml.sklearn.load_model("custom")


def test_a_runner_answers_from_programs_and_coroutines(clf: Any) -> None:
    """By `run` and by `async_run`; calls side by side get their own rows back."""
    signatures = {"predict": {"batchable": True, "batch_dim": 0}}
    bentoml.sklearn.save_model("iris_clf", clf, signatures=signatures)
    runner = bentoml.sklearn.get("iris_clf:latest").to_runner()
    runner.init_local(quiet=True)
    np.testing.assert_array_equal(runner.predict.run(IRIS.data[:5]), clf.predict(IRIS.data[:5]))

    async def calls() -> list[Any]:
        return await asyncio.gather(*(runner.predict.async_run(IRIS.data[n : n + 2]) for n in range(20)))

    for n, answer in enumerate(asyncio.run(calls())):
        np.testing.assert_array_equal(answer, clf.predict(IRIS.data[n : n + 2]))
    runner.destroy()


def test_a_runnable_of_ones_own_uses_a_stored_model(clf: Any) -> None:
    """Its methods are those that are decorated; its arguments come from `runnable_init_params`."""
    saved = bentoml.sklearn.save_model("iris_clf", clf)

    class Named(bentoml.legacy.Runnable):  # type: ignore[name-defined, misc]
        SUPPORTED_RESOURCES = ("cpu",)
        SUPPORTS_CPU_MULTI_THREADING = True

        def __init__(self, names: Any) -> None:
            self.model = bentoml.sklearn.load_model(saved.tag)
            self.names = names

        @bentoml.legacy.Runnable.method(batchable=True, batch_dim=0)
        def classify(self, rows: Any) -> Any:
            return self.names[self.model.predict(rows)]

        @bentoml.legacy.Runnable.method
        def count(self) -> int:
            return len(self.names)

    Named.add_method(lambda self, number: self.names[number], name="named", batchable=False)
    runner = bentoml.legacy.Runner(
        Named,
        name="named",
        models=[saved],
        runnable_init_params={"names": IRIS.target_names},
        max_batch_size=8,
        method_configs={"classify": {"max_batch_size": 4}},
    )
    runner.init_local(quiet=True)
    wanted = IRIS.target_names[clf.predict(IRIS.data[:3])]
    assert list(runner.classify.run(IRIS.data[:3])) == list(wanted)
    assert runner.count.run() == 3
    assert runner.named.run(1) == "versicolor"
    runner.destroy()


def test_a_runner_tells_whether_it_is_ready(clf: Any) -> None:
    """Awaited, with the seconds that it may take."""
    bentoml.sklearn.save_model("iris_clf", clf)
    runner = bentoml.sklearn.get("iris_clf").to_runner(embedded=True)
    runner.init_local(quiet=True)
    assert asyncio.run(runner.runner_handle_is_ready(timeout=1))
    runner.destroy()
