"""Push and pull through a folder: what travels, what is refused, what is there afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import tiffin
from tiffin import Model, models
from tiffin.exceptions import (
    AmbiguousTagError,
    ModelExistsError,
    ModelNotFoundError,
    RecordError,
    RemoteDamagedError,
    StorageFullError,
    StoreError,
    TransferError,
    UntrustedModelError,
)
from tiffin.remotes import FolderRemote
from tiffin.store import ModelStore


def below(folder: Path | str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def blob(folder: str, model: Model, path: str) -> Path:
    sha256 = model.info.files[path].sha256
    return Path(folder, "blobs", "sha256", sha256[:2], sha256)


def test_a_remote_has_the_layout_of_a_store(folder: str, model: Model, store: ModelStore) -> None:
    """The record in its place, every content once below blobs/, the alias as a line."""
    store.set_alias(model.tag, "prod")
    models.push(model, folder, aliases=True, store=store)
    contents = {f"blobs/sha256/{entry.sha256[:2]}/{entry.sha256}" for entry in model.info.files.values()}
    assert len(contents) == 4
    assert below(folder) == sorted([*contents, "aliases/iris/prod", "format", "models/iris/v1/model.yaml"])
    assert Path(folder, "models/iris/v1/model.yaml").read_bytes() == (model.path / "model.yaml").read_bytes()
    assert Path(folder, "aliases/iris/prod").read_text() == "v1\n"


def test_options_that_nobody_reads_are_refused(folder: str, model: Model, store: ModelStore) -> None:
    """A folder of this machine has no driver, and a remote that is made has its own; the value may be a secret."""
    for place in (folder, f"file://{folder}", FolderRemote(folder)):
        for ask in (
            lambda place=place: models.push(model, place, params={"key": "s3cret"}, store=store),
            lambda place=place: models.list_remote(place, params={"key": "s3cret"}),
        ):
            with pytest.raises(TransferError, match="has no option 'key'") as caught:
                ask()
            assert "s3cret" not in str(caught.value)
    assert not Path(folder).exists()


def test_a_list_of_a_name_that_is_not_on_a_remote_is_an_error(folder: str, model: Model, store: ModelStore) -> None:
    """As of a version that is not there."""
    models.push(model, folder, store=store)
    for tag in ("irsi", "iris:v2"):
        with pytest.raises(ModelNotFoundError, match=f"'{tag}' was not found"):
            models.list_remote(folder, tag)


def test_a_group_that_may_write_to_a_remote_may_write_everywhere_in_it(
    folder: str, model: Model, store: ModelStore
) -> None:
    """Folders below have the permissions of the remote's own, whatever the umask of who pushes."""
    Path(folder).mkdir()
    Path(folder).chmod(0o2775)
    before = os.umask(0o077)
    try:
        models.push(model, folder, store=store)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o7777 for path in Path(folder).rglob("*") if path.is_dir()}
    assert modes == {0o2775}
    files = {path.stat().st_mode & 0o777 for path in Path(folder).rglob("*") if path.is_file()}
    assert files == {0o664}


def test_aliases_travel_only_on_request(folder: str, model: Model, store: ModelStore, other: ModelStore) -> None:
    """Neither a push nor a pull moves one that was not asked for."""
    store.set_alias(model.tag, "prod")
    assert models.push(model, folder, store=store).aliases == ()
    assert not Path(folder, "aliases").exists()
    assert models.push(model, folder, aliases=True, store=store).aliases == ("prod",)
    models.pull("iris:prod", folder, store=other)
    assert models.aliases("iris", store=other) == {}


