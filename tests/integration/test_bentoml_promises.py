"""What BentoML's guide to its model store shows, with `tiffin` in place of `bentoml`.

The situations are those of its pages "Models" and of the reference of `sklearn`, `picklable_model` and `ModelSignature`.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn import datasets, svm
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler

import tiffin
from tiffin.exceptions import ModelNotFoundError, WrongFrameworkError
from tiffin.models import ModelSignature

IRIS = datasets.load_iris()


@pytest.fixture
def clf() -> Any:
    """Return the classifier of the quick start."""
    return svm.SVC(gamma="scale").fit(IRIS.data, IRIS.target)


def test_the_quick_start_saves_and_loads(clf: Any) -> None:
    """`save_model` gives a handle whose tag is name:version; `load_model` gives the estimator back."""
    saved = tiffin.sklearn.save_model("iris_clf", clf)
    name, colon, version = str(saved.tag).partition(":")
    assert (name, colon) == ("iris_clf", ":")
    assert version
    for tag in ("iris_clf", "iris_clf:latest", str(saved.tag), saved.tag, saved):
        loaded = tiffin.sklearn.load_model(tag)
        np.testing.assert_array_equal(loaded.predict(IRIS.data), clf.predict(IRIS.data))


def test_labels_metadata_and_custom_objects_are_saved_alongside(clf: Any) -> None:
    """Labels to manage by, metadata of any plain kind, objects such as a tokenizer."""
    scaler = StandardScaler().fit(IRIS.data)
    tiffin.sklearn.save_model(
        "demo",
        clf,
        labels={"owner": "nlp_team", "stage": "dev"},
        metadata={
            "acc": np.float64(0.97),
            "cv_stats": np.array([0.96, 0.98]),
            "dataset_version": "20210820",
            "trained": datetime.date(2021, 8, 20),
            "params": {"gamma": "scale", "classes": (0, 1, 2)},
        },
        custom_objects={"scaler": scaler, "classes": IRIS.target_names, "clean": lambda text: text.strip()},
    )
    model = tiffin.models.get("demo:latest")
    assert model.info.labels == {"owner": "nlp_team", "stage": "dev"}
    assert model.info.metadata == {
        "acc": 0.97,
        "cv_stats": [0.96, 0.98],
        "dataset_version": "20210820",
        "trained": datetime.date(2021, 8, 20),
        "params": {"gamma": "scale", "classes": [0, 1, 2]},
    }
    np.testing.assert_array_equal(model.custom_objects["scaler"].transform(IRIS.data), scaler.transform(IRIS.data))
    assert model.custom_objects["classes"].tolist() == ["setosa", "versicolor", "virginica"]
    assert model.custom_objects["clean"](" a ") == "a"


def test_a_handle_shows_tag_path_and_info(clf: Any) -> None:
    """The fields that the guide prints."""
    saved = tiffin.sklearn.save_model("iris_clf", clf, signatures={"predict": {"batchable": True, "batch_dim": 0}})
    model = tiffin.models.get("iris_clf:latest")
    assert model.tag == saved.tag
    assert (model.tag.name, model.tag.version) == ("iris_clf", saved.tag.version)
    assert Path(model.path).is_dir()
    assert Path(model.path_of("model.pkl")).exists() or model.info.files
    info = model.info
    assert (info.name, info.version) == (model.tag.name, model.tag.version)
    assert info.signatures["predict"].batchable
    assert info.context.framework_name == "sklearn"
    assert "scikit-learn" in info.context.framework_versions
    assert info.creation_time.tzinfo is not None
    assert info.options == {}


def test_versions_list_newest_first_and_latest_is_the_newest(clf: Any) -> None:
    """Each save makes a version; `list` shows them; by name too."""
    first = tiffin.sklearn.save_model("iris_clf", clf)
    second = tiffin.sklearn.save_model("iris_clf", clf)
    tiffin.picklable_model.save_model("other", len)
    assert [model.tag for model in tiffin.models.list("iris_clf")] == [second.tag, first.tag]
    assert len(tiffin.models.list()) == 3
    assert tiffin.models.get("iris_clf:latest").tag == second.tag


def test_a_version_is_deleted(clf: Any) -> None:
    """And is not found afterwards; `latest` is the one before."""
    first = tiffin.sklearn.save_model("iris_clf", clf)
    second = tiffin.sklearn.save_model("iris_clf", clf)
    tiffin.models.delete(second.tag)
    with pytest.raises(ModelNotFoundError):
        tiffin.models.get(second.tag)
    assert tiffin.models.get("iris_clf:latest").tag == first.tag
    tiffin.models.delete("iris_clf:latest")
    assert tiffin.models.list("iris_clf") == []


def test_an_explicit_version_may_be_given(clf: Any) -> None:
    """As name:version."""
    saved = tiffin.sklearn.save_model("iris_clf:v1.0.0", clf)
    assert str(saved.tag) == "iris_clf:v1.0.0"
    assert tiffin.models.get("iris_clf:v1.0.0") == saved


@pytest.mark.parametrize(
    ("batch_dim", "pair"), [(0, (0, 0)), (1, (1, 1)), ((0, 1), (0, 1)), ([1, 0], (1, 0)), ((0, 0), (0, 0))]
)
def test_batch_dim_may_be_one_number_or_a_pair(batch_dim: Any, pair: tuple[int, int], clf: Any) -> None:
    """In a dict or in a ModelSignature; one number stands for input and output."""
    for signature in ({"batchable": True, "batch_dim": batch_dim}, ModelSignature(batchable=True, batch_dim=batch_dim)):
        saved = tiffin.sklearn.save_model(
            "demo", clf, signatures={"predict": signature, "decision_function": signature}
        )
        for model in (saved, tiffin.models.get(saved.tag)):
            assert model.info.signatures["predict"].batch_dim == pair
            assert model.info.signatures["predict"].batchable
            assert list(model.info.signatures) == ["predict", "decision_function"]


def test_a_signature_is_not_batchable_unless_said() -> None:
    """The default fields are BentoML's."""
    assert ModelSignature() == ModelSignature(batchable=False, batch_dim=(0, 0), input_spec=None, output_spec=None)


