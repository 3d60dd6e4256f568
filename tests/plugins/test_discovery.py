"""Installed plugins are found by their metadata, and imported when they are needed."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

import pytest

import tiffin
from tiffin.exceptions import AdapterNotFoundError
from tiffin.plugins import Registry


def test_names_are_known_without_importing_any_plugin(kv: Any) -> None:
    """Listing the adapters, or asking whether there is one, imports neither it nor its framework."""
    program = """
        import sys
        from tiffin.plugins import registry
        assert "kv" in registry().names()
        assert registry().has("kv") and not registry().has("nope")
        assert "tiffin_kv" not in sys.modules and "kvlib" not in sys.modules
        import tiffin
        assert "kv" in dir(tiffin)
        import tiffin.kv
        assert "tiffin_kv" not in sys.modules and "kvlib" not in sys.modules
    """
    kv.run(program)


def test_an_adapter_is_imported_when_it_is_asked_for_and_its_framework_is_not(kv: Any) -> None:
    """`tiffin.kv` imports tiffin_kv; what it claims is known without kvlib."""
    program = """
        import sys, tiffin
        from tiffin.plugins import registry
        assert "tiffin_kv" not in sys.modules
        tiffin.kv
        assert "tiffin_kv" in sys.modules
        assert registry().adapter("kv").info.types == ["kvlib.Table"]
        assert "kvlib" not in sys.modules
    """
    kv.run(program)


def test_saving_by_name_imports_only_that_adapter(kv: Any, tmp_path: Any) -> None:
    """Another installed adapter is not imported where the framework is named."""
    kv.install("tiffin-other", adapters={"other": "tiffin_other"}, tiffin_other="raise SystemExit('imported')")
    program = """
        import sys, kvlib, tiffin
        tag = tiffin.kv.save_model("t", kvlib.Table({"a": 1})).tag
        assert tiffin.load(tag).lookup("a") == 1
        assert "tiffin_other" not in sys.modules
    """
    kv.run(program, TIFFIN_HOME=str(tmp_path / "home"))


def test_finding_an_objects_adapter_imports_no_framework(kv: Any, tmp_path: Any) -> None:
    """An object of another framework asks every adapter what it claims, and none imports its framework for that."""
    kv.install(
        "tiffin-mine",
        adapters={"mine": "tiffin_mine"},
        tiffin_mine="""
            from tiffin import hookimpl
            @hookimpl
            def context_info(): return {"types": ["__main__.Mine"]}
            @hookimpl
            def save(model, path): (path / "x").write_text("x")
            @hookimpl
            def load(path): return "x"
        """,
    )
    program = """
        import sys, tiffin
        class Mine: pass
        print(tiffin.save("m", Mine(), signatures={}).framework)
        assert "tiffin_kv" in sys.modules and "kvlib" not in sys.modules
    """
    assert kv.run(program, TIFFIN_HOME=str(tmp_path / "home")).strip() == "mine"


def test_plugins_list_imports_no_framework_and_shows_what_is_there(kv: Any) -> None:
    """`tiffin plugins list` names the distribution, its version and the claimed types."""
    shown = kv.tiffin("plugins", "list")
    assert shown.returncode == 0, shown.stderr
    [line] = [line for line in shown.stdout.splitlines() if line.startswith("kv ")]
    assert line.split() == ["kv", "adapter", "tiffin-kv", "1.2", "kvlib.Table", "ok"]
    rows = json.loads(kv.tiffin("plugins", "list", "-o", "json").stdout)
    assert {
        "name": "kv",
        "kind": "adapter",
        "distribution": "tiffin-kv",
        "version": "1.2",
        "types": ["kvlib.Table"],
        "state": "ok",
        "cause": "",
        "aliases": [],
    } in rows


def test_a_second_name_of_one_module_is_an_alias(kv: Any, fresh_registry: Registry) -> None:
    """Of several names for one module the shortest is the framework's; the others mean the same adapter."""
    kv.install(
        "kv-two", adapters={"second_one": "tiffin_second", "second": "tiffin_second"}, tiffin_second=_claiming("a.B")
    )
    assert fresh_registry.adapter("second_one") is fresh_registry.adapter("second")
    assert "second" in fresh_registry.names()
    assert "second_one" not in fresh_registry.names()
    assert tiffin.second_one is tiffin.second
    [row] = [row for row in fresh_registry.describe() if row.name == "second"]
    assert row.aliases == ("second_one",)
    assert row.state == "ok"


