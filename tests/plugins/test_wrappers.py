"""Wrappers of other plugins stand around each call to an adapter."""

from __future__ import annotations

from typing import Any

import pytest

import tiffin
from tiffin import hookimpl
from tiffin.exceptions import HookError, ModelNotFoundError


class Audit:
    """Notes what passes through the adapters' hooks."""

    def __init__(self, name: str, notes: list[Any]) -> None:
        self.name = name
        self.notes = notes

    @hookimpl(wrapper=True)
    def save(self, model: Any, path: Any, options: Any) -> Any:
        self.notes.append((self.name, "save begins", model, sorted(entry.name for entry in path.iterdir())))
        answer = yield
        self.notes.append((self.name, "save ends", model, sorted(entry.name for entry in path.iterdir())))
        return answer

    @hookimpl(wrapper=True)
    def load(self, path: Any, options: Any) -> Any:
        self.notes.append((self.name, "load begins", options))
        obj = yield
        self.notes.append((self.name, "load ends", obj))
        return obj


def test_a_wrapper_sees_the_arguments_and_the_result(table: Any) -> None:
    """Auditing is added without the adapter knowing."""
    notes: list[Any] = []
    tiffin.register(Audit("audit", notes), "audit")
    tiffin.save("x", table, indent=2)
    assert notes == [("audit", "save begins", table, []), ("audit", "save ends", table, ["table.json"])]
    notes.clear()
    assert tiffin.load("x") == table
    assert notes == [("audit", "load begins", {"indent": 2}), ("audit", "load ends", table)]


def test_the_wrapper_that_was_registered_last_stands_outermost(table: Any) -> None:
    """Wrappers nest: the last one begins first and ends last."""
    notes: list[Any] = []
    tiffin.register(Audit("first", notes), "first")
    tiffin.register(Audit("second", notes), "second")
    tiffin.save("x", table)
    assert [(name, what) for name, what, *_ in notes] == [
        ("second", "save begins"),
        ("first", "save begins"),
        ("first", "save ends"),
        ("second", "save ends"),
    ]


def test_an_unregistered_wrapper_sees_no_more(table: Any) -> None:
    """Nor does one that is registered late miss anything after that."""
    notes: list[Any] = []
    tiffin.save("x", table)
    tiffin.register(Audit("audit", notes), "audit")
    tiffin.save("x", table)
    assert len(notes) == 2
    tiffin.unregister("audit")
    tiffin.save("x", table)
    assert len(notes) == 2


def test_an_exception_in_a_wrapper_ends_the_save_and_nothing_is_published(table: Any) -> None:
    """A wrapper can refuse, before and after the adapter's work."""

    class Refuse:
        @hookimpl(wrapper=True)
        def save(self) -> Any:
            yield
            raise RuntimeError("not on a Friday")

    tiffin.register(Refuse(), "refuse")
    with pytest.raises(RuntimeError, match="not on a Friday"):
        tiffin.save("x", table)
    assert tiffin.models.list() == []
    with pytest.raises(ModelNotFoundError):
        tiffin.get("x")


def test_an_exception_in_a_wrapper_ends_the_load(table: Any) -> None:
    """The object is not handed out."""
    tiffin.save("x", table)

    class Refuse:
        @hookimpl(wrapper=True)
        def load(self) -> Any:
            raise RuntimeError("refused")
            yield

    tiffin.register(Refuse(), "refuse")
    with pytest.raises(RuntimeError, match="refused"):
        tiffin.load("x")


def test_a_wrapper_sees_an_adapters_exception_and_it_passes_on(table: Any, table_adapter: Any) -> None:
    """What the adapter raises reaches the wrapper, then the user, unchanged."""
    seen: list[BaseException] = []

    class Watch:
        @hookimpl(wrapper=True)
        def save(self) -> Any:
            try:
                return (yield)
            except TypeError as error:
                seen.append(error)
                raise

    tiffin.register(Watch(), "watch")
    table.items["bad"] = {1, 2}
    with pytest.raises(TypeError, match="not JSON serializable") as caught:
        tiffin.save("x", table)
    assert seen == [caught.value]


def test_a_wrapper_that_fails_around_context_info_is_not_blamed_on_the_adapter(
    table_adapter: Any, fresh_registry: Any
) -> None:
    """The error is the wrapper's own."""

    class Failing:
        @hookimpl(wrapper=True)
        def context_info(self) -> Any:
            yield
            raise RuntimeError("wrapper fault")

    tiffin.register(Failing(), "failing")
    with pytest.raises(RuntimeError, match="wrapper fault"):
        tiffin.register(type(table_adapter)(), "again")
    tiffin.unregister("failing")
    tiffin.register(type(table_adapter)(), "again")


def test_wrappers_stand_around_get_runnable_and_context_info(table_adapter: Any, table: Any) -> None:
    """All four hooks of adapters can be watched."""
    seen: list[str] = []

    class Watch:
        @hookimpl(wrapper=True)
        def context_info(self) -> Any:
            seen.append("context_info")
            return (yield)

        @hookimpl(wrapper=True)
        def get_runnable(self, model: Any) -> Any:
            seen.append(f"get_runnable of {model.tag}")
            return (yield)

    class Lookup(tiffin.Runnable):
        @tiffin.Runnable.method
        def lookup(self, key: str) -> str:
            return key

    class WithRunnable(type(table_adapter)):  # type: ignore[misc]
        @hookimpl
        def get_runnable(self, model: Any) -> type:
            return Lookup

    tiffin.unregister("table")
    tiffin.register(Watch(), "watch")
    tiffin.register(WithRunnable(), "table")
    assert seen == ["context_info"]
    model = tiffin.save("x:1", table)
    seen.clear()
    assert model.to_runnable() is Lookup
    assert seen == ["get_runnable of x:1"]


def test_a_plugin_that_answers_an_adapters_hook_without_wrapping_it_is_refused(fresh_registry: Any) -> None:
    """It would answer for every adapter."""

    class Thief:
        @hookimpl
        def load(self, path: Any) -> Any:
            return "stolen"

    with pytest.raises(HookError, match=r"'thief' implements 'load' without wrapping it.*wrapper=True"):
        tiffin.register(Thief(), "thief")
