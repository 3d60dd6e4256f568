"""`tiffin.save` and `tiffin.load`: what is given comes back, and what does not fit is refused before anything is written."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin import ModelSignature, Tag
from tiffin.exceptions import (
    LabelError,
    MetadataError,
    ModelExistsError,
    ModelTypeError,
    PartialKwargsError,
    SignatureError,
    StoreError,
)


def test_save_with_everything_and_read_it_back(table: Any) -> None:
    """Each argument stands in the record, with the context of the adapter."""
    saved = tiffin.save(
        "team.tables",
        table,
        signatures={"lookup_all": {"batchable": True, "batch_dim": (0, 0)}, "lookup": ModelSignature()},
        labels={"stage": "dev", "team/owner": "nlp"},
        metadata={"accuracy": np.float32(0.5), "day": datetime.date(2024, 1, 1), "folds": np.array([1, 2])},
        custom_objects={"array": np.arange(3), "table": type(table)({"z": 0}), "nothing": None},
        partial_kwargs={"lookup": {"default": 7}},
        indent=2,
    )
    model = tiffin.get("team.tables")
    assert model == saved
    assert str(model.tag) == f"team.tables:{model.version}"
    assert model.labels == {"stage": "dev", "team/owner": "nlp"}
    info = model.info
    assert info.metadata == {"accuracy": 0.5, "day": datetime.date(2024, 1, 1), "folds": [1, 2]}
    assert info.framework == model.framework == info.context.framework_name == "table"
    assert info.options == {"indent": 2, "partial_kwargs": {"lookup": {"default": 7}}}
    assert info.signatures == {"lookup_all": ModelSignature(True), "lookup": ModelSignature()}
    assert set(info.context.framework_versions) == {"attrs"}
    assert info.context.tiffin_version == tiffin.__version__
    assert list(model.custom_objects) == ["array", "table", "nothing"]
    assert model.custom_objects["array"].tolist() == [0, 1, 2]
    assert model.custom_objects["table"] == type(table)({"z": 0})
    assert info.custom_objects["table"].framework == "table"
    assert model.custom_objects["nothing"] is None
    assert model.path_of("table.json").read_text(encoding="utf-8").count("\n") > 1
    assert tiffin.load("team.tables") == table


def test_the_adapters_signatures_are_the_default(table: Any) -> None:
    """What the user gives replaces them all; an empty dict leaves none."""
    assert tiffin.save("x", table).info.signatures == {"lookup": ModelSignature()}
    assert tiffin.save("x", table, signatures={"lookup_all": {"batchable": True}}).info.signatures.keys() == {
        "lookup_all"
    }
    assert tiffin.save("x", table, signatures={}).info.signatures == {}


def test_each_load_gives_a_new_object(table: Any) -> None:
    """A change of one does not reach the next."""
    model = tiffin.save("x", table)
    first = model.load()
    first.items["a"] = "changed"
    assert model.load() == tiffin.load("x") == table


def test_a_handle_of_before_reads_what_it_stood_for(table: Any) -> None:
    """`latest` moves on; the handle does not."""
    first = tiffin.save("x", table)
    tiffin.save("x", type(table)({"a": 2}))
    assert first.load() == table
    assert tiffin.load("x").items == tiffin.load("x:latest").items == {"a": 2}


@pytest.mark.parametrize("tag", ["x:1.0", Tag("x", "1.0")])
def test_an_explicit_version_is_kept_and_is_not_replaced(tag: Any, table: Any) -> None:
    """Saving it again is an error that says what to do, and the first stays."""
    assert str(tiffin.save(tag, table).tag) == "x:1.0"
    with pytest.raises(ModelExistsError, match=r"Model 'x:1\.0' exists already.*overwrite=True") as caught:
        tiffin.save(tag, type(table)({}))
    assert caught.value.tag == "x:1.0"
    assert tiffin.load("x:1.0") == table


def test_overwrite_replaces_the_version(table: Any) -> None:
    """Content, labels and metadata are the new ones; aliases still mean the version; nothing of the old one is left."""
    tiffin.save("x:1", table, labels={"old": "1"}, custom_objects={"o": 1})
    tiffin.models.set_alias("x:1", "prod")
    kept = tiffin.get("x:1")
    other = type(table)({"new": True})
    tiffin.save("x:1", other, overwrite=True, labels={"new": "1"})
    assert tiffin.load("x:prod") == other
    assert tiffin.get("x:1").labels == {"new": "1"}
    assert kept.load() == other
    assert sorted(path.name for path in kept.path.iterdir()) == ["model.yaml", "table.json"]
    assert len(tiffin.models.list("x")) == 1
    assert tiffin.save("x:2", table, overwrite=True).version == "2"


def test_a_version_that_is_an_alias_is_refused(table: Any) -> None:
    """A tag must mean one thing."""
    tiffin.save("x:1", table)
    tiffin.models.set_alias("x:1", "prod")
    for overwrite in (False, True):
        with pytest.raises(ModelExistsError, match="'prod' is an alias of 'x'"):
            tiffin.save("x:prod", table, overwrite=overwrite)


def test_none_is_refused(table: Any) -> None:
    """A load that answers None could not be told from one that failed."""
    with pytest.raises(ModelTypeError, match="There is nothing to save: the model is None"):
        tiffin.save("x", None)
    with pytest.raises(ModelTypeError, match="There is nothing to save: the model is None"):
        tiffin.table.save_model("x", None)


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "label that is a list": ({"labels": {"round": [3]}}, LabelError, "Labels are strings"),
    "metadata of objects": ({"metadata": {"model": object()}}, MetadataError, r"metadata\['model'\] is an object"),
    "too much metadata": (
        {"metadata": {"text": "x" * 5_000_000}},
        MetadataError,
        "At most 4194304 are kept.*custom_objects=",
    ),
    "method that does not exist": (
        {"signatures": {"lokup": {}}},
        SignatureError,
        "no method 'lokup'.*Did you mean 'lookup'",
    ),
    "signature with a wrong field": ({"signatures": {"lookup": {"batchabel": True}}}, SignatureError, "'batchabel'"),
    "partial kwargs of no method": ({"partial_kwargs": {"predict": {}}}, PartialKwargsError, "no method 'predict'"),
    "partial kwargs of no argument": (
        {"partial_kwargs": {"lookup": {"defualt": 1}}},
        PartialKwargsError,
        "Method 'lookup' does not take an argument 'defualt'.*Did you mean 'default'",
    ),
    "option that is none": ({"indnet": 2}, SignatureError, "Unknown option 'indnet'.*Did you mean 'indent'"),
    "misspelled argument": ({"label": {"a": "b"}}, SignatureError, "Unknown option 'label'.*Did you mean 'labels'"),
    "example that fails": ({"input_example": []}, SignatureError, "input_example|example"),
    "custom object without a name": (
        {"custom_objects": {"": 1}},
        StoreError,
        "'' cannot be the name of a custom object",
    ),
    "custom object with a number for a name": ({"custom_objects": {3: 1}}, StoreError, "3 cannot be the name"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_remains(kind: str, table: Any, store_home: Path) -> None:
    """The store is as it was: no version, no file of one."""
    arguments, error, text = REFUSED[kind]
    with pytest.raises(error, match=f"(?s){text}"):
        tiffin.save("x", table, **arguments)
    assert tiffin.models.list() == []
    assert [path for path in store_home.rglob("*") if path.name == "table.json"] == []
    assert list((store_home / "store").glob("staging/*")) == []


def test_an_adapter_that_fails_leaves_nothing(table: Any, store_home: Path) -> None:
    """What it raised reaches the user."""
    table.items["bad"] = object()
    with pytest.raises(TypeError, match="not JSON serializable"):
        tiffin.save("x", table)
    assert tiffin.models.list() == []
    assert list((store_home / "store" / "staging").iterdir()) == []


def test_specs_are_inferred_from_an_example(table: Any) -> None:
    """The methods are run on it once, with the partial kwargs."""
    saved = tiffin.save(
        "x",
        table,
        signatures={"lookup_all": {"batchable": True}},
        partial_kwargs={"lookup_all": {"default": 0}},
        input_example=["a", "zz"],
    )
    signature = tiffin.get(saved.tag).info.signatures["lookup_all"]
    assert signature.input_spec is not None
    assert signature.output_spec is not None
    assert signature.batchable


def test_an_example_of_none_is_none(table: Any) -> None:
    """Whoever hands on an example that he may not have got saves the model without one."""
    assert tiffin.save("x", table, input_example=None).info.signatures["lookup"].input_spec is None
    assert tiffin.save("x", table).info.signatures["lookup"].input_spec is None


def test_odd_names_of_custom_objects(table: Any) -> None:
    """Any short text may name one; none leads out of the version's folder."""
    names = ["..", ".", "a/b", "../../x", "a b", "é", "model.yaml", "custom_objects", "A", "a", "%2e", "\n", "x" * 60]
    saved = tiffin.save("x", table, custom_objects={name: f"object {name}" for name in names})
    read = tiffin.get(saved.tag)
    assert dict(read.custom_objects) == {name: f"object {name}" for name in names}
    outside = [path for path in saved.info.files if path != "table.json" and not path.startswith("custom_objects/")]
    assert outside == []