def test_an_alias_is_importable_and_is_the_same_module(kv: Any) -> None:
    """`import tiffin.second_one` gives the module `tiffin.second`."""
    kv.install(
        "kv-two", adapters={"second_one": "tiffin_second", "second": "tiffin_second"}, tiffin_second=_claiming("a.B")
    )
    kv.run("import tiffin.second_one, tiffin.second; assert tiffin.second_one is tiffin.second")
    kv.run("from tiffin.second_one import load_model; import tiffin; assert load_model == tiffin.second.load_model")


def test_an_adapter_that_is_switched_off_is_not_there(
    kv: Any, fresh_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TIFFIN_DISABLE_PLUGINS takes an adapter away, and says so to whoever asks for it."""
    monkeypatch.setenv("TIFFIN_DISABLE_PLUGINS", "other, kv")
    assert "kv" not in fresh_registry.names()
    with pytest.raises(AdapterNotFoundError, match=r"'kv' is switched off.*TIFFIN_DISABLE_PLUGINS"):
        fresh_registry.adapter("kv")
    [row] = [row for row in fresh_registry.describe() if row.name == "kv"]
    assert (row.state, row.cause) == ("disabled", "named in $TIFFIN_DISABLE_PLUGINS")


@pytest.mark.parametrize(("name", "fix"), [
    ("sklearn", r"Try: pip install tiffin-sklearn"), ("my_boost", r"Install the package that brings it"),
])  # fmt: skip
def test_a_missing_adapter_says_what_to_install(
    name: str, fix: str, fresh_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names what is installed, and the package that brings the adapter if it is one of Tiffin's own."""
    monkeypatch.setattr(fresh_registry, "installed", lambda *_: {})
    with pytest.raises(AdapterNotFoundError, match=f"There is no adapter '{name}'.*{fix}"):
        fresh_registry.adapter(name)


def _claiming(dotted: str) -> str:
    return f"""
        from tiffin import hookimpl
        @hookimpl
        def context_info(): return {{"types": [{dotted!r}]}}
        @hookimpl
        def save(path): (path / "x").write_text("x")
        @hookimpl
        def load(path): return "x"
    """


def test_of_two_distributions_of_one_name_the_first_on_the_path_counts(
    site: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, fresh_registry: Registry
) -> None:
    """An older release that lies behind the newer one, as in a layered environment, is no second plugin."""
    site.install("tiffin-toy", adapters={"toy": "tiffin_toy"}, tiffin_toy="")
    behind = type(site)(tmp_path / "behind")
    behind.install("Tiffin_Toy", adapters={"toy": "tiffin_toy", "old": "tiffin_toy"})
    (behind.path / "Tiffin_Toy-1.2.dist-info" / "METADATA").write_text(
        "Name: Tiffin_Toy\nVersion: 1.1\n", encoding="utf-8"
    )
    monkeypatch.setattr("sys.path", [*sys.path, str(behind.path)])
    [plugin] = fresh_registry.installed()["toy"]
    assert (plugin.distribution, plugin.version) == ("tiffin-toy", "1.2")
    assert "old" not in fresh_registry.installed()


@pytest.mark.parametrize("kind", ["archive", "egg-info", "finder"])
def test_distributions_that_are_no_plain_folders_are_found_too(
    kind: str, site: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, fresh_registry: Registry
) -> None:
    """An archive on the import path, an egg-info and a finder of another program's are asked as Python asks them."""
    made = type(site)(tmp_path / "made")
    made.install("tiffin-odd", adapters={"odd": "tiffin_odd"}, tiffin_odd="")
    where = str(made.path)
    if kind == "archive":
        where = shutil.make_archive(str(tmp_path / "packed"), "zip", made.path)
    elif kind == "egg-info":
        info = made.path / "tiffin_odd-1.2.dist-info"
        (info / "METADATA").rename(info / "PKG-INFO")
        info.rename(made.path / "tiffin_odd.egg-info")
    if kind == "finder":
        monkeypatch.setattr("sys.meta_path", [*sys.meta_path, Finder(where)])
    else:
        monkeypatch.setattr("sys.path", [*sys.path, where])
    [plugin] = fresh_registry.installed()["odd"]
    assert (plugin.name, plugin.distribution, plugin.version, plugin.target) == (
        "odd",
        "tiffin-odd",
        "1.2",
        "tiffin_odd",
    )


class Finder:
    """Finds the distributions of one folder that is not on the import path."""

    def __init__(self, where: str) -> None:
        self.where = where

    def find_spec(self, *_: Any) -> None:
        """Find no module."""

    def find_distributions(self, context: Any) -> Any:
        """Return what lies in the folder."""
        import importlib_metadata

        if context.path is sys.path or context.path == sys.path:
            return importlib_metadata.distributions(path=[self.where], name=context.name)
        return []
