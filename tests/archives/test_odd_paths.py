"""Paths that look like URLs, URLs that are paths, folders that are not there: what is written lies where it was meant to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tiffin import Model, models
from tiffin.exceptions import ArchiveError, StoreError, TransferError
from tiffin.places import is_url
from tiffin.store import ModelStore


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder that the test works in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


URLS = ["s3://b/x", "simplecache::s3://b/x", "zip://a::file:///b.zip", "a::b::memory://x", "S3://b"]
PATHS = [
    "./run::1",
    "run::1",
    "/a/team::a",
    "a/s3://b",
    "/a/b://c",
    "~/x::y",
    "c:x",
    "a::b",
    "zip::/x.zip",
    "::",
    "://x",
    "",
]


@pytest.mark.parametrize(("text", "expected"), [*((url, True) for url in URLS), *((path, False) for path in PATHS)])
def test_what_is_a_url(text: str, expected: bool) -> None:
    """A scheme and ://, at the beginning or behind links of a chain; all else is a path of this machine."""
    assert is_url(text) is expected


@pytest.mark.parametrize("name", ["run::1", "a::b::c", "x:: y", "::1", "s3::b", "1::2.zip"])
def test_a_local_path_with_colons_is_one_file(
    here: Path, model: Model, store: ModelStore, other: ModelStore, name: str
) -> None:
    """It is written and read under its own name, and nothing that is called like its parts is touched."""
    notes = here / name.split("::", maxsplit=1)[0] if name.split("::", maxsplit=1)[0] else here / "notes"
    notes.write_text("the notes of a run")
    for path in (f"./{name}", name, str(here / name)):
        assert models.export_model(model, path, force=True, store=store) == path
        assert models.import_model(path, store=other, force=True).info.files == model.info.files
    assert notes.read_text() == "the notes of a run"
    assert sorted(path.name for path in here.iterdir()) == sorted([name, notes.name])


def test_local_remotes_with_colons_are_different_ones(
    here: Path, make: Callable[..., Model], store: ModelStore
) -> None:
    """team::a and team::b are two folders, and their URLs say which."""
    first, second = make(store, {"a": b"1"}, "iris:v1"), make(store, {"a": b"2"}, "iris:v2")
    assert models.push(first, f"{here}/team::a", store=store).url == f"file://{here}/team%3A%3Aa"
    models.push(second, "./team::b", store=store)
    assert sorted(path.name for path in here.iterdir()) == ["team::a", "team::b"]
    assert [info.version for info in models.list_remote(f"{here}/team::a")] == ["v1"]
    assert [info.version for info in models.list_remote(f"file://{here}/team%3A%3Ab")] == ["v2"]


def test_names_of_servers_with_colons_are_different_ones(make: Callable[..., Model], store: ModelStore) -> None:
    """Each is written whole; fsspec would take them for chains of URLs, and cut them."""
    for version in ("a", "b"):
        model = make(store, {"a": version.encode()}, f"iris:{version}")
        models.push(model, f"memory://team::{version}/models", store=store)
        models.export_model(model, f"memory://out/run::{version}.zip", store=store)
    for version in ("a", "b"):
        assert [info.version for info in models.list_remote(f"memory://team::{version}/models")] == [version]
        copy = models.import_model(f"memory://out/run::{version}.zip", name=f"copy:{version}", store=store)
        assert copy.path_of("a").read_bytes() == version.encode()


def test_chains_of_urls_are_read(here: Path, model: Model, store: ModelStore, other: ModelStore) -> None:
    """What begins a chain still does: an archive within an archive, a cache before a server."""
    import zipfile

    inner = models.export_model(model, "inner.tar", store=store)
    with zipfile.ZipFile("outer.zip", "w") as outer:
        outer.write(inner)
    assert models.import_model(f"zip://inner.tar::file://{here}/outer.zip", store=other).tag == model.tag
    models.export_model(model, "memory://chained/x.tar", store=store)
    assert str(models.import_model("simplecache::memory://chained/x.tar", name="b", store=other).tag) == "b:v1"


@pytest.mark.parametrize("folder", ["with space", "per%cent", "a#b", "a?b", "ünder", "two::colons", "100%"])
def test_file_urls_are_percent_encoded(
    here: Path, model: Model, store: ModelStore, other: ModelStore, folder: str
) -> None:
    """`Path.as_uri()` and a remote's own URL lead to the folder that is meant, for archives, folders and remotes."""
    place = here / folder
    place.mkdir()
    models.export_model(model, (place / "x.tar").as_uri(), store=store)
    models.export_model(model, place.as_uri() + "/", store=store)
    models.export_model(model, (place / "as a folder").as_uri(), "folder", store=store)
    assert sorted(path.name for path in place.iterdir()) == ["as a folder", "iris-v1.tiffin", "x.tar"]
    for name in ("x.tar", "as a folder"):
        assert models.import_model((place / name).as_uri(), force=True, store=other).tag == model.tag
    pushed = models.push(model, (place / "remote").as_uri(), store=store)
    assert (place / "remote" / "models" / "iris" / "v1" / "model.yaml").exists()
    assert pushed.url == (place / "remote").as_uri()
    assert models.pull("iris", pushed.url, name="pulled", store=other).info.files == model.info.files
    assert [path.name for path in here.iterdir()] == [folder]


