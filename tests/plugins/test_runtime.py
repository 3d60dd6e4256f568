"""Plugins that are registered in the running program."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import hookimpl
from tiffin.exceptions import AdapterNotFoundError, BrokenPluginError, HookError, PluginConflictError, PluginError
from tiffin.plugins import Registry


class Thing:
    """What the adapters below store."""


class OtherThing:
    """What nobody claims here."""


class Adapter:
    """An adapter that writes which one it is."""

    def __init__(self, mark: str, kind: type = Thing) -> None:
        self.mark = mark
        self.kind = kind
        self.calls: list[str] = []

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": [f"{self.kind.__module__}.{self.kind.__qualname__}"]}

    @hookimpl
    def save(self, model: Any, path: Path) -> None:
        self.calls.append("save")
        (path / "mark").write_text(self.mark, encoding="utf-8")

    @hookimpl
    def load(self, path: Path) -> str:
        self.calls.append("load")
        return (path / "mark").read_text(encoding="utf-8") + " read by " + self.mark


@pytest.fixture(autouse=True)
def _own_registry(fresh_registry: Registry, store_home: Path) -> None:
    """Every test here registers, in a registry of its own."""


def test_a_registered_adapter_saves_and_loads_until_it_is_unregistered() -> None:
    """`register` does what an entry point does, `unregister` undoes it."""
    tiffin.register(Adapter("one"), "thing")
    saved = tiffin.save("x", Thing(), signatures={})
    assert saved.framework == "thing"
    assert tiffin.thing.load_model("x") == tiffin.load("x") == "one read by one"
    assert "thing" in dir(tiffin)
    tiffin.unregister("thing")
    assert "thing" not in dir(tiffin)
    with pytest.raises(
        AdapterNotFoundError, match=r"saved by the adapter 'thing', which is not installed \(installed: .*"
    ):
        tiffin.load("x")
    with pytest.raises(AttributeError):
        tiffin.thing


def test_a_module_of_a_framework_answers_with_what_is_registered_now() -> None:
    """After re-registering, `tiffin.thing` that somebody kept calls the new adapter."""
    tiffin.register(Adapter("one"), "thing")
    kept = tiffin.thing
    kept.save_model("x", Thing(), signatures={})
    tiffin.unregister("thing")
    tiffin.register(Adapter("two"), "thing")
    assert kept.load_model("x") == "one read by two"
    assert tiffin.load("x") == "one read by two"


def test_another_adapter_never_answers() -> None:
    """A call goes to the adapter that was asked for, whatever else is registered, before or after."""
    first, second = Adapter("first"), Adapter("second", OtherThing)
    tiffin.register(first, "first")
    tiffin.save("x", Thing(), signatures={})
    tiffin.register(second, "second")
    assert tiffin.load("x") == "first read by first"
    tiffin.save("x", Thing(), signatures={})
    assert second.calls == []
    assert first.calls == ["save", "load", "save"]


@pytest.mark.filterwarnings("error::tiffin.exceptions.TiffinWarning")
def test_threads_that_register_do_not_disturb_threads_that_save() -> None:
    """Every save is answered by its own adapter while others come and go, and every wrapper that stays sees it."""
    tiffin.register(Adapter("steady"), "steady")
    seen: list[str] = []

    class Watch:
        @hookimpl(wrapper=True)
        def save(self) -> Any:
            seen.append("save")
            return (yield)

    tiffin.register(Watch(), "watch")
    stop = threading.Event()

    def come_and_go(number: int) -> int:
        rounds = 0
        while not stop.is_set():
            tiffin.register(Adapter("intruder", OtherThing), f"intruder{number}")
            tiffin.register(type("Quiet", (), {"model_saved": hookimpl(lambda: None)}), f"quiet{number}")
            tiffin.unregister(f"intruder{number}")
            tiffin.unregister(f"quiet{number}")
            rounds += 1
        return rounds

    def save(number: int) -> list[Any]:
        return [tiffin.load(tiffin.save(f"x{number}", Thing(), signatures={}).tag) for _ in range(15)]

    with ThreadPoolExecutor(4) as threads:
        comers = [threads.submit(come_and_go, number) for number in range(2)]
        try:
            loaded = [
                text for saving in [threads.submit(save, number) for number in range(2)] for text in saving.result()
            ]
        finally:
            stop.set()
        assert all(comer.result() > 0 for comer in comers)
    assert loaded == ["steady read by steady"] * 30
    assert seen == ["save"] * 30


@pytest.mark.filterwarnings("error::tiffin.exceptions.PluginWarning")
def test_an_adapter_that_goes_while_it_is_looked_at_is_not_called_broken(
    fresh_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may unregister it between two steps of the search."""
    tiffin.register(Adapter("steady"), "steady")
    names = fresh_registry.names()
    monkeypatch.setattr(fresh_registry, "names", lambda: [*names, "gone"])
    assert tiffin.save("x", Thing(), signatures={}).framework == "steady"


