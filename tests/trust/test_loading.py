"""Loading: what was made here loads as ever; what comes from elsewhere only if it is trusted or harmless."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, models
from tiffin.exceptions import ConfigError, ReadOnlyStoreError, UntrustedModelError

Bring = Callable[..., Model]


def config(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(text, encoding="utf-8")


def test_what_was_saved_here_loads_whatever_it_runs(
    adapter: Any, store_home: Path, box: Any, evil: Any, canary: Path
) -> None:
    """Nobody has to trust their own models."""
    tiffin.save("mine", box(evil))
    tiffin.load("mine")
    assert canary.exists()


@pytest.mark.parametrize("by", ["import", "copy"])
def test_a_model_from_elsewhere_that_runs_code_is_refused_and_nothing_runs(
    by: str, from_elsewhere: Bring, evil: Any, canary: Path
) -> None:
    """The error names what would be imported, and how to go on; the program does not run."""
    model = from_elsewhere(evil, by=by)
    with pytest.raises(UntrustedModelError) as caught:
        model.load()
    assert not canary.exists()
    assert caught.value.names == ("posix.system",)
    assert caught.value.tag == str(model.tag)
    text = str(caught.value)
    assert "posix.system" in text
    assert f"tiffin models inspect {model.tag}" in text
    assert f"tiffin models trust {model.tag}" in text
    assert "load(…, trust=True)" in text


@pytest.mark.parametrize("by", ["import", "copy"])
def test_plain_data_from_elsewhere_loads_unasked(by: str, from_elsewhere: Bring) -> None:
    """A pickle of plain data imports nothing that is not allowed."""
    model = from_elsewhere({"a": [1, 2.5, {3}], "b": b"x"}, by=by)
    assert model.load().value == {"a": [1, 2.5, {3}], "b": b"x"}


def test_a_code_file_that_is_no_pickle_needs_trust(from_elsewhere: Bring, adapter: Any) -> None:
    """What a file of an unknown kind runs cannot be told, even where it looks like harmless data."""
    adapter.say(readers={})
    model = from_elsewhere([1])
    with pytest.raises(UntrustedModelError, match="cannot be told") as caught:
        model.load()
    assert caught.value.names == ()
    assert caught.value.problems


def test_an_adapter_whose_files_run_no_code_loads_unasked(from_elsewhere: Bring, adapter: Any) -> None:
    """Formats that cannot run code need no trust."""
    adapter.say(code_files=())
    assert from_elsewhere([1]).load().value == [1]


def test_every_file_counts_where_the_adapter_does_not_say(from_elsewhere: Bring, adapter: Any, evil: Any) -> None:
    """`code_files=None` stands for all files."""
    adapter.say(code_files=None)
    with pytest.raises(UntrustedModelError):
        from_elsewhere(evil).load()


class Point:
    """What a toy adapter lists."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __setstate__(self, state: object) -> None:
        raise AssertionError("core called it")


POINT = f"{Point.__module__}.{Point.__qualname__}"


def test_an_instance_of_a_class_that_an_adapter_lists_is_built(from_elsewhere: Bring, adapter: Any) -> None:
    """Made empty, and given its attributes; no function of the class is called."""
    adapter.say(lists={"classes": [POINT]})
    built = from_elsewhere(Point(3)).load().value
    assert type(built) is Point
    assert built.x == 3


def test_what_a_maker_makes_is_checked_by_the_check_of_its_class(from_elsewhere: Bring, adapter: Any) -> None:
    """Makers and checks may be given by a function, which is asked for only when a stranger's model is looked at."""

    def check(made: Any) -> None:
        if made.x < 0:
            raise ValueError("less than nothing")

    adapter.say(lists={"classes": [POINT], "checks": lambda: {POINT: check}})
    assert from_elsewhere(Point(1)).load().value.x == 1
    with pytest.raises(UntrustedModelError, match="cannot be made"):
        from_elsewhere(Point(-1)).load()


@pytest.mark.filterwarnings("ignore::tiffin.exceptions.PluginWarning")
def test_names_in_allowed_globals_let_nothing_load(
    from_elsewhere: Bring, adapter: Any, evil: Any, canary: Path
) -> None:
    """They let a pickle call what it names; a model that relies on them needs trust, and the adapter is told once."""
    adapter.say(lists={"allowed_globals": ["posix.system"]})
    with pytest.raises(UntrustedModelError, match=r"posix\.system"):
        from_elsewhere(evil).load()
    assert not canary.exists()
    adapter.say(lists={"allowed_globals": ["posix.system", "a.b"]})
    with pytest.warns(tiffin.exceptions.PluginWarning, match="lets nothing load any more"):
        from_elsewhere([1]).load()


