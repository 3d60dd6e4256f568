"""What an adapter's `save` says besides writing files, and which objects it gets: by name, by path, or declined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiffin
from inside.info import have_installed
from tiffin import hookimpl
from tiffin.exceptions import BrokenPluginError, HookError, ModelTypeError, NotKeptWarning, StoreError
from tiffin.info import ModelContext
from tiffin.plugins import NotMine, Registry, Saved


class Base:
    """Claimed by `base`."""


class Special(Base):
    """Claimed by `special`, which declines some."""

    plain = False


class Adapter:
    def __init__(self, answer: Any = None, **info: Any) -> None:
        self.answer, self.info = answer, info

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"code_files": (), "options": {"level": 1}, **self.info}

    @hookimpl
    def save(self, model: Any, path: Path) -> Any:
        if getattr(model, "plain", False):
            if self.answer == "late":
                (path / "x").write_text("x", encoding="utf-8")
            raise NotMine("it has nothing special")
        (path / "x").write_text("x", encoding="utf-8")
        return self.answer

    @hookimpl
    def load(self) -> Any:
        return "loaded"


def named(kind: type) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}"]


@pytest.fixture(autouse=True)
def _own(fresh_registry: Registry, store_home: Path) -> None:
    """Every test registers, in a registry and store of its own."""


def test_what_is_lost_is_warned_of_and_changed_options_are_recorded() -> None:
    """Both in one answer; the warning has the phrases."""
    tiffin.register(Adapter(Saved(options={"level": 7}, lost=["the objective"]), types=named(Base)), "base")
    with pytest.warns(NotKeptWarning, match="saved without some of what it had: the objective") as caught:
        model = tiffin.save("x", Base(), custom_objects={"y": Base()})
    assert [warned.message.lost for warned in caught] == [("the objective",)] * 2  # type: ignore[union-attr]
    assert model.info.options == {"level": 7}
    assert Path(caught[1].filename).name == Path(__file__).name


def test_a_mapping_of_changed_options_leaves_the_user_s_others_as_they_are() -> None:
    """Partial kwargs among them, which an author who answers with the option that he fills in hardly thinks of."""

    class Model(Base):
        def predict(self, x: int, shift: int = 0) -> int:
            return x + shift

    tiffin.register(
        Adapter({"level": 7}, types=named(Base), options={"level": 1, "mode": "a"}, signatures={"predict": {}}), "base"
    )
    model = tiffin.save("x", Model(), mode="b", partial_kwargs={"predict": {"shift": 2}})
    assert model.info.options == {"level": 7, "mode": "b", "partial_kwargs": {"predict": {"shift": 2}}}


@pytest.mark.parametrize("lost", ["the objective", [1]])
def test_a_loss_that_is_no_list_of_phrases_is_refused(lost: Any) -> None:
    """A single string would be read letter by letter."""
    tiffin.register(Adapter(Saved(lost=lost), types=named(Base)), "base")
    with pytest.raises(HookError, match="'base' says with lost="):
        tiffin.save("x", Base())


def test_an_object_that_is_declined_goes_to_the_next_claim() -> None:
    """Custom objects, too. Asked for by name, the adapter's reason is what the user reads."""
    tiffin.register(Adapter(types=named(Base)), "base")
    tiffin.register(Adapter(types=named(Special)), "special")
    declined = Special()
    declined.plain = True
    assert tiffin.save("x", Special()).framework == "special"

    class Taker(Adapter):
        @hookimpl
        def save(self, path: Path) -> None:
            (path / "x").write_text("x", encoding="utf-8")

    tiffin.unregister("base")
    tiffin.register(Taker(types=named(Base)), "base")
    model = tiffin.save("x", declined, custom_objects={"y": declined})
    assert model.framework == model.info.custom_objects["y"].framework == "base"
    with pytest.raises(ModelTypeError, match=r"'special' does not store this object.*it has nothing special"):
        tiffin.special.save_model("x", declined)


def test_declining_after_writing_is_a_fault_of_the_adapter() -> None:
    """Its files would lie among the next adapter's."""
    tiffin.register(Adapter("late", types=named(Special)), "special")
    declined = Special()
    declined.plain = True
    with pytest.raises(HookError, match="'special' declines an object after it has written"):
        tiffin.save("x", declined)


def test_types_by_name_are_taken_only_by_name() -> None:
    """So an adapter for another format of the same objects does not stand in the way of the first."""
    tiffin.register(Adapter(types=named(Base)), "base")
    tiffin.register(Adapter(types_by_name=named(Base)), "other")
    assert tiffin.save("x", Special()).framework == "base"
    assert tiffin.save("x", Special(), framework="other").framework == "other"
    assert tiffin.other.save_model("x", Base()).framework == "other"
    with pytest.raises(ModelTypeError, match=r"'other' does not store objects of type builtins.int.*It stores .*Base"):
        tiffin.other.save_model("x", 1)


def test_a_path_is_not_saved_in_place_of_what_is_there(tmp_path: Path) -> None:
    """It would pickle the path, and lose the model. By the name of the adapter of everything, the path itself is stored."""
    tiffin.register(Adapter(paths=True), "plain_file")
    with pytest.raises(ModelTypeError, match=r"is a path, and no model.*plain_file.*framework='picklable'"):
        tiffin.save("x", tmp_path / "m.onnx")
    with pytest.raises(StoreError, match=r"There is no file or folder '.*m\.onnx'"):
        tiffin.plain_file.save_model("x", tmp_path / "m.onnx")
    assert tiffin.save("x", tmp_path, framework="picklable").load() == tmp_path
    assert tiffin.save("x", [1], custom_objects={"where": tmp_path}).custom_objects["where"] == tmp_path
    with pytest.raises(ModelTypeError, match="files, by their path"):
        tiffin.plain_file.save_model("x", 3)


def test_a_twin_of_a_distribution_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that is installed is recorded; later, any of them in that version is as good."""
    there = {"xgboost-cpu": "3.2", "other": "1"}
    have_installed(there, monkeypatch)
    wanted = [["xgboost", "xgboost-cpu"], "other", "missing"]
    context = ModelContext.current("x", wanted)
    assert context.framework_versions == {"xgboost-cpu": "3.2", "other": "1"}
    have_installed({"xgboost": "3.2", "other": "2"}, monkeypatch)
    assert context.changed(wanted) == {"other": ("1", "2")}
    assert context.changed() == {"xgboost-cpu": ("3.2", None), "other": ("1", "2")}
    have_installed({"xgboost": "3.3", "other": "1"}, monkeypatch)
    assert context.changed(wanted) == {"xgboost-cpu": ("3.2", "3.3")}


class Needs(Adapter):
    @hookimpl
    def load(self) -> Any:
        import no_such_framework  # type: ignore[import-not-found]

        return no_such_framework


def test_a_framework_that_is_missing_is_named_with_the_adapter() -> None:
    """Whoever loads a model elsewhere reads what to install, and the cause is chained."""
    tiffin.register(Needs(types=named(Base)), "base")
    saved = tiffin.save("m", Base())
    with pytest.raises(BrokenPluginError, match="adapter 'base' needs the module 'no_such_framework'") as caught:
        saved.load()
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