def test_custom_objects_are_loaded_when_they_are_asked_for(table: Any, table_adapter: Any) -> None:
    """Each once per handle; a name that is not there is a KeyError."""
    saved = tiffin.save("x", table, custom_objects={"inner": type(table)({})})
    model = tiffin.get(saved.tag)
    calls: list[str] = []
    watch = type("Watch", (), {"load": tiffin.hookimpl(wrapper=True)(_noting(calls))})
    tiffin.register(watch(), "watch")
    assert "inner" in model.custom_objects
    assert len(model.custom_objects) == 1
    assert calls == []
    assert model.custom_objects["inner"] is model.custom_objects["inner"]
    assert calls == ["inner"]
    with pytest.raises(KeyError, match="outer"):
        model.custom_objects["outer"]
    assert "inner" in repr(model.custom_objects)


def _noting(calls: list[str]) -> Any:
    def load(self: Any, path: Path) -> Any:
        calls.append(path.name)
        return (yield)

    return load


def test_another_store_can_be_named(table: Any, tmp_path: Path) -> None:
    """Every function takes `store=`; the default store stays empty."""
    store = tiffin.ModelStore(tmp_path / "elsewhere")
    saved = tiffin.save("x:1", table, store=store)
    assert saved.path.is_relative_to(tmp_path / "elsewhere")
    assert tiffin.load("x", store=store) == table
    assert tiffin.get("x", store=store) == saved
    tiffin.models.set_alias("x", "prod", store=store)
    tiffin.models.label("x", store=store, stage="dev")
    assert tiffin.models.aliases("x", store=store) == {"prod": "1"}
    assert [model.labels for model in tiffin.models.list(store=store)] == [{"stage": "dev"}]
    assert tiffin.models.list() == []
    assert tiffin.models.verify(store=store) == []
    assert tiffin.models.delete("x", force=True, store=store) == [tiffin.Tag("x", "1")]


def test_the_home_is_the_one_that_is_set_now(table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TIFFIN_HOME may change while the program runs."""
    tiffin.save("x", table)
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other"))
    assert tiffin.models.list() == []
    assert tiffin.save("x", table).path.is_relative_to(tmp_path / "other")