def test_an_adapter_that_does_not_take_trusted_is_not_called(
    from_elsewhere: Bring, adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read a stranger's file by itself; the error and the report name it."""
    from tiffin import hookimpl

    class Old(type(adapter)):  # type: ignore[misc]
        @hookimpl
        def load(self, path: Path) -> Any:
            raise AssertionError("it was called")

    gift = from_elsewhere([1])
    tiffin.unregister("box")
    tiffin.register(Old(), "box")
    with pytest.raises(UntrustedModelError, match=r"'box'.* does not take 'trusted'"):
        gift.load()
    assert models.inspect(gift.tag).verdict == "refused"
    with pytest.raises(AssertionError, match="it was called"):
        gift.load(trust=True)


@pytest.mark.parametrize("field", ["classes", "functions", "makers", "checks"])
@pytest.mark.parametrize(
    "wrong", ["posix", "cloudpickle.cloudpickle._make_function", "tiffin.pickling.rebuild:code", "posix.*", ""]
)
def test_a_list_holds_exact_names_only(wrong: str, field: str, adapter: Any) -> None:
    """Packages, patterns and what makes code by value are refused with the adapter's name."""
    from tiffin.exceptions import HookError

    with pytest.raises(HookError, match=field):
        adapter.say(lists={field: {wrong: print} if field in ("makers", "checks") else [wrong]})


def test_a_list_may_be_a_file_or_a_function(tmp_path: Path) -> None:
    """Long lists lie in files, and are read only when they are needed."""
    from tiffin import AdapterInfo
    from tiffin.building import Lists, Name

    path = tmp_path / "names.txt"
    path.write_text("# a comment\n\nkv.Table\nkv:Table.Row\n", encoding="utf-8")
    expected = {Name("kv", "Table"), Name("kv", "Table.Row")}
    for classes in (path, lambda: ["kv.Table", "kv:Table.Row"]):
        lists = Lists()
        AdapterInfo(classes=classes).add_to(lists, "kv")
        assert lists.classes == expected


def test_a_missing_list_allows_nothing_and_stops_nobody(
    from_elsewhere: Bring, adapter: Any, tmp_path: Path, evil: Any
) -> None:
    """A broken adapter's lists count as empty."""
    adapter.say(lists={"classes": tmp_path / "gone.txt"})
    with pytest.raises(UntrustedModelError, match=r"posix\.system"):
        from_elsewhere(evil).load()
    assert from_elsewhere([1]).load().value == [1]


def test_trust_true_loads_and_is_remembered(from_elsewhere: Bring, evil: Any, canary: Path) -> None:
    """Trust is given once: later loads, of any handle, need no argument."""
    model = from_elsewhere(evil)
    tiffin.load(model.tag, trust=True)
    assert canary.exists()
    canary.unlink()
    tiffin.load(model.tag)
    assert canary.exists()
    origin = models.inspect(model.tag).origin
    assert origin is not None
    assert origin["how"].startswith("imported from ")
    assert origin["trusted"].keys() == {"kind", "by", "how", "time"}
    assert origin["trusted"]["how"] == "load(trust=True)"


def test_trust_by_function_and_taking_it_back(from_elsewhere: Bring, evil: Any) -> None:
    """`trust` and `untrust` change what `load` does."""
    model = from_elsewhere(evil)
    models.trust(model.tag)
    assert models.inspect(model.tag).verdict == "trusted"
    model.load()
    models.untrust(model.tag)
    with pytest.raises(UntrustedModelError):
        model.load()


def test_trust_holds_for_the_content_under_every_tag(from_elsewhere: Bring, evil: Any, tmp_path: Path) -> None:
    """A trusted content is trusted again when it is imported under another name; another content is not."""
    model = from_elsewhere(evil)
    models.trust(model.tag)
    archive = models.export_model(model.tag, tmp_path / "again.tiffin")
    models.import_model(archive, name="other").load()
    with pytest.raises(UntrustedModelError):
        from_elsewhere([evil]).load()


def test_the_framework_s_own_function_takes_trust(from_elsewhere: Bring, evil: Any, canary: Path) -> None:
    """`tiffin.<framework>.load_model` refuses and trusts as `load` does."""
    import tiffin.box as box  # type: ignore[import-not-found]

    model = from_elsewhere(evil)
    with pytest.raises(UntrustedModelError):
        box.load_model(model.tag)
    assert not canary.exists()
    box.load_model(model.tag, trust=True)
    assert canary.exists()


def test_a_runnable_of_an_untrusted_model_does_not_start(from_elsewhere: Bring, evil: Any, canary: Path) -> None:
    """Workers load through the same check."""
    runnable = from_elsewhere(evil, signatures={"get": {"batchable": False}}).to_runnable()
    with pytest.raises(UntrustedModelError):
        runnable()
    assert not canary.exists()


def test_custom_objects_are_refused_one_by_one(from_elsewhere: Bring, evil: Any, canary: Path) -> None:
    """A harmless custom object loads; one that runs code does not, until the model is trusted."""
    model = from_elsewhere([1], custom_objects={"good": {"a": 1}, "bad": [evil]})
    assert model.load().value == [1]
    assert model.custom_objects["good"] == {"a": 1}
    with pytest.raises(UntrustedModelError, match=r"posix\.system"):
        model.custom_objects["bad"]
    assert not canary.exists()
    models.trust(model.tag)
    model.custom_objects["bad"]
    assert canary.exists()


def test_saving_here_what_was_imported_makes_it_this_store_s_own(
    from_elsewhere: Bring, evil: Any, box: Any, store_home: Path
) -> None:
    """The same content, saved by this store's own user, is trusted."""
    model = from_elsewhere(evil)
    tiffin.save("mine", box(evil), signatures={})
    assert models.inspect(model.tag).verdict == "made here"


def test_importing_again_what_was_saved_here_needs_no_trust(
    adapter: Any, store_home: Path, box: Any, evil: Any, tmp_path: Path
) -> None:
    """A content that this store made is known when it comes back."""
    model = tiffin.save("mine", box(evil))
    archive = models.export_model(model.tag, tmp_path / "mine.tiffin")
    models.delete(model.tag)
    models.import_model(archive).load()


def test_other_options_do_not_make_a_model_a_stranger(adapter: Any, store_home: Path, box: Any, evil: Any) -> None:
    """A handle with other options loads the same content."""
    tiffin.save("mine", box(evil)).with_options().load()


# -- folders that were copied in, and lie --------------------------------------------------------------------------------


def test_a_copied_folder_that_claims_to_be_a_model_of_this_store_is_refused(
    adapter: Any, store_home: Path, box: Any, evil: Any, canary: Path
) -> None:
    """The record of a model that was saved here, beside other files, does not make them trusted."""
    mine = tiffin.save("mine:1", box([1]))
    target = mine.path.parent / "2"
    shutil.copytree(mine.path, target)
    record = (target / "model.yaml").read_text(encoding="utf-8")
    import pickle

    forged = pickle.dumps(evil)
    (target / "box.pkl").chmod(0o644)
    (target / "box.pkl").write_bytes(forged)
    import attrs

    from tiffin.info import parse_record, render_record

    info = attrs.evolve(parse_record(record.encode(), ""), version="2", edited=False)
    (target / "model.yaml").write_bytes(render_record(info))
    with pytest.raises(UntrustedModelError, match="not the one that is trusted"):
        tiffin.load("mine:2")
    assert models.inspect("mine:2").verdict == "refused"
    assert not canary.exists()


def test_a_record_that_states_another_content_s_digest_is_not_believed(
    adapter: Any, store_home: Path, box: Any, evil: Any, from_elsewhere: Bring, canary: Path
) -> None:
    """The digest is computed from what the record lists, so a copied one grants nothing."""
    import attrs

    from tiffin.info import parse_record, render_record

    mine = tiffin.save("mine", box([1]))
    gift = from_elsewhere(evil, by="copy")
    info = parse_record((gift.path / "model.yaml").read_bytes(), "")
    forged = attrs.evolve(info, content_digest=mine.info.content_digest)
    (gift.path / "model.yaml").write_bytes(render_record(forged))
    with pytest.raises(UntrustedModelError):
        tiffin.load(gift.tag)
    assert not canary.exists()


def test_a_file_that_the_record_does_not_list_counts(from_elsewhere: Bring, evil: Any) -> None:
    """What the adapter would read is what lies in the folder."""
    import pickle

    gift = from_elsewhere([1], by="copy")
    gift.path.chmod(0o755)
    (gift.path / "more.PKL").write_bytes(pickle.dumps(evil))
    with pytest.raises(UntrustedModelError, match=r"posix\.system"):
        gift.load()
    with pytest.raises(UntrustedModelError, match="does not list"):
        models.trust(gift.tag)


def test_a_link_is_never_followed(from_elsewhere: Bring, tmp_path: Path) -> None:
    """A link in a copied folder could point anywhere."""
    gift = from_elsewhere([1], by="copy")
    gift.path.chmod(0o755)
    (gift.path / "link.pkl").symlink_to(gift.path / "box.pkl")
    with pytest.raises(UntrustedModelError, match="link"):
        gift.load()


def test_accepting_an_edit_is_not_trusting_a_stranger(from_elsewhere: Bring, evil: Any, canary: Path) -> None:
    """`verify --accept` on an imported model leaves it untrusted."""
    gift = from_elsewhere(evil)
    record = gift.path / "model.yaml"
    record.write_text(record.read_text(encoding="utf-8").replace("labels: {}", "labels: {a: b}"), encoding="utf-8")
    models.verify(gift.tag, accept=True)
    assert not models.get(gift.tag).edited
    with pytest.raises(UntrustedModelError):
        tiffin.load(gift.tag)
    assert not canary.exists()


def test_accepting_an_edit_of_one_s_own_model_keeps_it_loading(
    adapter: Any, store_home: Path, box: Any, evil: Any
) -> None:
    """An accepted edit of what was saved here counts as made here, where it changes the content too."""
    mine = tiffin.save("mine", box(evil))
    record = mine.path / "model.yaml"
    record.write_text(
        record.read_text(encoding="utf-8").replace("signatures: {}", "signatures: {f: {batchable: false}}"),
        encoding="utf-8",
    )
    models.verify(mine.tag, accept=True)
    assert models.inspect(mine.tag).verdict == "made here"
    tiffin.load(mine.tag)


def test_a_damaged_origin_grants_nothing(from_elsewhere: Bring, evil: Any) -> None:
    """A note that cannot be read counts as none, and the error says so."""
    gift = from_elsewhere(evil)
    models.trust(gift.tag)
    origins = models.default_store().path / "origins"
    for note in origins.iterdir():
        note.write_text("{", encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="damaged"):
        gift.load()


def test_trust_in_a_read_only_store_holds_for_the_load(
    from_elsewhere: Bring, evil: Any, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where trust cannot be noted, `trust=True` still loads, this time."""
    gift = from_elsewhere(evil)

    def refuse(*_: object) -> None:
        raise ReadOnlyStoreError("no", path="")

    monkeypatch.setattr(type(models.default_store()), "set_trust", refuse)
    gift.load(trust=True)
    assert canary.exists()
    with pytest.raises(UntrustedModelError):
        gift.load()


# -- the policy ----------------------------------------------------------------------------------------------------------


def test_policy_allow_listed_takes_no_trust_by_hand(from_elsewhere: Bring, evil: Any, store_home: Path) -> None:
    """What is all on the lists loads; trust that was or is given by hand does not count."""
    gift = from_elsewhere(evil)
    models.trust(gift.tag)
    config(store_home, '[trust]\npolicy = "allow-listed"\n')
    with pytest.raises(UntrustedModelError, match="'allow-listed'"):
        gift.load(trust=True)
    assert from_elsewhere([1]).load().value == [1]


def test_policy_never_loads_nothing_from_elsewhere_that_can_run_code(
    from_elsewhere: Bring, store_home: Path, box: Any, evil: Any
) -> None:
    """Not even plain data in a format that could; what was made here loads."""
    config(store_home, '[trust]\npolicy = "never"\n')
    with pytest.raises(UntrustedModelError, match="'never'"):
        from_elsewhere([1]).load(trust=True)
    tiffin.save("mine", box(evil))
    tiffin.load("mine")


def test_policy_always_loads_unseen(from_elsewhere: Bring, store_home: Path, evil: Any, canary: Path) -> None:
    """Nothing is inspected, and nothing noted."""
    config(store_home, '[trust]\npolicy = "always"\n')
    gift = from_elsewhere(evil)
    gift.load()
    assert canary.exists()
    assert models.inspect(gift.tag).verdict == "unseen"


def test_the_environment_comes_before_the_file(
    from_elsewhere: Bring, store_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TIFFIN_TRUST_POLICY overrides config.toml."""
    config(store_home, '[trust]\npolicy = "always"\n')
    monkeypatch.setenv("TIFFIN_TRUST_POLICY", "never")
    with pytest.raises(UntrustedModelError, match="'never'"):
        from_elsewhere([1]).load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[trust]\npolicy = "alwys"\n', "'alwys'"),
        ('[trust]\npolcy = "always"\n', "Did you mean 'policy'"),
        ("[trust\n", "not valid TOML"),
        ('trust = "always"\n', "not a section"),
    ],
)
def test_wrong_settings_are_an_error_and_load_nothing(
    text: str, said: str, from_elsewhere: Bring, store_home: Path, evil: Any, canary: Path
) -> None:
    """A setting that cannot be understood never counts as a permission."""
    gift = from_elsewhere(evil)
    config(store_home, text)
    with pytest.raises(ConfigError, match=said):
        gift.load(trust=True)
    assert not canary.exists()