def test_what_was_pulled_is_the_same_files_and_says_where_it_is_from(
    folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """Content, labels, metadata and creation time; the origin is the remote."""
    models.push(model, folder, store=store)
    pulled = models.pull(model.tag, folder, store=other)
    assert pulled.info == model.info
    assert {path: (pulled.path / path).read_bytes() for path in pulled.info.files} == {
        path: (model.path / path).read_bytes() for path in model.info.files
    }
    origin = other.origin(pulled.info.content_digest)
    assert origin is not None
    assert origin["how"] == f"pulled from file://{folder}"
    assert models.verify(store=other) == []


def test_contents_that_are_here_do_not_travel(
    folder: str, large: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """Nine parts of ten are here: they become links to what is here, even if the remote has lost them meanwhile."""
    models.push(large, folder, store=store)
    files = {f"part{number}": (large.path / f"part{number}").read_bytes() for number in range(9)}
    here = make(other, files, "here:v1")
    for number in range(9):
        blob(folder, large, f"part{number}").unlink()
    pulled = models.pull(large.tag, folder, store=other)
    assert pulled.info.content_digest == large.info.content_digest
    for number in range(9):
        assert (pulled.path / f"part{number}").samefile(here.path / f"part{number}")
    assert models.verify(store=other) == []


def test_a_damaged_content_here_is_not_used(
    folder: str, large: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """A file of another version whose bytes have changed on this disk is fetched instead of being linked to."""
    models.push(large, folder, store=store)
    data = (large.path / "part0").read_bytes()
    here = make(other, {"x": data}, "here:v1")
    (here.path / "x").chmod(0o644)
    (here.path / "x").write_bytes(bytes([data[0] ^ 1]) + data[1:])  # another byte, whatever the random one is
    pulled = models.pull(large.tag, folder, store=other)
    assert (pulled.path / "part0").read_bytes() == data
    assert [problem.tag for problem in models.verify(store=other) if problem.tag] == ["here:v1"]


def test_a_pull_of_what_is_here_fetches_nothing(
    folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """It gives the version that is here, also when the remote has lost its contents."""
    models.push(model, folder, store=store)
    models.pull(model.tag, folder, store=other)
    for path in Path(folder, "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    assert models.pull("iris", folder, store=other).tag == model.tag


def test_a_push_restores_what_a_remote_has_lost(
    folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """The version is there, and a content of it is not: the content is sent again."""
    models.push(model, folder, store=store)
    blob(folder, model, "weights.bin").unlink()
    with pytest.raises(RemoteDamagedError, match=r"'weights\.bin'"):
        models.pull(model.tag, folder, store=other)
    again = models.push(model, folder, store=store)
    assert (again.sent, again.published) == (len(b"x" * 2048), False)
    assert models.pull(model.tag, folder, store=other).info.files == model.info.files


def test_a_pull_under_another_name(folder: str, model: Model, store: ModelStore, other: ModelStore) -> None:
    """Name and version change, the content does not."""
    models.push(model, folder, store=store)
    assert str(models.pull("iris:v1", folder, name="flower", store=other).tag) == "flower:v1"
    assert str(models.pull("iris:v1", folder, name="flower:x", store=other).tag) == "flower:x"
    assert models.get("flower:x", store=other).info.content_digest == model.info.content_digest


def test_remote_and_tag_in_one(folder: str, model: Model, store: ModelStore, other: ModelStore) -> None:
    """`URL/name:version` is understood, as a path and as a URL."""
    models.push(model, folder, store=store)
    assert models.pull(f"{folder}/iris:v1", store=other).tag == model.tag
    assert str(models.pull(f"file://{folder}/iris", name="b", store=other).tag) == "b:v1"


def test_the_newest_is_that_of_the_remote(
    folder: str, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """By the time of creation, not of the push, and not by the version's name."""
    for version in ("b", "a"):
        make(store, {"x": version.encode()}, f"iris:{version}")
    for version in ("a", "b"):
        models.push(f"iris:{version}", folder, store=store)
    assert str(models.pull("iris", folder, store=other).tag) == "iris:a"


def test_a_beginning_of_several_versions_is_ambiguous(
    folder: str, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """All are named."""
    for version in ("v10", "v11"):
        models.push(make(store, {"x": version.encode()}, f"iris:{version}"), folder, store=store)
    with pytest.raises(AmbiguousTagError, match="v10, v11"):
        models.pull("iris:v1", folder, store=other)


def test_what_is_not_there_is_told_with_what_is(
    folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """An unknown version names the known ones."""
    models.push(model, folder, store=store)
    with pytest.raises(ModelNotFoundError, match="'iris' has v1 there"):
        models.pull("iris:w", folder, store=other)
    models.push(model, folder, store=store)
    store.set_alias(model.tag, "prod")
    models.push(model, folder, aliases=True, store=store)
    with pytest.raises(ModelNotFoundError, match="'iris' has v1 there, and the aliases prod"):
        models.pull("iris:prd", folder, store=other)
    with pytest.raises(ModelNotFoundError, match="Look at what is there: tiffin remotes models"):
        models.pull("nothing", folder, store=other)
    with pytest.raises(ModelNotFoundError, match="Did you mean 'iris'"):
        models.pull("irsi", folder, store=other)
    with pytest.raises(ModelNotFoundError, match="Nothing has been pushed to"):
        models.pull("iris", f"{folder}-typo", store=other)
    assert models.list(store=other) == []


def test_a_version_without_its_record_yet_is_not_there(
    folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """What somebody pushes right now is passed over by lists and by `latest`."""
    models.push(model, folder, store=store)
    Path(folder, "models/iris/v2").mkdir()
    assert [str(info.tag) for info in models.list_remote(folder)] == ["iris:v1"]
    assert str(models.pull("iris", folder, store=other).tag) == "iris:v1"


@pytest.mark.parametrize("change", ["flip", "cut", "grow", "empty"])
def test_a_damaged_content_is_refused(
    change: str, folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """The file is named, nothing is published, nothing is left, and whoever pushes is told of a wrong size."""
    models.push(model, folder, store=store)
    path = blob(folder, model, "weights.bin")
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes({"flip": data[:5] + b"!" + data[6:], "cut": data[:-1], "grow": data + b"x", "empty": b""}[change])
    with pytest.raises(TransferError, match=r"weights\.bin"):
        models.pull(model.tag, folder, store=other)
    assert models.list(store=other) == []
    assert below(other.path / "staging") == []
    if change != "flip":
        with pytest.raises(RemoteDamagedError, match="instead of 2048"):
            models.push(model, folder, store=store)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("iris", "wine", "is that of wine:v1"),
        ("notes.txt", "../notes", "not a plain relative path"),
        ("notes.txt", "/etc/notes", "not a relative path"),
        ("notes.txt", "model.yaml", "it is there twice"),
        ("notes.txt", "AGAIN.txt", "collides"),
    ],
)
def test_a_record_that_no_honest_remote_has_is_refused(
    old: str, new: str, message: str, folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """Even where its digests fit: another name, a path that leads outside, names that collide."""
    from tiffin.info import parse_record, render_record

    models.push(model, folder, store=store)
    path = Path(folder, "models/iris/v1/model.yaml")
    fields = yaml.safe_load(path.read_bytes())
    fields.pop("digest")
    text = yaml.safe_dump(fields, sort_keys=False).replace(old, new)
    info = None
    if ".." not in new and not new.startswith("/"):
        import attrs

        info = parse_record(text.encode(), "x")
        info = attrs.evolve(info, content_digest=info.compute_digest(), edited=False)
        path.write_bytes(render_record(info))
    else:
        import hashlib

        body = text.encode()
        path.write_bytes(body + b"digest: sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n")
    with pytest.raises(tiffin.exceptions.TiffinError, match=message):
        models.pull("iris:v1", folder, store=other)
    assert models.list(store=other) == []
    assert not Path(other.path, "notes").exists()


def test_a_record_that_was_edited_is_not_taken(folder: str, model: Model, store: ModelStore, other: ModelStore) -> None:
    """By hand on the remote, or here before the push."""
    models.push(model, folder, store=store)
    path = Path(folder, "models/iris/v1/model.yaml")
    path.write_text(path.read_text().replace("stage: test", "stage: prod"))
    with pytest.raises(RemoteDamagedError, match="changed after it was written"):
        models.pull(model.tag, folder, store=other)
    here = model.path / "model.yaml"
    here.write_text(here.read_text().replace("stage: test", "stage: prod"))
    with pytest.raises(RecordError, match="edited by hand"):
        models.push(model.tag, folder, store=store)


def test_a_file_that_changed_here_is_not_sent(folder: str, model: Model, store: ModelStore) -> None:
    """The push fails, says what to do, and the remote has neither the content nor the version."""
    file = model.path / "weights.bin"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(StoreError, match="tiffin models verify"):
        models.push(model, folder, store=store)
    assert "models" not in {path.split("/")[0] for path in below(folder)}
    assert not blob(folder, model, "weights.bin").exists()


def test_a_store_is_pulled_from_and_not_pushed_to(
    model: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """Its path is enough to pull, also where its disk knows no links; a push is refused before anything is written."""
    assert models.pull("iris:v1", str(store.path), store=other).info == model.info
    for path in (store.path / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    assert str(models.pull("iris:v1", str(store.path), name="again", store=other).tag) == "again:v1"
    made = make(other, {"x": b"1"}, "new:v1")
    before = below(store.path)
    with pytest.raises(TransferError, match="is a store of Tiffin's, not a remote"):
        models.push(made, str(store.path), store=other)
    assert below(store.path) == before


def test_a_remote_is_not_taken_for_a_store(folder: str, model: Model, store: ModelStore) -> None:
    """Who sets TIFFIN_HOME to it is told, rather than shown damaged models."""
    models.push(model, folder, store=store)
    with pytest.raises(StoreError, match="remote 1"):
        ModelStore(folder).list()


def test_a_remote_of_a_newer_tiffin_is_refused(folder: str, model: Model, store: ModelStore, other: ModelStore) -> None:
    """To read as to write."""
    models.push(model, folder, store=store)
    Path(folder, "format").write_text("remote 2\n")
    for act in (
        lambda: models.pull("iris:v1", folder, store=other),
        lambda: models.push(model, folder, store=store),
        lambda: models.list_remote(folder),
    ):
        with pytest.raises(TransferError, match="remote 2"):
            act()


def test_a_place_without_models_is_told_from_one_that_is_no_remote(
    folder: str, model: Model, store: ModelStore
) -> None:
    """A mistyped path or bucket does not look as if there were no models."""
    with pytest.raises(TransferError, match="Nothing has been pushed to"):
        models.list_remote(folder)
    models.push(model, folder, store=store)
    assert len(models.list_remote(folder)) == 1
    Path(folder, "models/iris/v1/model.yaml").unlink()
    assert models.list_remote(folder) == []


def test_labels_that_changed_are_updated_and_that_is_said(
    folder: str, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """The same content with other labels replaces the record there, sends no content, and is no new version."""
    models.push(model, folder, store=store)
    models.label(model.tag, stage="prod", store=store)
    again = models.push(model.tag, folder, store=store)
    assert (again.updated, again.published, again.sent) == (True, False, 0)
    assert models.pull("iris", folder, store=other).labels == {"stage": "prod"}
    assert not models.push(model.tag, folder, store=store).updated
    forced = models.push(model.tag, folder, force=True, store=store)
    assert (forced.updated, forced.published, forced.sent) == (False, True, 0)


def test_metadata_that_changed_is_updated(folder: str, model: Model, store: ModelStore, other: ModelStore) -> None:
    """As labels are; the content digest is the same."""
    models.push(model, folder, store=store)
    models.edit(model.tag, metadata={"accuracy": 0.75}, store=store)
    assert models.push(model.tag, folder, store=store).updated
    pulled = models.pull("iris", folder, store=other)
    assert (pulled.info.metadata["accuracy"], pulled.info.content_digest) == (0.75, model.info.content_digest)


def test_what_was_pulled_and_runs_code_is_not_loaded(folder: str, store: ModelStore, other: ModelStore) -> None:
    """A pulled model is a stranger's, whatever its name."""
    pytest.importorskip("tiffin_picklable")
    namespace: dict[str, object] = {}
    exec("class Local:\n    pass", namespace)  # what is stored by value
    saved = models.save("mine:v1", namespace["Local"](), store=store)  # type: ignore[operator]
    models.push(saved, folder, store=store)
    pulled = models.pull("mine:v1", folder, store=other)
    with pytest.raises(UntrustedModelError):
        pulled.load()
    assert type(saved.load()).__name__ == "Local"


def test_a_full_disk_here_leaves_nothing(
    folder: str, large: Model, store: ModelStore, tmp_path: Path, small_disk: Path
) -> None:
    """The pull says so; nothing is published, and nothing stays of what has come."""
    models.push(large, folder, store=store)
    crowded = ModelStore(small_disk / "store")
    with pytest.raises(StorageFullError, match="No space is left"):
        models.pull(large.tag, folder, store=crowded)
    assert models.list(store=crowded) == []
    assert below(crowded.path / "partial") == below(crowded.path / "staging") == []


def test_a_full_disk_there_leaves_no_version(
    large: Model, store: ModelStore, other: ModelStore, small_disk: Path
) -> None:
    """The push says so; contents that fitted may be there, the version is not, and no half content."""
    with pytest.raises(StorageFullError, match="No space is left"):
        models.push(large, str(small_disk / "remote"), store=store)
    assert models.list_remote(str(small_disk / "remote")) == []
    for path in (small_disk / "remote").rglob("*"):
        assert not path.is_file() or path.name == "format" or path.stat().st_size == 2 << 20


def test_a_version_that_exists_is_replaced_in_one_step(
    folder: str, model: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """Here only with force, after all of the new one has come."""
    models.push(model, folder, store=store)
    make(other, {"x": b"1"}, "iris:v1")
    with pytest.raises(ModelExistsError, match="--as NAME:VERSION"):
        models.pull("iris:v1", folder, store=other)
    assert models.pull("iris:v1", folder, force=True, store=other).info.files == model.info.files
