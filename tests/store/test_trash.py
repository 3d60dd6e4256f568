"""Deleted versions are kept for some days, and can be had back as they were."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
from store_states import assert_tidy, mark_of, problems, save, snapshot

from inside.store import DAY, _changes, entries
from tiffin import models
from tiffin.exceptions import AliasedVersionError, ConfigError, ModelExistsError, ModelNotFoundError, StoreWarning
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.trash import trash, undelete
from tiffin.store.usage import usage
from tiffin.store.verifying import verify
from tiffin.tags import Tag, time_of

MEGA = 2_000_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give settings of the test's own."""
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def age(store: ModelStore, days: float) -> None:
    """Make everything in the trash older."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    for entry in list(entries(store.layout)):
        number = (entry.time - int(days * DAY)) << 40 | 1
        identity = "".join(digits[(number >> shift) & 31] for shift in range(95, -1, -5))
        Path(entry.path).rename(f"{store.layout.trash}/{entry.name}/{entry.version}.{identity}")


def test_what_was_deleted_comes_back_as_it_was(store: ModelStore) -> None:
    """Files, record, custom objects, trust and its place among the others by age; aliases are not set again."""
    for number in (1, 2, 3):
        save(store, f"x:{number}", number)
    store.set_alias("x:2", "prod")
    before = snapshot(store)
    info = store.get("x:2").info
    order = store.versions("x")
    assert store.delete("x:2", force=True) == [Tag("x", "2")]
    with pytest.raises(ModelNotFoundError):
        store.get("x:2")
    model = undelete(store, "x:2")
    assert (model.tag, model.info) == (Tag("x", "2"), info)
    assert store.versions("x") == order
    assert snapshot(store) == {key: value for key, value in before.items() if key != "x:prod"}
    assert trash(store) == []
    assert verify(store) == []
    assert_tidy(store)


def test_latest_is_what_it_was_before(store: ModelStore) -> None:
    """A version that comes back is not the newest for that."""
    save(store, "x:1", 1)
    save(store, "x:2", 2)
    store.delete("x:1")
    undelete(store, "x")
    assert store.get("x:latest").version == "2"
    store.delete("x:2")
    assert store.get("x:latest").version == "1"
    undelete(store, "x:2")
    assert ModelStore(store.path).get("x").version == "2"


def test_the_arrival_of_what_claims_a_later_time_is_kept(store: ModelStore) -> None:
    """As long as the version can come back, so that it does not become the newest for ever."""
    from inside.store import _arrivals

    save(store, "x:1", 1)
    note = Path(store.layout.arrivals, "x", "1")
    note.parent.mkdir(parents=True)
    note.write_text("4000000000000000 1000\n")
    os.utime(note, (0, 0))
    store.delete("x:1")
    gc(store)
    assert note.exists()
    gc(store, trash=True)
    _arrivals.sweep(store.layout)
    assert not note.exists()


def test_of_several_deleted_under_one_tag_the_last_comes_back_or_the_one_asked_for(store: ModelStore) -> None:
    """Each is kept; `trash` tells them apart, newest first."""
    for mark in (1, 2, 3):
        save(store, "x:v", mark)
        store.delete("x:v")
    found = trash(store, "x")
    assert [str(entry.tag) for entry in found] == ["x:v"] * 3
    assert [entry.deleted for entry in found] == sorted((entry.deleted for entry in found), reverse=True)
    assert mark_of(undelete(store, "x:v", id=found[2].id).load()) == 1
    with pytest.raises(ModelExistsError, match="exists already"):
        undelete(store, "x:v")
    store.delete("x:v", now=True)
    assert mark_of(undelete(store, "x:v").load()) == 3
    with pytest.raises(ModelNotFoundError, match="is not in the trash"):
        undelete(store, "x:v", id=found[2].id)


def test_a_version_is_meant_by_its_beginning_and_a_name_by_what_was_deleted_last(store: ModelStore) -> None:
    """Several versions of one beginning are named."""
    for version in ("a1", "a2", "b1"):
        save(store, f"x:{version}", 1)
        store.delete(f"x:{version}")
    with pytest.raises(ModelNotFoundError, match="could be 2 deleted versions: a1, a2"):
        undelete(store, "x:a")
    assert undelete(store, "x:b").version == "b1"
    assert undelete(store, "x").version == "a2"
    with pytest.raises(ModelNotFoundError, match=r"'x:zz' is not in the trash.*7 days.*It has x:a1"):
        undelete(store, "x:zz")


def test_what_exists_is_not_replaced(store: ModelStore) -> None:
    """A version saved since, and an alias of the name; what is in the trash stays there."""
    save(store, "x:1", 1)
    store.delete("x:1")
    save(store, "x:1", 2)
    with pytest.raises(ModelExistsError):
        undelete(store, "x:1")
    store.delete("x:1", now=True)
    save(store, "x:2", 2)
    store.set_alias("x:2", "1")
    with pytest.raises(ModelExistsError, match="is an alias"):
        undelete(store, "x:1")
    store.remove_alias("x", "1")
    assert mark_of(undelete(store, "x:1").load()) == 1


def test_deleting_now_frees_at_once(store: ModelStore) -> None:
    """Nothing comes to the trash, and what no other version has is gone from the disk."""
    store.save("x:1", numpy.random.default_rng(1).random(MEGA // 8))
    store.delete("x:1", now=True)
    assert trash(store) == []
    assert list(Path(store.layout.blobs).glob("*/*")) == []
    with pytest.raises(ModelNotFoundError):
        undelete(store, "x:1")


def test_contents_are_shared_with_what_is_in_the_trash(store: ModelStore) -> None:
    """The bytes stay as long as one has them, are counted once, and emptying frees what only deleted versions have."""
    shared, own = (numpy.random.default_rng(seed).random(MEGA // 8) for seed in (1, 2))
    store.save("x:1", {"shared": shared, "own": own})
    store.save("x:2", {"shared": shared})
    store.delete("x:1")
    used = usage(store)
    assert MEGA <= used.trash < 1.01 * MEGA
    assert MEGA <= used.total < 1.01 * MEGA
    with pytest.raises(ModelNotFoundError):
        usage(store, "y")
    (entry,) = trash(store)
    assert entry.own == used.trash
    assert gc(store).freed == 0
    would = gc(store, dry_run=True, trash=True)
    assert (would.trash, would.freed) == (["x:1"], used.trash)
    assert len(trash(store)) == 1
    done = gc(store, trash=True)
    assert (done.trash, done.freed) == (["x:1"], used.trash)
    assert (trash(store), usage(store).trash) == ([], 0)
    assert (store.get("x:2").load()["shared"] == shared).all()
    assert_tidy(store)


def test_twins_in_the_trash_are_counted_once(store: ModelStore) -> None:
    """Two deleted versions that share all: emptying frees the bytes once."""
    array = numpy.random.default_rng(1).random(MEGA // 8)
    for version in ("1", "2"):
        store.save(f"x:{version}", array)
        store.delete(f"x:{version}")
    assert MEGA <= usage(store).trash < 1.01 * MEGA
    assert MEGA <= gc(store, trash=True).freed < 1.01 * MEGA


def test_what_was_deleted_long_ago_is_freed_by_the_next_change(store: ModelStore, home: Path) -> None:
    """After seven days, or as many as the settings say; reading frees nothing."""
    save(store, "x:1", 1)
    save(store, "y:1", 1)
    store.delete("x:1")
    age(store, 6.9)
    fresh = ModelStore(store.path)
    fresh.set_alias("y:1", "a")
    assert len(trash(fresh)) == 1
    age(store, 0.2)
    assert len(ModelStore(store.path).list()) == 1
    assert len(trash(fresh)) == 1
    ModelStore(store.path).set_alias("y:1", "b")
    assert trash(fresh) == []
    (home / "config.toml").write_text("[trash]\ndays = 30\n")
    fresh.delete("y:1", force=True)
    age(store, 29)
    save(ModelStore(store.path), "z", 1)
    (entry,) = trash(fresh)
    assert entry.kept_until - entry.deleted == datetime.timedelta(days=30)


def test_zero_days_keep_nothing_beyond_the_next_change(store: ModelStore, home: Path) -> None:
    """A number of days may be a fraction; what is no number is refused, and until then all is kept."""
    (home / "config.toml").write_text("[trash]\ndays = 0\n")
    save(store, "x:1", 1)
    store.delete("x:1")
    save(ModelStore(store.path), "y", 1)
    assert trash(store) == []
    for wrong in ('"7"', "-1", "true", "1e9"):
        (home / "config.toml").write_text(f"[trash]\ndays = {wrong}\n")
        with pytest.raises(ConfigError, match="days that deleted models are kept"):
            trash(store)
        save(ModelStore(store.path), "y", 1)  # nothing that is kept is in the way of a change
    (home / "config.toml").write_text("[trash]\ndys = 7\n")
    with pytest.raises(ConfigError, match="Did you mean 'days'"):
        trash(store)


def test_a_name_alone_means_all_its_versions(store: ModelStore) -> None:
    """Those that an alias means are spared, and named; force spares none."""
    for number in (1, 2, 3):
        save(store, f"x:{number}", number)
    store.set_alias("x:2", "prod")
    with pytest.warns(StoreWarning, match=r"Spared 'x:2', which has the alias prod\. To delete it, pass force=True"):
        assert store.delete("x") == [Tag("x", "3"), Tag("x", "1")]
    with pytest.warns(StoreWarning, match="Spared"):
        assert store.delete(Tag("x")) == []
    assert store.delete("x", force=True) == [Tag("x", "2")]
    with pytest.raises(ModelNotFoundError):
        store.delete("x")
    assert len(trash(store)) == 3


@pytest.mark.parametrize("tag", ["x:1", "x:prod", "x:latest"])
def test_one_version_that_an_alias_means_needs_force(store: ModelStore, tag: str) -> None:
    """The error names the version, its aliases and what to do."""
    save(store, "x:1", 1)
    store.set_alias("x:1", "prod")
    store.set_alias("x:1", "best")
    with pytest.raises(AliasedVersionError) as caught:
        store.delete(tag)
    assert (caught.value.tag, caught.value.aliases) == ("x:1", ("best", "prod"))
    assert str(caught.value) == (
        "'x:1' is not deleted: the aliases 'x:best', 'x:prod' mean it. Whoever uses that name would lose the model. "
        "Move or remove the alias first, or pass force=True (--force)."
    )
    assert store.delete(tag, force=True) == [Tag("x", "1")]
    assert store.finder.aliases.names() == []


def test_what_is_no_model_is_not_kept(store: ModelStore) -> None:
    """A folder without a record, and a link, are removed at once."""
    save(store, "x:1", 1)
    for version, make in (("2", Path.mkdir), ("3", lambda path: path.symlink_to(store.get("x:1").path))):
        make(Path(store.layout.version("x", version)))
        store.delete(f"x:{version}")
    assert trash(store) == []
    assert mark_of(store.get("x:1").load()) == 1


def test_a_version_with_a_damaged_record_comes_back_with_it(store: ModelStore) -> None:
    """As it was when it was deleted; verify says what is wrong."""
    model = save(store, "x:1", 1)
    (model.path / "model.yaml").write_text("damaged: [")
    store.delete("x:1")
    assert undelete(store, "x:1").version == "1"
    assert [problem.state for problem in problems(store)] == ["damaged"]


def test_what_else_lies_in_the_trash_is_left_alone(store: ModelStore) -> None:
    """Files of a desktop, folders of other names."""
    save(store, "x:1", 1)
    store.delete("x:1")
    folder = Path(store.layout.trash)
    for strange in ("x/.DS_Store", "x/no-id", "x/1.short", "Not A Name/1.0000000000000000000a", "file"):
        path = folder / strange
        path.parent.mkdir(exist_ok=True)
        path.write_text("x") if strange in ("x/.DS_Store", "file") else path.mkdir()
    assert [str(entry.tag) for entry in trash(store)] == ["x:1"]
    assert gc(store, trash=True).trash == ["x:1"]
    assert (folder / "x" / "no-id").exists()


def test_events_are_told_to_plugins(store: ModelStore) -> None:
    """Deleted, then the aliases that went with it; restored; each alias that is set, moved or removed."""
    from tiffin import hookimpl
    from tiffin.plugins import registry

    heard = []

    class Ears:
        @hookimpl
        def model_deleted(self, tag: Tag) -> None:
            heard.append(f"deleted {tag}")

        @hookimpl
        def model_restored(self, model: models.Model) -> None:
            heard.append(f"restored {model.tag}, {mark_of(model.load())}")

        @hookimpl
        def alias_changed(self, name: str, alias: str, before: str | None, after: str | None) -> None:
            heard.append(f"{name}:{alias} {before} > {after}")

    save(store, "x:1", 1)
    save(store, "x:2", 2)
    registry().register(Ears(), "ears")
    try:
        store.set_alias("x:1", "prod")
        store.set_alias("x:1", "prod")
        store.set_alias("x:2", "prod")
        store.delete("x:2", force=True)
        undelete(store, "x:2")
        store.set_alias("x:2", "test")
        store.remove_alias("x", "test")
    finally:
        registry().unregister("ears")
    assert heard == [
        "x:prod None > 1",
        "x:prod 1 > 2",
        "deleted x:2",
        "x:prod 2 > None",
        "restored x:2, 2",
        "x:test None > 2",
        "x:test 2 > None",
    ]


def test_an_id_tells_its_time() -> None:
    """What is no id tells none."""
    from tiffin.tags import new_version

    version, made = new_version()
    assert time_of(version) == made
    assert abs(made - time.time_ns() // 1000) < 60_000_000
    assert [time_of(text) for text in ("", "v1", "u" * 20, "0" * 21)] == [None] * 4


def test_what_is_restored_while_another_waits_to_delete_it_goes_to_the_trash_again(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is a model is looked at once nobody else changes the name; before, it was not there."""
    save(store, "x:1", 1)
    store.delete("x:1")
    real = _changes.changing_name

    def restored_first(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        undelete(store, "x:1")
        return real(*arguments, **options)

    monkeypatch.setattr(_changes, "changing_name", restored_first)
    _changes.delete(store.layout, "x", "1")
    assert [str(entry.tag) for entry in trash(store)] == ["x:1"]
