"""The public names: resolved when they are used; what is not there says what to install."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

import tiffin
from tiffin.exceptions import AdapterNotFoundError, PackageNotInstalledError


def test_dir_names_the_public_names_and_the_frameworks(table_adapter: Any) -> None:
    """For completion in notebooks."""
    assert {"save", "load", "get", "models", "register", "hookimpl", "Tag", "Model", "table"} <= set(dir(tiffin))
    assert [name for name in dir(tiffin) if name.startswith("_") and name != "__version__"] == []


def test_every_public_name_is_there() -> None:
    """`Runnable` comes with the runners."""
    for name in set(tiffin.__all__) - {"Runnable"}:
        assert getattr(tiffin, name) is not None
    for name in tiffin.models.__all__:
        assert getattr(tiffin.models, name) is not None
    with pytest.raises(AttributeError):
        tiffin.models.no_such_name


def test_a_name_of_a_package_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is missing, for whoever asks: so `from tiffin import *` works, and `hasattr` answers."""
    monkeypatch.setitem(sys.modules, "tiffin_map", None)
    with pytest.raises(PackageNotInstalledError, match=r"'map' is in a package of its own.*pip install tiffin-map"):
        tiffin.map
    assert not hasattr(tiffin, "map")
    assert "map" not in tiffin.__all__


def test_a_framework_of_tiffin_s_own_that_is_not_installed_says_what_to_install(
    fresh_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is one of Tiffin's own."""
    monkeypatch.setattr(fresh_registry, "installed", lambda *_: {})
    for name in [name for name in sys.modules if name.startswith("tiffin.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(AdapterNotFoundError, match=r"nor an installed adapter .*Try: pip install tiffin-sklearn"):
        tiffin.sklearn


def test_a_name_that_is_nothing_says_so(fresh_registry: Any) -> None:
    """However it is asked for; `hasattr` answers no. No package is offered whose name anybody may take."""
    text = r"'tiffin.no_boost' is neither a part of Tiffin nor an installed adapter (?!.*pip install)"
    with pytest.raises(AdapterNotFoundError, match=text):
        tiffin.no_boost
    with pytest.raises(AttributeError):
        tiffin.no_boost
    assert not hasattr(tiffin, "no_boost")
    with pytest.raises(ModuleNotFoundError, match=text):
        importlib.import_module("tiffin.no_boost")
    with pytest.raises(ImportError, match=text):
        from tiffin import no_boost  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=text):
        from tiffin.no_boost import save_model  # noqa: F401


def test_a_misspelled_name_is_suggested(fresh_registry: Any) -> None:
    """Before what to install."""
    with pytest.raises(AdapterNotFoundError, match=r"Did you mean 'tiffin\.register'"):
        tiffin.regsiter


def test_private_names_are_plain_attribute_errors(fresh_registry: Any) -> None:
    """Tools ask modules for many of them; none looks at plugins."""
    with pytest.raises(AttributeError, match="module 'tiffin' has no attribute '__wrapped__'"):
        tiffin.__wrapped__
    assert fresh_registry._installed == {}


def test_a_framework_is_a_module(table: Any) -> None:
    """It can be imported in each way, is one object, and has BentoML's functions."""
    module = importlib.import_module("tiffin.table")
    assert module is tiffin.table is sys.modules["tiffin.table"]
    from tiffin.table import load_model, save_model  # type: ignore[import-not-found]

    model = save_model("x", table)
    assert load_model(model.tag) == table
    assert sorted(module.__all__) == ["get", "get_runnable", "load_model", "save_model"]
    assert "save_model" in dir(module)
    assert "labels" in (module.save_model.__annotations__)


def test_import_tiffin_and_dir_import_nothing_slow() -> None:
    """Public names resolve on first use."""
    program = """
import sys, tiffin
assert not {"numpy", "pluggy", "attrs", "yaml"} & set(sys.modules), sorted(sys.modules)
tiffin.Tag
assert not {"numpy", "pluggy", "attrs", "yaml"} & set(sys.modules), sorted(sys.modules)
tiffin.models.list()
assert not {"numpy", "pluggy", "attrs", "yaml"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_submodule_of_a_framework_is_a_plain_import_error(table_adapter: Any) -> None:
    """`tiffin.table` is no package."""
    with pytest.raises(ModuleNotFoundError, match=r"tiffin\.table\.inner"):
        importlib.import_module("tiffin.table.inner")
