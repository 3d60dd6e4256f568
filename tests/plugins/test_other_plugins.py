"""Installed plugins of the group `tiffin.plugins`: they are loaded before the first call, or nothing is done."""

from __future__ import annotations

from typing import Any

import pytest

import tiffin
from inside.plugins import use
from tiffin import hookimpl
from tiffin.exceptions import BrokenPluginError, HookError, PluginConflictError

AUDIT = """
    import os
    from tiffin import hookimpl

    def note(text):
        with open(os.environ["NOTES"], "a") as file:
            print(text, file=file)

    @hookimpl(wrapper=True)
    def save(model):
        note(f"saving {type(model).__name__}")
        return (yield)

    @hookimpl
    def model_saved(model): note(f"saved {model.tag}")
    @hookimpl
    def model_loaded(model, obj): note(f"loaded {model.tag}: {obj.items}")
    @hookimpl
    def model_deleted(tag): note(f"deleted {tag}")
"""

BROKEN = {
    "missing dependency": ("import no_such_library", BrokenPluginError),
    "exception": ("1 / 0", BrokenPluginError),
    "misspelled hook": ("from tiffin import hookimpl\n@hookimpl\ndef model_save(model): pass", HookError),
    "wrong argument": ("from tiffin import hookimpl\n@hookimpl\ndef model_saved(obj): pass", HookError),
    "no wrapper": ("from tiffin import hookimpl\n@hookimpl\ndef load(path): return 1", HookError),
}


