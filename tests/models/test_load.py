"""Loading with an adapter that has changed, is gone, or was told other options."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import tiffin
from inside.info import have_installed
from tiffin import ModelOptions, hookimpl
from tiffin.exceptions import (
    AdapterNotFoundError,
    EditedRecordWarning,
    HookError,
    PartialKwargsError,
    RecordError,
    SignatureError,
    VersionMismatchWarning,
    WrongFrameworkError,
)


def test_another_version_of_the_framework_is_warned_of_with_both_versions(table: Any, monkeypatch: Any) -> None:
    """The load works all the same; and no warning where nothing has changed."""
    have_installed({"attrs": "1.2.3"}, monkeypatch)
    model = tiffin.save("x:1", table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.load() == table
    have_installed({"attrs": "1.3"}, monkeypatch)
    with pytest.warns(VersionMismatchWarning, match=r"'x:1' was saved with attrs 1\.2\.3, and 1\.3 is installed"):
        assert tiffin.load("x") == table
    have_installed({}, monkeypatch)
    with pytest.warns(VersionMismatchWarning, match=r"saved with attrs 1\.2\.3, and no version of it is installed"):
        tiffin.load("x")


def test_a_model_whose_adapter_is_gone_says_whose_it_was(table: Any) -> None:
    """Its record and files are still there to look at."""
    model = tiffin.save("x:1", table)
    tiffin.unregister("table")
    with pytest.raises(
        AdapterNotFoundError, match=r"'x:1' was saved by the adapter 'table'.*Ask who saved it(?!.*pip)"
    ):
        tiffin.load("x")
    assert tiffin.get("x").path_of("table.json").exists()
    assert model.info.framework == "table"
    assert len(tiffin.models.list()) == 1


def test_options_are_changed_for_one_handle(table: Any) -> None:
    """`with_options` returns another handle; the stored options stay."""
    model = tiffin.save("x:1", table, indent=2, partial_kwargs={"lookup": {"default": 1}})
    changed = model.with_options(indent=4, partial_kwargs={"lookup": {"default": 2}})
    assert changed.info.options == {"indent": 4, "partial_kwargs": {"lookup": {"default": 2}}}
    assert (
        model.info.options
        == tiffin.get("x").info.options
        == {"indent": 2, "partial_kwargs": {"lookup": {"default": 1}}}
    )
    assert changed != model
    assert changed.tag == model.tag
    assert changed.with_options(indent=8).info.options["partial_kwargs"] == {"lookup": {"default": 2}}
    assert changed.load() == table


def test_options_that_do_not_fit_are_refused(table: Any) -> None:
    """Unknown options, and partial kwargs of methods that the signatures do not have."""
    model = tiffin.save("x:1", table)
    with pytest.raises(SignatureError, match="Unknown option 'compress'"):
        model.with_options(compress=True)
    with pytest.raises(PartialKwargsError, match="name 'lookup_all', which the signatures of model 'x:1' do not have"):
        model.with_options(partial_kwargs={"lookup_all": {}})


def test_hooks_receive_the_options(table_adapter: Any, table: Any) -> None:
    """At save what was given, at load what is recorded or what the handle says; save may return changed ones."""
    import attrs

    @attrs.frozen(kw_only=True)
    class Options(ModelOptions):
        level: int = 1
        written: bool = False

    seen: list[Any] = []

    class WithOptions(type(table_adapter)):  # type: ignore[misc]
        options = Options

        @hookimpl
        def save(self, model: Any, path: Path, options: Options) -> Options:
            seen.append(options)
            (path / "table.json").write_text("{}", encoding="utf-8")
            return options.with_options(written=True)

        @hookimpl
        def load(self, path: Path, options: Options) -> Any:
            seen.append(options)
            return type(table)({})

    tiffin.unregister("table")
    tiffin.register(WithOptions(), "table")
    model = tiffin.save("x", table, level=5)
    model.load()
    model.with_options(level=7).load()
    assert seen == [Options(level=5), Options(level=5, written=True), Options(level=7, written=True)]
    assert model.info.options == {"level": 5, "written": True}


def test_a_record_that_was_edited_by_hand_loads_with_a_warning_until_it_is_accepted(table: Any) -> None:
    """Where the edit touches labels; where it touches what loading depends on, it is refused."""
    model = tiffin.save("x:1", table, labels={"stage": "dev"}, indent=2)
    record = model.path / "model.yaml"
    record.chmod(0o644)
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace("stage: dev", "stage: prod"), encoding="utf-8")
    with pytest.warns(EditedRecordWarning, match=r"edited by hand.*tiffin models verify x:1 --accept"):
        assert tiffin.load("x") == table
    assert tiffin.get("x").labels == {"stage": "prod"}
    tiffin.models.verify("x:1", accept=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tiffin.load("x") == table
    record.write_text(text.replace("indent: 2", "indent: 3"), encoding="utf-8")
    with pytest.raises(RecordError, match="edited by hand or damaged in what loading depends on"):
        tiffin.load("x")


def test_a_frameworks_own_functions_refuse_another_frameworks_model(table: Any, table_adapter: Any) -> None:
    """`get` and `load_model` say whose it is; a raw folder is nobody's."""
    tiffin.register(type("Other", (type(table_adapter),), {"types": ["a.B"]})(), "other")
    model = tiffin.table.save_model("x:1", table, labels={"a": "b"}, indent=2)
    assert tiffin.table.get("x") == tiffin.table.get(model) == model
    assert tiffin.table.load_model("x") == tiffin.table.load_model(model) == table
    for function in (tiffin.other.get, tiffin.other.load_model, tiffin.other.get_runnable):
        for tag in ("x", model):
            with pytest.raises(WrongFrameworkError, match="Model 'x:1' was saved by table, not by other") as caught:
                function(tag)
            assert (caught.value.tag, caught.value.framework) == ("x:1", "table")
    with tiffin.models.create("raw"):
        pass
    with pytest.raises(WrongFrameworkError, match="saved by no adapter, not by table"):
        tiffin.table.get("raw")


def test_a_load_that_answers_none_is_refused(table: Any, table_adapter: Any, monkeypatch: Any) -> None:
    """Tiffin would hand out nothing for something."""
    tiffin.save("x", table)
    tiffin.unregister("table")
    tiffin.register(type("Empty", (type(table_adapter),), {"load": hookimpl(lambda self: None)})(), "table")
    with pytest.raises(HookError, match="'table' loaded nothing"):
        tiffin.load("x")


def test_an_adapter_may_not_write_tiffins_own_names(table: Any, table_adapter: Any) -> None:
    """`model.yaml` and `custom_objects` are told, and nothing is published."""
    from tiffin.exceptions import StoreError

    class Careless(type(table_adapter)):  # type: ignore[misc]
        name = "model.yaml"

        @hookimpl
        def save(self, path: Path) -> None:
            (path / self.name).write_text("x", encoding="utf-8")

    tiffin.unregister("table")
    adapter = Careless()
    tiffin.register(adapter, "table")
    for name in ("model.yaml", "custom_objects"):
        adapter.name = name
        with pytest.raises(StoreError, match=f"'table' wrote '{name}', a name that Tiffin keeps"):
            tiffin.save("x", table)
    assert tiffin.models.list() == []