def test_a_name_that_is_taken_is_refused() -> None:
    """Models record the name, so it must mean one adapter; the first stays."""
    first = Adapter("first")
    tiffin.register(first, "thing")
    with pytest.raises(PluginConflictError, match=r"'thing' is taken.*tiffin\.unregister\('thing'\) first"):
        tiffin.register(Adapter("second"), "thing")
    with pytest.raises(PluginConflictError, match="'thing' is taken"):
        tiffin.register(type("Event", (), {"model_saved": hookimpl(lambda: None)}), "thing")
    tiffin.save("x", Thing(), signatures={})
    assert first.calls == ["save"]


def test_a_name_of_an_installed_adapter_is_refused(site: Any) -> None:
    """The error names the distribution that has it."""
    site.install("tiffin-kv", adapters={"kv": "tiffin_kv"}, tiffin_kv="")
    with pytest.raises(PluginConflictError, match="'kv' is taken by a plugin of tiffin-kv") as caught:
        tiffin.register(Adapter("mine"), "kv")
    assert caught.value.distributions == ("tiffin-kv", "(this program)")


@pytest.mark.parametrize("name", ["models", "load", "exceptions", "info"])
def test_a_name_of_tiffins_own_is_refused(name: str) -> None:
    """`tiffin.models` stays what it is."""
    with pytest.raises(PluginConflictError, match=f"'tiffin.{name}' is a part of Tiffin"):
        tiffin.register(Adapter("x"), name)


@pytest.mark.parametrize("name", ["", "a-b", "a b", "_private", "1st", 3, None])
def test_a_name_that_is_no_python_name_is_refused(name: Any) -> None:
    """`tiffin.<name>` has to be something that can be written."""
    with pytest.raises(PluginError, match="cannot be a plugin's name"):
        tiffin.register(Adapter("x"), name)


def test_what_implements_no_hook_is_refused() -> None:
    """A forgotten @hookimpl is told."""

    class Unmarked:
        def context_info(self) -> dict[str, Any]:
            return {}

    with pytest.raises(HookError, match=r"'mine' implements no hook.*@tiffin\.hookimpl"):
        tiffin.register(Unmarked(), "mine")


def test_a_misspelled_hook_blames_that_plugin_alone_and_leaves_nothing_behind() -> None:
    """The others work on, and the name is free for the mended plugin."""
    tiffin.register(Adapter("good"), "good")

    class Misspelled(Adapter):
        @hookimpl
        def get_runable(self, model: Any) -> None: ...

    with pytest.raises(HookError, match=r"'mine' implements 'get_runable'.*Did you mean 'get_runnable'") as caught:
        tiffin.register(Misspelled("bad"), "mine")
    assert caught.value.plugin == "mine"
    assert tiffin.load(tiffin.save("x", Thing(), signatures={}).tag) == "good read by good"
    tiffin.register(Adapter("mended", OtherThing), "mine")
    assert tiffin.mine.save_model("y", OtherThing(), signatures={}).framework == "mine"


def test_an_adapter_that_fails_to_say_what_it_is_is_not_registered() -> None:
    """The error comes at `register`, not at the next save of somebody else."""

    class Failing(Adapter):
        @hookimpl
        def context_info(self) -> dict[str, Any]:
            raise RuntimeError("not today")

    with pytest.raises(BrokenPluginError, match="'mine' cannot say what it is: RuntimeError: not today"):
        tiffin.register(Failing("x"), "mine")
    assert "mine" not in dir(tiffin)


def test_unregistering_what_was_not_registered_says_how_to_remove_a_plugin() -> None:
    """An installed adapter is removed with pip."""
    with pytest.raises(AdapterNotFoundError, match=r"No plugin 'kv' was registered in this program.*pip"):
        tiffin.unregister("kv")


def test_a_module_can_be_registered() -> None:
    """What an entry point names is as good as an object."""
    from types import ModuleType

    module = ModuleType("an_adapter")
    adapter = Adapter("module")
    module.context_info = hookimpl(lambda: {"types": adapter.context_info()["types"]})  # type: ignore[attr-defined]
    module.save = hookimpl(lambda model, path: adapter.save(model, path))  # type: ignore[attr-defined]
    module.load = hookimpl(lambda path: adapter.load(path))  # type: ignore[attr-defined]
    tiffin.register(module, "thing")
    assert tiffin.load(tiffin.save("x", Thing(), signatures={}).tag) == "module read by module"


def test_registered_plugins_are_described() -> None:
    """`tiffin plugins list` has no other process's plugins, but a program can look at its own."""
    tiffin.register(Adapter("x"), "thing")
    tiffin.register(type("Event", (), {"model_saved": hookimpl(lambda: None)}), "event")
    rows = {row.name: row for row in tiffin.plugins.registry().describe()}
    assert rows["thing"].distribution == rows["event"].distribution == "(this program)"
    assert rows["thing"].types == (f"{__name__}.Thing",)
    assert rows["event"].kind == "plugin"
