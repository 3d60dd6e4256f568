"""Archives and folders that other programs have packed again or shown: what they add is passed over, and named."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiffin import Model, models
from tiffin.exceptions import ArchiveError, DamagedArchiveError, NotKeptWarning, UnsafeArchiveError
from tiffin.store import ModelStore
from tiffin.store.verifying import verify

LEFT = {
    ".DS_Store": b"Bud1",
    "parts/.DS_Store": b"Bud1",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "parts/desktop.ini": b"[.ShellClassInfo]",
    "._model.yaml": b"\0\x05\x16\x07",
    "__MACOSX/._weights.bin": b"\0\x05\x16\x07",
    "__MACOSX/parts/._x": b"\0\x05\x16\x07",
}


@pytest.fixture
def exported(model: Model, store: ModelStore, tmp_path: Path) -> Path:
    """Give a model as a folder."""
    return Path(models.export_model(model, tmp_path / "exported", "folder", store=store))


def members(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_zip(target: Path, content: dict[str, bytes], *, folders: bool = False) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        if folders:
            for folder in sorted({parent.as_posix() for name in content for parent in Path(name).parents}):
                out.writestr(folder + "/", b"")
        for name, data in content.items():
            out.writestr(name, data)
    return target


def make_tar(target: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(target, "w") as out:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return target


def make_folder(target: Path, content: dict[str, bytes]) -> Path:
    for name, data in content.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return target


KINDS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {"zip": make_zip, "tar": make_tar, "folder": make_folder}


def bring(path: Path, other: ModelStore, **options: Any) -> tuple[Model, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = models.import_model(path, store=other, **options)
    return model, [str(warning.message) for warning in caught if warning.category is NotKeptWarning]


@pytest.mark.parametrize("first", [True, False], ids=["record first", "record last"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_desktops_leave_is_passed_over_and_named(
    exported: Path, model: Model, other: ModelStore, tmp_path: Path, kind: str, first: bool
) -> None:
    """The model is the same; whatever order the files come in."""
    content = members(exported)
    record = {"model.yaml": content.pop("model.yaml")}
    content = {**record, **LEFT, **content} if first else {**LEFT, **content, **record}
    copy, told = bring(KINDS[kind](tmp_path / f"touched.{kind}", content), other)
    assert (copy.info.files, copy.info.content_digest) == (model.info.files, model.info.content_digest)
    assert members(copy.path).keys() == members(exported).keys()
    (text,) = told
    assert "Passed over in" in text
    assert "'.DS_Store'" in text
    assert " and 2 more" in text
    assert verify(other) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_of_nothing_else_takes_no_folder_of_the_store_away(
    other: ModelStore, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is passed over leaves empty folders; those of the store are others' too, who may work in them right now."""
    removed: list[str] = []
    rmdir = os.rmdir

    def note(path: Any, **options: Any) -> None:
        rmdir(path, **options)
        removed.append(os.fspath(path))

    monkeypatch.setattr(os, "rmdir", note)
    with pytest.raises(DamagedArchiveError, match=r"holds no model\.yaml"):
        bring(KINDS[kind](tmp_path / f"nothing.{kind}", {"__MACOSX/deep/._x": b"1", ".DS_Store": b"1"}), other)
    assert other.layout.staging not in removed
    assert Path(other.layout.staging).is_dir()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_leading_dot_slash_is_left_out(
    exported: Path, model: Model, other: ModelStore, tmp_path: Path, kind: str
) -> None:
    """As `zip -r x.zip ./…` and `tar c ./…` write it, folders and the packed folder itself included."""
    content = {f"./{name}": data for name, data in members(exported).items()}
    copy, told = bring(KINDS[kind](tmp_path / f"dots.{kind}", content), other)
    assert (copy.info.files, told) == (model.info.files, [])


def test_folders_of_a_zip_may_begin_with_a_dot(exported: Path, model: Model, other: ModelStore, tmp_path: Path) -> None:
    """The folder that was packed is an entry of its own."""
    content = {f"./{name}": data for name, data in members(exported).items()}
    with zipfile.ZipFile(tmp_path / "dots.zip", "w") as out:
        for folder in ("./", "./parts/", "./parts/a/"):
            out.writestr(folder, b"")
        for name, data in content.items():
            out.writestr(name, data)
    assert bring(tmp_path / "dots.zip", other)[0].info.files == model.info.files


