"""Archives of every format carry a model from one store to another, whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inside.store import _publish
from tiffin import Model, models
from tiffin.archives import FORMATS
from tiffin.exceptions import ArchiveError, InvalidTagError, ModelExistsError, RecordError
from tiffin.store import ModelStore

ARCHIVES = [kind for kind in FORMATS if kind != "folder"]


def same(one: Model, two: Model) -> bool:
    return (
        one.info.files == two.info.files
        and one.info.content_digest == two.info.content_digest
        and one.info.labels == two.info.labels
        and one.info.metadata == two.info.metadata
        and one.info.creation_time == two.info.creation_time
        and all((one.path / path).read_bytes() == (two.path / path).read_bytes() for path in one.info.files)
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_imported_elsewhere_is_the_same_version(
    kind: str, model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Tag, record, digests and bytes are those that were exported, and verify finds nothing wrong."""
    written = models.export_model(model, tmp_path / "out", kind, store=store)
    imported = models.import_model(written, store=other)
    assert imported.tag == model.tag
    assert same(imported, model)
    assert models.verify(store=other) == []
    assert (imported.path / "notes.txt").stat().st_nlink == 2, "the files are not shared with the index of blobs"


@pytest.mark.parametrize("kind", ARCHIVES)
def test_two_exports_are_the_same_bytes(
    kind: str, model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """From one store twice, from another store that imported the model, and to a file system of another kind."""
    import fsspec

    first = Path(models.export_model("iris:v1", tmp_path / "first", kind, store=store)).read_bytes()
    assert Path(models.export_model("iris", tmp_path / "second", kind, store=store)).read_bytes() == first
    imported = models.import_model(tmp_path / "first", store=other)
    assert Path(models.export_model(imported, tmp_path / "third", kind, store=other)).read_bytes() == first
    models.export_model(model, f"memory://{tmp_path}/fourth", kind, store=store)
    assert fsspec.filesystem("memory").cat(f"{tmp_path}/fourth") == first


@pytest.mark.parametrize(("kind", "command"), [("tar", "tar tf"), ("tar.gz", "tar tzf"), ("tar.xz", "tar tJf")])
def test_other_tools_read_what_was_exported(
    kind: str, command: str, model: Model, store: ModelStore, tmp_path: Path
) -> None:
    """GNU tar lists the record first and every file of the model."""
    written = models.export_model(model, tmp_path / f"x.{kind}", store=store)
    listed = subprocess.run([*command.split(), written], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["model.yaml", *sorted(model.info.files)]
    assert not listed.stderr


def test_python_reads_an_exported_zip(model: Model, store: ModelStore, tmp_path: Path) -> None:
    """Zipfile finds every file and no wrong checksum."""
    with zipfile.ZipFile(models.export_model(model, tmp_path / "x.zip", store=store)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["model.yaml", *sorted(model.info.files)]


@pytest.mark.parametrize("how", ["gnu", "pax", "dot", "gzip", "xz", "zip", "zip-stored"])
def test_what_other_tools_packed_again_is_imported(
    how: str, model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """An archive that was unpacked and packed by another program, in any order of files, is still the model."""
    folder = Path(models.export_model(model, tmp_path / "folder", "folder", store=store))
    packed = tmp_path / "again"
    if how.startswith("zip"):
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED if "stored" in how else zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*"), reverse=True):
                archive.write(path, path.relative_to(folder))
    elif how == "dot":
        subprocess.run(["tar", "cf", packed, "-C", folder, "."], check=True)
    else:
        kind = tarfile.GNU_FORMAT if how == "gnu" else tarfile.PAX_FORMAT
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=kind) as archive:
            for path in sorted(folder.rglob("*"), reverse=True):
                archive.add(path, str(path.relative_to(folder)), recursive=False)
        data = target.getvalue()
        packed.write_bytes({"gzip": gzip.compress, "xz": lzma.compress}.get(how, bytes)(data))
    assert same(models.import_model(packed, store=other), model)


def test_names_that_headers_cannot_hold_travel(
    make: Callable[..., Model], store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Long, composed and unusual names come out as they went in, in every format."""
    files = {"ü/" * 40 + "é": b"1", "x" * 255: b"2", "a b'c\"d:e": b"3", "deep/" + "y" * 200 + "/z": b"4", "C": b"5"}
    model = make(store, files)
    for kind in FORMATS:
        written = models.export_model(model, tmp_path / f"{kind}.out", kind, store=store)
        assert same(models.import_model(written, name=f"iris:{kind.replace('.', '-')}", store=other), model)


def test_a_model_without_files_travels(
    make: Callable[..., Model], store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """A version of nothing but its record is exported and imported."""
    model = make(store, {})
    for kind in FORMATS:
        written = models.export_model(model, tmp_path / f"{kind}.out", kind, store=store)
        assert models.import_model(written, force=True, store=other).info.files == {}


def test_an_adapters_model_loads_after_its_journey(tmp_path: Path, other: ModelStore) -> None:
    """What core's own adapters saved is, once imported, what was saved: options, signatures and custom objects kept."""
    pytest.importorskip("tiffin_picklable")
    store = ModelStore(tmp_path / "store")
    saved = store.save("table", {"a": 1}, custom_objects={"scale": [1, 2]}, metadata={"k": 1})
    written = models.export_model(saved, tmp_path, store=store)
    imported = models.import_model(written, store=other)
    assert imported.info.options == saved.info.options
    assert imported.info.signatures == saved.info.signatures
    assert imported.info.custom_objects == saved.info.custom_objects
    assert imported.info.framework == "picklable"


def test_import_under_another_name_and_version(
    model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """`name=` gives another name, or name and version; the content digest stays."""
    written = models.export_model(model, tmp_path, store=store)
    assert str(models.import_model(written, name="rose", store=other).tag) == "rose:v1"
    renamed = models.import_model(written, name="rose:v2", store=other)
    assert str(renamed.tag) == "rose:v2"
    assert renamed.info.content_digest == model.info.content_digest
    assert not renamed.info.edited
    with pytest.raises(InvalidTagError, match="latest"):
        models.import_model(written, name="rose:latest", store=other)


def test_a_version_that_exists_is_replaced_only_by_force(
    model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Without force the import is refused before a file is unpacked; the error says what to do."""
    written = models.export_model(model, tmp_path, store=store)
    models.import_model(written, store=other)
    with pytest.raises(ModelExistsError, match="--force") as caught:
        models.import_model(written, store=other)
    assert "--as" in str(caught.value)
    assert same(models.import_model(written, force=True, store=other), model)


def test_an_alias_is_never_taken_by_an_import(
    model: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model], tmp_path: Path
) -> None:
    """A version that is called as an alias of the store is refused, with force too."""
    written = models.export_model(model, tmp_path, store=store)
    make(other, {"x": b"1"}, "iris:v0")
    models.set_alias("iris:v0", "v1", store=other)
    for force in (False, True):
        with pytest.raises(ModelExistsError, match="alias"):
            models.import_model(written, force=force, store=other)
    assert str(models.import_model(written, name="iris:v2", store=other).tag) == "iris:v2"


def test_labels_edited_on_the_way_are_part_of_the_record(
    model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """An edit changes the archive's bytes, as it changes the record, and not the content digest."""
    before = Path(models.export_model(model, tmp_path / "a.tar", store=store)).read_bytes()
    models.label("iris:v1", stage="live", store=store)
    after = Path(models.export_model("iris:v1", tmp_path / "b.tar", store=store))
    assert after.read_bytes() != before
    imported = models.import_model(after, store=other)
    assert imported.info.labels == {"stage": "live"}
    assert imported.info.content_digest == model.info.content_digest


def test_a_record_edited_by_hand_is_not_exported(model: Model, store: ModelStore, tmp_path: Path) -> None:
    """Whoever imports it would refuse it, so the export says so and how to accept the edit."""
    path = model.path / "model.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("stage: test", "stage: prod"), encoding="utf-8")
    with pytest.raises(RecordError, match="--accept"):
        models.export_model(models.get("iris:v1", store=store), tmp_path / "x.tar", store=store)
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("how", ["changed", "longer", "gone"])
def test_a_file_that_is_not_what_was_saved_is_not_exported(
    kind: str, how: str, model: Model, store: ModelStore, tmp_path: Path
) -> None:
    """The error names the file, and nothing is left at or beside the target."""
    file = model.path / "notes.txt"
    file.chmod(0o644)
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(b"Plain text\n" if how == "changed" else b"plain text\n\n")
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(ArchiveError, match=r"notes\.txt") as caught:
        models.export_model(model, target / "new" / "x", kind, parents=True, store=store)
    assert caught.value.member == "notes.txt"
    assert list(target.iterdir()) == []


def test_a_model_that_not_every_system_holds_is_not_exported(
    make: Callable[..., Model], store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older stores have such: two files that differ in case only would be refused on import, so the export names one."""
    with monkeypatch.context() as patch:
        patch.setattr(_publish.Paths, "add", lambda *_, **__: "")
        model = make(store, {"Weights": b"1", "weights": b"2"})
    with pytest.raises(ArchiveError, match="collides with 'Weights'") as caught:
        models.export_model(model, tmp_path / "x.tar", store=store)
    assert caught.value.member == "weights"
    assert not (tmp_path / "x.tar").exists()


class _Pipe:
    """A source of which every read gives a few bytes, and which cannot be sought in."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._most if size < 0 else min(size, self._most))


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("most", [1, 7, 513])
def test_sources_that_trickle_and_cannot_seek_are_read(
    kind: str, most: int, model: Model, store: ModelStore, tmp_path: Path, content: dict[str, bytes]
) -> None:
    """However few bytes a source gives at a time, the files are the same."""
    from tiffin.archives import Limits, Reader

    written = Path(models.export_model(model, tmp_path / "x", kind, store=store))
    found = {}
    for entry in Reader("x", Limits()).read(_Pipe(written.read_bytes(), most)):
        data = b""
        while piece := entry.stream.read(100):
            data += piece
        found[entry.path] = data
    found.pop("model.yaml")
    assert found == content


def test_a_named_pipe_is_imported(model: Model, store: ModelStore, other: ModelStore, tmp_path: Path) -> None:
    """A path may be a pipe that another program writes to."""
    written = models.export_model(model, tmp_path / "x.zip", store=store)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", written, "/dev/stdout"], stdout=subprocess.PIPE) as source:
        assert source.stdout is not None
        imported = models.import_model(f"/dev/fd/{source.stdout.fileno()}", store=other)
    assert same(imported, model)


class _Told:
    def __init__(self) -> None:
        self.started: list[tuple[str, int | None]] = []
        self.counts: list[int] = []

    def start(self, what: str, total: int | None) -> None:
        self.started.append((what, total))

    def advance(self, count: int) -> None:
        self.counts.append(count)


@pytest.mark.parametrize("kind", FORMATS)
def test_progress_is_told_of_every_byte(
    kind: str, model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Export and import tell the total once, and bytes that add up to it."""
    size = model.info.size
    told = _Told()
    written = models.export_model(model, tmp_path / "x", kind, progress=told, store=store)
    assert (told.started, sum(told.counts)) == ([("Exporting iris:v1", size)], size)
    told = _Told()
    models.import_model(written, progress=told, store=other)
    assert sum(told.counts) == size
    assert told.started in ([("Importing iris:v1", size)], [("Importing", None)])


def test_a_program_that_never_moves_models_imports_no_codec() -> None:
    """`import tiffin` and a list of models import neither fsspec nor zstd."""
    script = (
        "import sys, tiffin.models; tiffin.models.list(); print(sorted({'fsspec', 'backports'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unpacked_by_hand_it_is_still_the_model(
    model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """A folder that someone unpacked is imported; a file added to it is refused and named."""
    with tarfile.open(models.export_model(model, tmp_path / "x.tar", store=store)) as archive:
        options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "byhand", **options)
    assert same(models.import_model(tmp_path / "byhand", store=other), model)
    shutil.copy(tmp_path / "byhand" / "notes.txt", tmp_path / "byhand" / "parts" / "more.txt")
    with pytest.raises(ArchiveError, match=r"parts/more\.txt.*does not list it"):
        models.import_model(tmp_path / "byhand", name="iris:v2", store=other)


def test_digest_of_a_large_stream_is_that_of_one_call() -> None:
    """Hashing aside gives what hashing at once gives."""
    from tiffin.places import Digest

    data = os.urandom(5 << 20)
    with Digest(len(data)) as digest:
        for at in range(0, len(data), 100_000):
            digest.update(data[at : at + 100_000])
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_the_folder_around_the_store_is_not_imported_into_it(model: Model, store: ModelStore, tmp_path: Path) -> None:
    """It would grow while it is read; one version of the store can be imported under another name."""
    for folder in (store.path, tmp_path):
        with pytest.raises(ArchiveError, match="holds the store itself"):
            models.import_model(folder, store=store)
    assert str(models.import_model(model.path, name="again:v1", store=store).tag) == "again:v1"
