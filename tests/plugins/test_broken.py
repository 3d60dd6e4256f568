"""A broken plugin hides no other, and says what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tiffin
from tiffin import hookimpl
from tiffin.exceptions import (
    BrokenPluginError,
    EmptyAnswerError,
    HookError,
    PluginConflictError,
    PluginError,
    PluginWarning,
)
from tiffin.plugins import AdapterInfo, Registry

GOOD = "from tiffin import hookimpl\n@hookimpl\ndef context_info(): return {'types': ['a.B']}\n"

BROKEN: dict[str, tuple[str, type[PluginError], str]] = {
    "missing dependency": (
        "import no_such_library",
        BrokenPluginError,
        "tiffin-bad 1.2 cannot be imported: ModuleNotFoundError: No module named 'no_such_library'.*Install what is missing",
    ),
    "syntax error": ("def context_info(:", BrokenPluginError, "cannot be imported: SyntaxError"),
    "exception at import": ("1 / 0", BrokenPluginError, "cannot be imported: ZeroDivisionError"),
    "no context_info": (
        GOOD.replace("context_info", "load").replace("()", "(path)", 1),
        HookError,
        "no hook 'context_info'",
    ),
    "nothing marked": ("def context_info(): return {}", HookError, "no hook 'context_info'"),
    "unknown argument": (
        GOOD + "@hookimpl\ndef save(obj, path): pass\n",
        HookError,
        "'bad' implements the hook 'save' with an argument 'obj'.*The hook has: model, path, options",
    ),
    "argument with a default": (
        GOOD + "@hookimpl\ndef save(model, path, options=None): pass\n",
        HookError,
        "takes 'options' with a default value.*not given",
    ),
    "argument by keyword only": (
        GOOD + "@hookimpl\ndef save(model, *, path): pass\n",
        HookError,
        "takes 'path' by keyword only",
    ),
    "misspelled hook": (
        GOOD + "@hookimpl\ndef laod(path): pass\n",
        HookError,
        "implements 'laod', which is no hook of Tiffin.*Did you mean 'load'",
    ),
    "wrapper in an adapter": (
        GOOD + "@hookimpl(wrapper=True)\ndef load(path): return (yield)\n",
        HookError,
        "wraps the hook 'load'.*'tiffin.plugins'",
    ),
    "event in an adapter": (
        GOOD + "@hookimpl\ndef model_saved(model): pass\n",
        HookError,
        "implements the hook 'model_saved'.*'tiffin.plugins'",
    ),
    "empty answer": (GOOD.replace("{'types': ['a.B']}", "None"), EmptyAnswerError, "context_info returned None"),
    "no mapping": (GOOD.replace("{'types': ['a.B']}", "['a.B']"), HookError, "context_info with list"),
    "unknown field": (
        GOOD.replace("'types'", "'type'"),
        HookError,
        "unknown field 'type'.*Did you mean 'types'",
    ),
    "one string for a list": (GOOD.replace("['a.B']", "'a.B'"), HookError, "types='a.B'.*list of strings"),
    "wrong signatures": (GOOD.replace("{", "{'signatures': 3, "), HookError, "signatures=3"),
    "wrong options": (GOOD.replace("{", "{'options': int, "), HookError, "options=<class 'int'>"),
    "wrong framework type": (GOOD.replace("{", "{'framework': 3, "), HookError, "framework=3"),
    "another framework": (GOOD.replace("{", "{'framework': 'best', "), HookError, "says that its framework is 'best'"),
    "exception in context_info": (
        GOOD.replace("return {", "return {1 / 0: 0, "),
        BrokenPluginError,
        "cannot say what it is: ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_adapter_tells_its_fault_and_hides_no_other(kind: str, kv: Any, fresh_registry: Registry) -> None:
    """Whoever asks for it by name gets the cause; the list shows it; the other adapters work."""
    source, error, text = BROKEN[kind]
    kv.install("tiffin-bad", adapters={"bad": "tiffin_bad"}, tiffin_bad="")
    (kv.path / "tiffin_bad.py").write_text(source, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(error, match=f"(?s){text}") as caught:
            _ = fresh_registry.adapter("bad").info
        assert caught.value.plugin == "bad"
    rows = {row.name: row for row in fresh_registry.describe()}
    assert rows["bad"].state == "broken"
    assert rows["bad"].distribution == "tiffin-bad"
    assert str(caught.value) == rows["bad"].cause
    assert rows["kv"].state == "ok"
    import kvlib  # type: ignore[import-not-found]

    with pytest.warns(PluginWarning, match="without bad, which cannot be used; 'tiffin plugins list' shows why"):
        assert fresh_registry.adapter_for(kvlib.Table({})).name == "kv"


def test_the_cause_of_an_import_error_is_chained(site: Any, fresh_registry: Registry) -> None:
    """The traceback leads to the line of the plugin that failed."""
    site.install("tiffin-bad", adapters={"bad": "tiffin_bad"}, tiffin_bad="1 / 0")
    with pytest.raises(BrokenPluginError) as caught:
        fresh_registry.adapter("bad")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_plugins_list_shows_broken_plugins_with_their_causes(kv: Any) -> None:
    """The command line prints the state in the table, and the cause below it, and succeeds."""
    kv.install("tiffin-bad", adapters={"bad": "tiffin_bad"}, tiffin_bad="import no_such_library")
    kv.install("tiffin-audit", plugins={"audit": "tiffin_audit"}, tiffin_audit="1 / 0")
    shown = kv.tiffin("plugins", "list")
    assert shown.returncode == 0, shown.stderr
    assert "broken bad (tiffin-bad): The plugin 'bad' of tiffin-bad 1.2 cannot be imported" in shown.stdout
    assert "broken audit (tiffin-audit): " in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr
    states = {row["name"]: row["state"] for row in json.loads(kv.tiffin("plugins", "list", "-o", "json").stdout)}
    assert states["bad"] == states["audit"] == "broken"
    assert states["kv"] == "ok"


def test_an_adapter_that_cannot_save_or_load_says_so(site: Any, store_home: Any, fresh_registry: Registry) -> None:
    """A missing save or load is told as soon as the adapter is looked at, and hides no other adapter."""
    half = "from tiffin import hookimpl\n@hookimpl\ndef context_info(): return {'types': ['a.Half']}\n"
    site.install("tiffin-half", adapters={"half": "tiffin_half"}, tiffin_half=half)
    with pytest.raises(HookError, match="'half' has no hook 'save' and no hook 'load'"):
        fresh_registry.adapter("half").info
    [row] = [row for row in fresh_registry.describe() if row.name == "half"]
    assert (row.state, "no hook 'save'" in row.cause) == ("broken", True)
    assert fresh_registry.usable()[1] == ["half"]


class _Saves:
    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": ["a.Half"]}

    @hookimpl
    def save(self, path: Any) -> None:
        """Write nothing."""


def test_an_adapter_that_cannot_load_is_not_registered(fresh_registry: Registry) -> None:
    """The program that registers it hears of it at once."""
    with pytest.raises(HookError, match="'saves' has no hook 'load'"):
        tiffin.register(_Saves(), "saves")
    assert not fresh_registry.has("saves")


def test_a_load_that_answers_nothing_is_an_error(site: Any, store_home: Any, fresh_registry: Registry) -> None:
    """Otherwise pluggy would hand None to the user."""
    site.install(
        "tiffin-half", adapters={"half": "tiffin_half"}, tiffin_half=GOOD + "@hookimpl\ndef load(path): pass\n"
    )
    with pytest.raises(EmptyAnswerError, match="'half' loaded nothing: its load returned None"):
        fresh_registry.adapter("half").load(store_home, {})


def test_two_adapters_of_one_name_are_an_error_that_names_both(kv: Any, fresh_registry: Registry) -> None:
    """Neither is used; the others are; the list shows both."""
    kv.install("tiffin-kv-too", adapters={"kv": "tiffin_kv_too"}, tiffin_kv_too=GOOD)
    with pytest.raises(
        PluginConflictError, match="'kv' belongs to two plugins, of tiffin-kv and of tiffin-kv-too"
    ) as caught:
        fresh_registry.adapter("kv")
    assert caught.value.distributions == ("tiffin-kv", "tiffin-kv-too")
    rows = [row for row in fresh_registry.describe() if row.name == "kv"]
    assert [row.distribution for row in rows] == ["tiffin-kv", "tiffin-kv-too"]
    assert {row.state for row in rows} == {"conflict"}


def test_an_alias_that_another_distribution_has_is_a_conflict_of_the_alias_alone(
    kv: Any, fresh_registry: Registry
) -> None:
    """The adapter is still there under its own name."""
    kv.install("tiffin-two", adapters={"two_model": "tiffin_two", "two": "tiffin_two"}, tiffin_two=GOOD)
    kv.install("tiffin-three", adapters={"two_model": "tiffin_three"}, tiffin_three=GOOD)
    assert fresh_registry.adapter("two").name == "two"
    with pytest.raises(PluginConflictError, match="tiffin-three and of tiffin-two"):
        fresh_registry.adapter("two_model")


def test_an_adapter_and_a_plugin_of_one_name_are_a_conflict(kv: Any, fresh_registry: Registry) -> None:
    """Plugins of both groups share their names: TIFFIN_DISABLE_PLUGINS and errors name them alone."""
    kv.install("tiffin-audit", plugins={"kv": "tiffin_audit"}, tiffin_audit="")
    with pytest.raises(PluginConflictError, match="tiffin-kv and of tiffin-audit"):
        fresh_registry.adapter("kv")
    with pytest.raises(PluginConflictError, match="TIFFIN_DISABLE_PLUGINS=kv"):
        fresh_registry.broadcast()


@pytest.mark.parametrize("name", ["models", "save", "store", "cli", "Tag"])
def test_a_framework_cannot_take_a_name_of_tiffins_own(name: str, site: Any, fresh_registry: Registry) -> None:
    """`tiffin.models` stays what it is; the plugin is shown as unusable."""
    site.install("tiffin-bad", adapters={name: "tiffin_bad"}, tiffin_bad=GOOD)
    with pytest.raises(PluginConflictError, match=f"'tiffin.{name}' is a part of Tiffin"):
        fresh_registry.adapter(name)
    [row] = [row for row in fresh_registry.describe() if row.name == name]
    assert row.state == "conflict"


def test_a_context_info_object_is_as_good_as_a_dict() -> None:
    """`AdapterInfo` itself is accepted, and checked too."""
    info = AdapterInfo(types=["a.B"], code_files=[])
    assert AdapterInfo.from_answer(info, "x") is info
    with pytest.raises(HookError, match="code_files=3"):
        AdapterInfo.from_answer(AdapterInfo(code_files=3), "x")  # type: ignore[arg-type]