@pytest.mark.parametrize("names", [("./a", "a"), ("././a",), ("./../a",), (".//a",), ("./",), ("./.",)])
def test_a_dot_slash_opens_no_way_out(
    exported: Path, other: ModelStore, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """A file twice, a path that is not plain, one that leads outside: refused as ever."""
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as out:
        for name, data in {**members(exported), **dict.fromkeys(names, b"x")}.items():
            entry = zipfile.ZipInfo(name)
            out.writestr(entry, data)
    with pytest.raises((UnsafeArchiveError, DamagedArchiveError)):
        bring(tmp_path / "bad.zip", other)
    assert other.list() == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_folder_around_the_model_is_looked_into(
    exported: Path, model: Model, other: ModelStore, tmp_path: Path, kind: str
) -> None:
    """As Finder's "Compress" and Explorer's "Send to" pack a folder, which may hold one of its own name."""
    content = {f"exported/{name}": data for name, data in members(exported).items()}
    added = {f"exported/{name}": data for name, data in LEFT.items()} | {"__MACOSX/exported/._model.yaml": b"\0\x05"}
    copy, told = bring(KINDS[kind](tmp_path / f"packed.{kind}", {**added, **content}), other)
    assert (copy.info.files, copy.info.content_digest) == (model.info.files, model.info.content_digest)
    assert len(told) == 1
    assert verify(other) == []


def test_a_folder_of_the_same_name_within_is_kept(
    store: ModelStore, other: ModelStore, tmp_path: Path, make: Any
) -> None:
    """The folder around the model, and one in it, are called alike."""
    model = make(store, {"m/m": b"1", "m/x": b"2"}, "iris:v1")
    exported = Path(models.export_model(model, tmp_path / "e", "folder", store=store))
    content = {f"m/{name}": data for name, data in members(exported).items()}
    assert bring(make_zip(tmp_path / "m.zip", content), other)[0].info.files == model.info.files


@pytest.mark.parametrize("kind", KINDS)
def test_all_else_is_refused_in_one_folder_as_without(
    exported: Path, other: ModelStore, tmp_path: Path, kind: str
) -> None:
    """A file that the record does not list, and one that is not what it says; nothing is published."""
    content = {f"exported/{name}": data for name, data in members(exported).items()}
    cases: list[tuple[dict[str, bytes], type[ArchiveError], str]] = [
        ({**content, "exported/more.txt": b"x"}, UnsafeArchiveError, "does not list it"),
        ({**content, "beside.txt": b"x"}, DamagedArchiveError, "holds no model.yaml"),
        ({**content, "exported/weights.bin": b"x"}, DamagedArchiveError, "not what model.yaml says"),
        ({**content, "exported/model.yaml": content["exported/model.yaml"] + b"\n"}, DamagedArchiveError, ""),
        ({name: content[name] for name in content if "weights" not in name}, DamagedArchiveError, "is missing"),
    ]
    for number, (changed, error, text) in enumerate(cases):
        with pytest.raises(error, match=text):
            bring(KINDS[kind](tmp_path / f"{number}.{kind}", changed), other)
    assert other.list() == []


def test_files_of_such_names_that_belong_to_the_model_are_kept(
    store: ModelStore, other: ModelStore, tmp_path: Path, make: Any
) -> None:
    """What the record lists is the model's, whatever it is called."""
    model = make(store, {".DS_Store": b"1", "._x": b"2", "a/Thumbs.db": b"3"}, "iris:v1")
    for kind in ("tar", "zip", "folder"):
        path = models.export_model(model, tmp_path / f"x.{kind}", kind, store=store)
        copy, told = bring(Path(path), other, name=f"iris:{kind}")
        assert (copy.info.files, told) == (model.info.files, [])
    around = make_zip(tmp_path / "a.zip", {f"a/{name}": data for name, data in members(tmp_path / "x.folder").items()})
    copy, told = bring(around, other, name="iris:around")
    assert (copy.info.files, told) == (model.info.files, [])


def test_verify_does_not_mind_that_a_desktop_has_shown_the_store(
    store: ModelStore, model: Model, tmp_path: Path
) -> None:
    """Finder writes where it may; other files are still told."""
    models.set_alias(model.tag, "prod", store=store)
    for place in (model.path, model.path.parent, model.path / "parts", Path(store.layout.aliases, "iris")):
        (place / ".DS_Store").write_bytes(b"Bud1")
        (place / "desktop.ini").write_bytes(b"[.ShellClassInfo]")
    (model.path.parent / "desktop.ini").unlink()
    assert verify(store) == []
    assert list(store.aliases("iris")) == ["prod"]
    shutil.copy(model.path / "notes.txt", model.path / "more.txt")
    assert [problem.state for problem in verify(store)] == ["foreign"]