def test_file_urls_of_this_machine_by_name(here: Path, model: Model, store: ModelStore) -> None:
    """The host localhost is this machine; letters may be large."""
    models.export_model(model, f"file://localhost{here}/x.tar", store=store)
    models.export_model(model, f"FILE://{here}/y.tar", store=store)
    assert sorted(path.name for path in here.iterdir()) == ["x.tar", "y.tar"]


@pytest.mark.parametrize("url", ["file://x.tar", "file://models/x.tar", "file://server/share/x.tar", "file://./x.tar"])
def test_a_file_url_of_another_machine_is_refused(here: Path, model: Model, store: ModelStore, url: str) -> None:
    """What stands behind two slashes is a host, and not taken for a folder here."""
    for action in (
        lambda: models.export_model(model, url, store=store),
        lambda: models.import_model(url, store=store),
        lambda: models.push(model, url, store=store),
    ):
        with pytest.raises((ArchiveError, TransferError), match="it names the host"):
            action()
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "kind"), [("new/x.tar", None), ("new/", None), ("new/deep/x", "folder"), ("~/new/x.zip", None)]
)
def test_a_missing_folder_above_an_export_is_refused(
    here: Path, model: Model, store: ModelStore, path: str, kind: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped path makes no folders; `parents` does."""
    monkeypatch.setenv("HOME", str(here))
    with pytest.raises(ArchiveError, match=r"there is no folder .*new.*parents=True \(--parents\)"):
        models.export_model(model, path, kind, store=store)
    assert list(here.iterdir()) == []
    models.export_model(model, path, kind, parents=True, store=store)
    assert [found.name for found in here.iterdir()] == ["new"]


REFUSED = [
    "c:d.txt",
    "C:",
    "below/x\\y",
    "a\nb",
    "\x85",
    "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200 + "/" + "w" * 200 + "/" + "v" * 250,
]


def save_files(store: ModelStore, *names: str) -> None:
    with models.create("x", store=store) as new:
        for name in names:
            (new.path / name).parent.mkdir(parents=True, exist_ok=True)
            (new.path / name).write_text(name)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_could_not_be_moved_is_refused_when_it_is_saved(store: ModelStore, name: str) -> None:
    """What an export, a push or a pull would refuse later is named at once, and nothing is published."""
    with pytest.raises(StoreError, match="cannot be saved"):
        save_files(store, name)
    assert store.list() == []


COLLIDING = [("A.txt", "a.txt"), ("caf\u00e9", "cafe\u0301"), ("Below/x", "below/y")]


@pytest.mark.parametrize("names", COLLIDING)
def test_files_that_are_one_to_other_systems_are_refused_when_they_are_saved(
    store: ModelStore, names: tuple[str, str]
) -> None:
    """Names that differ in case only, or in how an accent is written."""
    with pytest.raises(StoreError, match="collides with"):
        save_files(store, *names)
    assert store.list() == []


@pytest.mark.parametrize("name", ["below/c:d.txt", "cd:e", "1:2", "a b", "con:x"])
def test_what_can_be_saved_can_be_moved(
    here: Path, make: Callable[..., Model], store: ModelStore, other: ModelStore, name: str
) -> None:
    """Through an archive of each kind, and through a remote."""
    model = make(store, {name: b"x"}, "odd:1")
    for kind in ("tar", "zip", "folder"):
        path = models.export_model(model, f"out.{kind}", kind, store=store)
        assert models.import_model(path, name=f"odd:{kind}", store=other).info.files == model.info.files
    models.push(model, "./remote", store=store)
    assert models.pull("odd", "./remote", name="odd:pulled", store=other).info.files == model.info.files


def test_custom_objects_that_differ_in_case_only_can_be_moved(here: Path, store: ModelStore, other: ModelStore) -> None:
    """Their folders get different names."""
    objects = {"Scaler": [1], "scaler": [2], "SCALER": [3], "scaler-2": [4]}
    model = store.save("x:1", {"a": 1}, custom_objects=objects)
    copy = models.import_model(models.export_model(model, "x.zip", store=store), store=other)
    assert {name: copy.custom_objects[name] for name in objects} == objects
