"""An object belongs to the adapter whose claim is nearest along its class's MRO."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

import tiffin
from inside.plugins import claims, nearest
from tiffin import hookimpl
from tiffin.exceptions import AdapterNotFoundError, ModelTypeError, PluginConflictError


class Base:
    """The root of the classes here."""


class Middle(Base):
    """Between."""


class Leaf(Middle):
    """The class of the objects."""

    class Nested:
        """A class within a class."""


class Mixin:
    """Comes after `Leaf` in the MRO of `Both`."""


class Both(Leaf, Mixin):
    """Two lines of ancestors."""


HERE = __name__


def test_the_nearest_claim_wins() -> None:
    """A claim of an ancestor gives way to a claim of a nearer one."""
    claimed = {"any": ["builtins.object"], "base": [f"{HERE}.Base"], "middle": [f"{HERE}.Middle"]}
    assert nearest(Leaf, claimed) == ["middle"]
    assert nearest(Base, claimed) == ["base"]
    assert nearest(int, claimed) == ["any"]
    assert nearest(Both, {**claimed, "mixin": [f"{HERE}.Mixin"]}) == ["middle"]


def test_nobody_claims_what_no_ancestor_is_claimed_of() -> None:
    """Siblings and descendants do not count."""
    assert nearest(Middle, {"leaf": [f"{HERE}.Leaf"], "mixin": [f"{HERE}.Mixin"]}) == []
    assert not claims(Middle, [f"{HERE}.Leaf"])
    assert claims(Both, [f"{HERE}.Mixin"])


def test_equal_claims_are_ambiguous() -> None:
    """Both are told."""
    assert nearest(Leaf, {"one": [f"{HERE}.Middle"], "two": [f"{HERE}.Middle"]}) == ["one", "two"]


def test_a_claim_of_a_re_export_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name is as good as the private module in which the class was defined."""
    public = ModuleType("shop.api")
    public.Leaf = Leaf  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop.api", public)
    assert nearest(Leaf, {"shop": ["shop.api.Leaf"]}) == ["shop"]
    assert nearest(Leaf, {"shop": [f"{HERE}.Leaf"]}) == ["shop"]


def test_a_class_is_claimed_by_the_public_package_above_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that package is lazy, and has not been asked for the class: it was imported from its submodule."""
    made = type("Trained", (), {"__module__": "shop.private.models"})
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.private.models", ModuleType("shop.private.models"))
    assert nearest(made, {"shop": ["shop.Trained"], "any": ["builtins.object"]}) == ["shop"]
    assert nearest(made, {"shop": ["sho.Trained"], "any": ["builtins.object"]}) == ["any"]


def test_a_nested_class_is_claimed_by_its_qualified_name() -> None:
    """The dotted name goes through classes too."""
    assert nearest(Leaf.Nested, {"nested": [f"{HERE}.Leaf.Nested"]}) == ["nested"]


def test_a_class_whose_module_is_not_imported_is_known_by_its_own_name() -> None:
    """Pickled by value, or of a module that was taken out of sys.modules."""
    foreign = type("Model", (), {"__module__": "gone.away"})
    assert nearest(foreign, {"gone": ["gone.away.Model"]}) == ["gone"]


def test_identity_comes_before_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that only bears the name gives way to the very class that is meant."""
    real = Leaf
    public = ModuleType("shop")
    public.Thing = real  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", public)
    monkeypatch.setattr(sys.modules[HERE], "Leaf", Middle)  # so that this name means another class now
    assert nearest(real, {"named": [f"{HERE}.Leaf"], "same": ["shop.Thing"]}) == ["same"]
    assert nearest(real, {"named": [f"{HERE}.Leaf"]}) == ["named"]


def test_resolving_a_claim_imports_nothing_and_asks_no_lazy_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with lazy attributes would import its framework when looked at."""

    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    assert (
        nearest(Leaf, {"lazy": ["lazy.Model"], "missing": ["no_such_package.Model"], "odd": ["Model", "", "a."]}) == []
    )
    assert "no_such_package" not in sys.modules


def test_a_class_is_an_object_of_type() -> None:
    """Saving a class itself does not find the adapter of its instances."""
    assert nearest(type(Leaf), {"leaf": [f"{HERE}.Leaf"], "any": ["builtins.object"]}) == ["any"]


class _Claims:
    def __init__(self, *types: str) -> None:
        self.types = types

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": list(self.types)}

    @hookimpl
    def save(self, path: Any) -> None:
        (path / "x").write_text("x")

    @hookimpl
    def load(self, path: Any) -> str:
        return "x"


def test_an_ambiguous_object_is_refused_and_can_be_saved_by_name(fresh_registry: Any, store_home: Any) -> None:
    """The error names both adapters, and how to choose."""
    tiffin.register(_Claims(f"{HERE}.Middle"), "one")
    tiffin.register(_Claims(f"{HERE}.Middle"), "two")
    with pytest.raises(PluginConflictError, match=r"one and two claim .*Leaf equally.*framework='one'"):
        tiffin.save("x", Leaf())
    assert tiffin.save("x", Leaf(), framework="two", signatures={}).framework == "two"
    assert tiffin.one.save_model("x", Leaf(), signatures={}).framework == "one"


def test_an_object_that_nobody_claims_says_what_to_install(
    fresh_registry: Any, store_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the type, and the adapter of everything."""
    monkeypatch.setattr(fresh_registry, "installed", lambda group="tiffin": {})
    with pytest.raises(AdapterNotFoundError, match=r"No adapter stores .*Leaf \(installed: none\).*picklable"):
        tiffin.save("x", Leaf())


def test_an_adapter_refuses_by_name_what_it_does_not_claim(fresh_registry: Any, store_home: Any) -> None:
    """The framework's own save_model does not take another framework's object."""
    tiffin.register(_Claims(f"{HERE}.Middle"), "middle")
    with pytest.raises(ModelTypeError, match=f"'middle' does not store objects of type {HERE}.Mixin") as caught:
        tiffin.middle.save_model("x", Mixin())
    assert (caught.value.framework, caught.value.type_name) == ("middle", f"{HERE}.Mixin")