def test_an_installed_plugin_wraps_calls_and_hears_events(kv: Any, tmp_path: Any) -> None:
    """An audit is installed, not configured."""
    kv.install("tiffin-audit", plugins={"audit": "tiffin_audit"}, tiffin_audit=AUDIT)
    notes = tmp_path / "notes"
    program = """
        import kvlib, tiffin
        tiffin.save("t:1", kvlib.Table({"a": 1}))
        tiffin.load("t")
        with tiffin.models.create("raw:1") as new:
            (new.path / "x").write_text("x")
        tiffin.models.delete("t:1")
    """
    kv.run(program, TIFFIN_HOME=str(tmp_path / "home"), NOTES=str(notes))
    assert notes.read_text().splitlines() == [
        "saving Table",
        "saved t:1",
        "loaded t:1: {'a': 1}",
        "saved raw:1",
        "deleted t:1",
    ]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_stops_save_load_and_delete_and_is_named(
    kind: str, table: Any, site: Any, fresh_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit that silently does not happen is worse than a stop. The error says how to go on without it."""
    tiffin.save("x", table)
    source, error = BROKEN[kind]
    site.install("tiffin-audit", plugins={"audit": "tiffin_audit"}, tiffin_audit=source)
    registry = type(fresh_registry)()
    use(registry, monkeypatch)
    registry._running.update(fresh_registry._running)
    text = "(?s)'audit'.*To go on without it, set TIFFIN_DISABLE_PLUGINS=audit"
    with pytest.raises(error, match=text) as caught:
        tiffin.save("x", table)
    assert "TIFFIN_DISABLE_PLUGINS=audit" in caught.value.fix
    with pytest.raises(error, match=text):
        tiffin.save("x", table, framework="table")
    with pytest.raises(error, match=text):
        tiffin.load("x")
    with pytest.raises(error, match=text):
        tiffin.models.delete("x")
    assert len(tiffin.models.list()) == 1
    monkeypatch.setenv("TIFFIN_DISABLE_PLUGINS", "audit")
    assert tiffin.load(tiffin.save("x", table).tag) == table


@pytest.mark.filterwarnings("error::tiffin.exceptions.PluginWarning")
def test_a_broken_plugin_is_named_by_the_very_first_save(kv: Any, store_home: Any, fresh_registry: Any) -> None:
    """And is not taken for a fault of the adapters, which it stands around."""
    kv.install("tiffin-audit", plugins={"audit": "tiffin_audit"}, tiffin_audit="1 / 0")
    import kvlib  # type: ignore[import-not-found]

    with pytest.raises(BrokenPluginError, match=r"'audit' of tiffin-audit"):
        tiffin.save("x", kvlib.Table({}))


def test_the_command_line_says_how_to_go_on_without_a_broken_plugin(kv: Any, tmp_path: Any) -> None:
    """Its parts of the error hold the way out too, without a traceback; other commands work."""
    kv.install("tiffin-audit", plugins={"audit": "tiffin_audit"}, tiffin_audit="1 / 0")
    home = {"TIFFIN_HOME": str(tmp_path / "home")}
    fill = "import tiffin\nwith tiffin.models.create('raw:1') as new: (new.path / 'x').write_text('x')"
    kv.run(fill, TIFFIN_DISABLE_PLUGINS="audit", **home)
    failed = kv.tiffin("models", "delete", "-y", "raw", **home)
    assert failed.returncode == 1
    assert "Error: The plugin 'audit' of tiffin-audit 1.2 cannot be imported: ZeroDivisionError" in failed.stderr
    assert "TIFFIN_DISABLE_PLUGINS=audit" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert kv.tiffin("models", "list", **home).stdout.count("raw:1") == 1
    assert kv.tiffin("models", "delete", "-y", "raw", TIFFIN_DISABLE_PLUGINS="audit", **home).returncode == 0


def test_an_alias_of_a_plugin_does_not_load_it_twice(site: Any, fresh_registry: Any) -> None:
    """Two names for one module are one plugin."""
    source = "from tiffin import hookimpl\n@hookimpl\ndef commands(): return {'x': 1}\n"
    site.install("tiffin-two", plugins={"two": "tiffin_two", "second": "tiffin_two"}, tiffin_two=source)
    assert fresh_registry.broadcast().commands().count({"x": 1}) == 1


def test_two_plugins_of_one_name_stop_everything_and_both_are_named(table: Any, site: Any, fresh_registry: Any) -> None:
    """Which of two audits happens must not depend on the order of folders."""
    for distribution in ("tiffin-a", "tiffin-b"):
        site.install(distribution, plugins={"audit": distribution.replace("-", "_")})
    registry = type(fresh_registry)()
    with pytest.raises(PluginConflictError, match=r"of tiffin-a and of tiffin-b.*TIFFIN_DISABLE_PLUGINS=audit"):
        registry.broadcast()


def test_events_of_a_running_program(table: Any) -> None:
    """Events come after the fact, with the handle or tag; what they raise reaches the user, and the fact stays."""
    heard: list[str] = []

    class Ears:
        @hookimpl
        def model_saved(self, model: Any) -> None:
            assert tiffin.get(model.tag) == model
            heard.append(f"saved {model.tag}")
            if model.name == "loud":
                raise RuntimeError("heard too much")

        @hookimpl
        def model_loaded(self, model: Any, obj: Any) -> None:
            heard.append(f"loaded {model.tag} {obj.items}")

        @hookimpl
        def model_deleted(self, tag: Any) -> None:
            heard.append(f"deleted {tag}")

    tiffin.register(Ears(), "ears")
    tiffin.save("x:1", table)
    tiffin.load("x:1")
    tiffin.models.delete("x:1")
    with pytest.raises(RuntimeError, match="heard too much"):
        tiffin.save("loud:1", table)
    assert heard == ["saved x:1", "loaded x:1 {'a': 1, 'b': [2]}", "deleted x:1", "saved loud:1"]
    assert tiffin.load("loud") == table


def test_prune_tells_of_every_version_that_it_deletes(table: Any) -> None:
    """`prune` deletes as `delete` does."""
    heard: list[str] = []
    ears = type("Ears", (), {"model_deleted": hookimpl(lambda self, tag: heard.append(str(tag)))})
    tiffin.register(ears(), "ears")
    tags = [tiffin.save("x", table).tag for _ in range(3)]
    tiffin.models.prune("x", 1)
    assert sorted(heard) == [str(tag) for tag in tags[:2]]


def test_a_plugin_adds_a_command(kv: Any) -> None:
    """`commands` adds to the command line; the plugin is loaded for its command and for --help, not for core's."""
    kv.install(
        "tiffin-hello",
        plugins={"hello": "tiffin_hello"},
        tiffin_hello="""
            import click, sys
            from tiffin import hookimpl
            print("loaded", file=sys.stderr)

            @click.command()
            def hello():
                "Say hello."
                click.echo("hello")

            @click.command()
            def models():
                click.echo("stolen")

            @hookimpl
            def commands():
                return {"hello": hello, "models": models}
        """,
    )
    said = kv.tiffin("hello")
    assert (said.returncode, said.stdout) == (0, "hello\n")
    assert "hello    " in kv.tiffin("--help").stdout
    own = kv.tiffin("models", "list")
    assert own.returncode == 0
    assert "stolen" not in own.stdout
    assert "loaded" not in own.stderr


@pytest.mark.parametrize("answer", ["{'hello': 3}", "5", "{1: 2}", "1 / 0"])
def test_a_wrong_answer_of_commands_is_told_without_a_traceback(answer: str, kv: Any) -> None:
    """--help still helps, and names what is wrong."""
    source = f"from tiffin import hookimpl\n@hookimpl\ndef commands(): return {answer}\n"
    kv.install("tiffin-hello", plugins={"hello": "tiffin_hello"}, tiffin_hello=source)
    helped = kv.tiffin("--help")
    assert helped.returncode == 0, helped.stderr
    assert "models" in helped.stdout
    assert "hello" in helped.stderr
    asked = kv.tiffin("hello")
    assert asked.returncode == 1
    assert "Error:" in asked.stderr
    assert "Traceback" not in helped.stderr + asked.stderr


def test_an_unknown_command_is_wrong_usage(kv: Any) -> None:
    """And exits with 2, as other wrong usage does."""
    said = kv.tiffin("modles")
    assert said.returncode == 2
    assert "No such command 'modles'" in said.stderr