def test_a_random_forest_goes_through_picklable_model() -> None:
    """A model may be stored as any object, with the signature of its method."""
    forest = RandomForestClassifier(5, random_state=0).fit(IRIS.data, IRIS.target)
    saved = tiffin.picklable_model.save_model(
        "forest", forest, signatures={"predict": {"batchable": True, "batch_dim": 0}}
    )
    assert saved.framework == "picklable"
    loaded = tiffin.picklable_model.load_model("forest:latest")
    np.testing.assert_array_equal(loaded.predict(IRIS.data), forest.predict(IRIS.data))


def test_a_callable_class_goes_through_picklable_model() -> None:
    """With the default signature, `__call__`."""

    class Custom:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        def __call__(self, batch: Any) -> Any:
            return [value * self.factor for value in batch]

    saved = tiffin.picklable_model.save_model("custom", Custom(3), metadata={"author": "me"})
    assert list(saved.info.signatures) == ["__call__"]
    assert tiffin.picklable_model.load_model("custom")([1, 2]) == [3, 6]
    assert tiffin.picklable_model.get("custom").info.metadata == {"author": "me"}


def test_external_modules_travel_with_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tokenizer module need not be there where the model is loaded."""
    module = ModuleType("own_tokenizer")
    exec(
        "def tokenize(text):\n    return clean(text).split()\ndef clean(text):\n    return text.lower()",
        module.__dict__,
    )
    monkeypatch.setitem(sys.modules, "own_tokenizer", module)
    tiffin.picklable_model.save_model("tokenizer", module.tokenize, external_modules=[module])
    monkeypatch.delitem(sys.modules, "own_tokenizer")
    assert tiffin.picklable_model.load_model("tokenizer")("A b") == ["a", "b"]


def test_another_frameworks_model_is_refused(clf: Any) -> None:
    """`tiffin.sklearn.get` of what picklable_model saved is an error."""
    tiffin.picklable_model.save_model("custom", len)
    with pytest.raises(WrongFrameworkError):
        tiffin.sklearn.get("custom")
    with pytest.raises(WrongFrameworkError):
        tiffin.sklearn.load_model("custom")
    tiffin.sklearn.save_model("iris_clf", clf)
    with pytest.raises(WrongFrameworkError):
        tiffin.picklable_model.load_model("iris_clf")


def test_a_model_of_ones_own_format_is_created_as_a_folder() -> None:
    """`models.create` gives a folder to write to, and publishes it."""
    with tiffin.models.create("custom", labels={"a": "b"}, metadata={"c": 1}) as model:
        (Path(model.path) / "weights.bin").write_bytes(b"123")
    found = tiffin.models.get("custom:latest")
    assert Path(found.path_of("weights.bin")).read_bytes() == b"123"
    assert (found.info.labels, found.info.metadata) == ({"a": "b"}, {"c": 1})


def test_model_yaml_keeps_the_field_names(clf: Any) -> None:
    """Who knows one record reads the other."""
    import yaml

    saved = tiffin.sklearn.save_model("iris_clf", clf, labels={"a": "b"})
    record = yaml.safe_load((saved.path / "model.yaml").read_text(encoding="utf-8"))
    shared = {
        "name",
        "version",
        "labels",
        "options",
        "metadata",
        "context",
        "signatures",
        "api_version",
        "creation_time",
    }
    assert shared <= set(record)
    assert {"framework_name", "framework_versions", "python_version"} <= set(record["context"])
    assert record["api_version"] == "v1"
