"""Archives of other tools' models that no honest tool makes: refused, and the store is as it was. Nothing of them runs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiffin
from inside.plugins import use
from tiffin import Model, hookimpl, models
from tiffin.archives import Limits
from tiffin.exceptions import (
    ArchiveError,
    DamagedArchiveError,
    ForeignModelError,
    HookError,
    NotKeptWarning,
    PluginConflictError,
    TiffinError,
    UnsafeArchiveError,
)
from tiffin.plugins import ForeignDescription, ForeignModel, ForeignTool, Registry
from tiffin.store import ModelStore

RECORD = b"crate: thing\nname: iris\nversion: v1\nsizes: &id001 [1, 2]\nagain: *id001\n"
NONE = pickle.dumps(None, protocol=5)
HONEST = (("model.yaml", RECORD), ("saved_model.pkl", NONE))
BOX = b"box: thing\n"


class Crate(ForeignTool):
    """A tool whose record is called as Tiffin's is, with custom objects in one pickle."""

    record = "model.yaml"

    def is_record(self, data: Any) -> bool:
        return isinstance(data, dict) and "crate" in data

    def describe(self, data: Any, files: Any, notes: Any) -> ForeignDescription:
        described = ForeignDescription(tool="Crate", renames={"model.yaml": "crate.yaml"})
        described.name, described.version = described.text_of(data.get("name")), described.text_of(data.get("version"))
        described.facts = described.keep_mapping({"sizes": data.get("sizes"), "again": data.get("again")}, "facts")
        described.objects = "custom_objects.pkl" if "custom_objects.pkl" in files else ""
        kind = described.text_of(data["crate"])
        described.models = [ForeignModel(tool="crate", kind=kind, fields={}, files=files)]
        return described


class Box(ForeignTool):
    """A tool whose record has a name of its own."""

    record = "BOX"

    def is_record(self, data: Any) -> bool:
        return isinstance(data, dict) and "box" in data

    def describe(self, data: Any, files: Any, notes: Any) -> ForeignDescription:
        kind = ForeignDescription.text_of(data["box"])
        return ForeignDescription(tool="Box", models=[ForeignModel(tool="box", kind=kind, fields={}, files=files)])


class Tools:
    @hookimpl
    def foreign_models(self) -> list[ForeignTool]:
        return [Crate(), Box()]


class Toy:
    """Reads anything, and renames what it is told."""

    renames: dict[str, str] = {"saved_model.pkl": "model.pkl"}  # noqa: RUF012

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": ["toy.Thing"], "code_files": ["*.pkl"]}

    @hookimpl
    def save(self) -> None:
        """Write nothing: these tests only read."""

    @hookimpl
    def load(self, path: Path, trusted: bool, read: Any) -> Any:
        return [pickle.loads((path / "model.pkl").read_bytes()) if trusted else read("model.pkl")]

    @hookimpl
    def read_foreign(self, foreign: Any) -> dict[str, Any]:
        return {"renames": self.renames if foreign.tool == "crate" else {}}


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    use(Registry(), monkeypatch)
    monkeypatch.setenv("TIFFIN_DISABLE_PLUGINS", "sklearn,picklable,picklable_model,bentoml,mlflow")
    toy = Toy()
    tiffin.register(toy, name="toy")
    tiffin.register(Tools(), name="tools")
    yield toy
    tiffin.unregister("toy")
    tiffin.unregister("tools")


def test_the_archive_that_the_others_differ_from_is_imported(tar: Any, bring: Callable[..., Model]) -> None:
    """So that what follows is refused for what it does, and for nothing else."""
    assert bring(tar(*HONEST)).load() == [None]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up", "a/../../up", "C:/x", "a\\b", "SAVED_MODEL.PKL", "saved_model.pkl"]
)
def test_paths_that_lead_outside_or_collide_are_refused(path: str, tar: Any, bring: Callable[..., Model]) -> None:
    """As in Tiffin's own archives."""
    with pytest.raises(UnsafeArchiveError):
        bring(tar(*HONEST, (path, b"x")))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes, tar: Any, bring: Callable[..., Model]) -> None:
    """A link could lead anywhere once the model is loaded."""
    link = tarfile.TarInfo("weights.bin")
    link.type, link.linkname = kind, "/etc/passwd"
    with pytest.raises(UnsafeArchiveError, match="weights"):
        bring(tar(*HONEST, (link, b"")))


def test_a_link_in_a_folder_is_refused(tmp_path: Path, bring_folder: Any) -> None:
    """Folders are read as archives are."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "BOX").write_bytes(BOX)
    (tmp_path / "m" / "data.bin").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeArchiveError, match=r"data\.bin"):
        bring_folder(tmp_path / "m", name="x")


@pytest.mark.parametrize("path", ["custom_objects/x/model.pkl", "CUSTOM_OBJECTS"])
def test_files_where_tiffin_keeps_its_own_are_refused(path: str, tar: Any, bring: Callable[..., Model]) -> None:
    """They would be taken for custom objects, which are not looked at with the model's own files."""
    files = [("BOX", BOX), ("data.bin", b"x"), ("custom_objects/y", b"y"), (path, b"x")]
    with pytest.raises(UnsafeArchiveError, match="custom_objects"):
        bring(tar(*files), name="x")


def test_a_file_that_its_record_names_and_is_missing_is_told(toy: Toy, tar: Any, bring: Callable[..., Model]) -> None:
    """What the adapter wants to read has to be there."""
    with pytest.raises(DamagedArchiveError, match=r"saved_model\.pkl.*missing"):
        bring(tar(HONEST[0], ("else.pkl", NONE)))


@pytest.mark.parametrize(
    "target", ["model.yaml", "../up.pkl", "/up.pkl", "weights.bin", "custom_objects/a.pkl", "a//b", ""]
)
def test_a_path_that_an_adapter_took_from_the_archive_leads_nowhere(
    target: str, toy: Toy, tar: Any, bring: Callable[..., Model]
) -> None:
    """Whatever an adapter answers, files stay within the version, and replace no other."""
    toy.renames = {"saved_model.pkl": target}
    with pytest.raises(UnsafeArchiveError):
        bring(tar(*HONEST, ("weights.bin", b"w")))


def test_two_files_may_change_names(toy: Toy, tar: Any, bring: Callable[..., Model]) -> None:
    """A rename gives up the name that another one takes."""
    toy.renames = {"saved_model.pkl": "other.pkl", "other.pkl": "saved_model.pkl"}
    model = bring(tar(*HONEST, ("other.pkl", b"other")))
    assert model.path_of("saved_model.pkl").read_bytes() == b"other"
    assert model.path_of("other.pkl").read_bytes() == NONE


def test_a_bomb_is_refused(tar: Any, bring: Callable[..., Model]) -> None:
    """The limits are those of Tiffin's own archives, and can be set."""
    whole = tar(*HONEST, ("zeros.bin", bytes(1 << 20)))
    with pytest.raises(UnsafeArchiveError, match="max_bytes"):
        bring(gzip.compress(whole), limits=Limits(max_bytes=1 << 19))
    with pytest.raises(UnsafeArchiveError, match="max_files"):
        bring(whole, limits=Limits(max_files=2))


YAML_BOMB = b"name: x\nversion: y\ncrate: z\nmetadata:\n  a0: &a0 [" + b"x, " * 100 + b"]\n" + b"".join(
    b"  a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 100)) for n in range(1, 12)
)  # fmt: skip
HOSTILE_YAML = {
    "bomb": YAML_BOMB,
    "endless": b"name: x\ncrate: z\nmetadata: &a [*a]\n",
    "deep": b"name: x\ncrate: z\nmetadata: " + b"[" * 5000 + b"]" * 5000,
    "number": b"name: x\ncrate: z\nmetadata: {a: " + b"9" * 100_000 + b"}",
    "object": b"name: x\ncrate: !!python/object/apply:os.system [touch ran]\n",
    "name": b"name: x\ncrate: !!python/name:os.system\n",
    "text": b"name: x\ncrate: \xff\xfe\n",
    "tab": b"crate:\n\t- x",
    "long": b"crate: x\nname: '" + b"x" * (17 << 20) + b"'",
}


@pytest.mark.parametrize("kind", HOSTILE_YAML)
@pytest.mark.parametrize("record", ["model.yaml", "BOX", "deep/BOX", "deep/model.yaml"])
def test_a_record_that_would_harm_its_reader_is_refused(
    kind: str, record: str, tar: Any, bring: Callable[..., Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAML that grows, loops, nests, or names code: refused before it is read, in no time and little memory."""
    monkeypatch.chdir(tmp_path)
    text = HOSTILE_YAML[kind] if "model" in record else b"box: {}\n" + HOSTILE_YAML[kind]
    with pytest.raises(ArchiveError):
        bring(tar((record, text)), name="x")
    assert not (tmp_path / "ran").exists()


def test_a_record_may_refer_to_what_stands_in_it_twice(tar: Any, bring: Callable[..., Model]) -> None:
    """PyYAML writes equal lists once."""
    assert b"&id001" in RECORD
    assert bring(tar(*HONEST)).info.metadata["crate"]["again"] == [1, 2]


class Writes:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def test_nothing_runs_at_the_import_whatever_the_archive_holds(
    tar: Any, bring: Callable[..., Model], tmp_path: Path
) -> None:
    """The model's pickle and that of its custom objects would each make a folder; both are kept and looked at, not loaded."""
    ran = tmp_path / "ran"
    evil = pickle.dumps(Writes(str(ran)))
    objects = pickle.dumps({"a": Writes(str(ran)), "b": 1})
    model = bring(tar(HONEST[0], ("saved_model.pkl", evil), ("custom_objects.pkl", objects)))
    assert list(model.custom_objects) == ["a", "b"]
    with pytest.raises(tiffin.exceptions.UntrustedModelError, match=r"posix\.mkdir"):
        model.load()
    with pytest.raises(tiffin.exceptions.UntrustedModelError, match=r"posix\.mkdir"):
        _ = model.custom_objects["b"]
    assert not ran.exists()
    model.load(trust=True)
    assert ran.exists()


def as_zip(tar: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(tar)) as source, zipfile.ZipFile(target, "w") as archive:
        for member in source:
            archive.writestr(member.name, source.extractfile(member).read())  # type: ignore[union-attr]
    return target.getvalue()


PACKED = {"tar": bytes, "xz": lzma.compress, "bz2": bz2.compress, "gz": gzip.compress, "zip": as_zip}


@pytest.mark.parametrize("packed", PACKED)
def test_an_archive_that_is_cut_off_anywhere_is_refused(packed: str, tar: Any, bring: Callable[..., Model]) -> None:
    """However it is packed, and although nothing in it has a digest."""
    whole = PACKED[packed](tar(*HONEST, ("weights.bin", os.urandom(5000))))
    # The zeros that fill a tar's last block say nothing.
    end = len(whole.rstrip(b"\0")) + 512 if packed == "tar" else len(whole)
    for length in range(0, end, max(1, end // 60)):
        with pytest.raises(ArchiveError):
            bring(whole[:length])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_gives_an_error_of_tiffin_s_or_a_model(
    data: st.DataObject, tar: Any, tmp_path_factory: Any
) -> None:
    """No other error, and no model that its own record does not fit; there are no digests to find every change."""
    whole = tar(*HONEST) if data.draw(st.booleans()) else tar(("a/BOX", BOX), ("a/data.bin", b"data"))
    damaged = bytearray(as_zip(whole) if data.draw(st.booleans()) else whole)
    end = len(damaged.rstrip(b"\0"))
    damaged[data.draw(st.integers(0, end - 1))] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "x").write_bytes(damaged)
    store = ModelStore(folder / "store")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotKeptWarning)
            model = models.import_model(folder / "x", name="x", store=store)
    except TiffinError:
        assert models.list(store=store) == []
    else:
        assert models.verify(store=store) == []
        assert model.framework in ("toy", "")


def test_a_zip_whose_record_stands_twice_is_refused(bring: Callable[..., Model]) -> None:
    """Readers would differ in which of them counts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in (*HONEST, ("model.yaml", RECORD)):
            archive.writestr(name, data)
    with pytest.raises(UnsafeArchiveError, match="twice"):
        bring(target.getvalue())


def test_an_archive_that_is_neither_is_as_before(tar: Any, bring: Callable[..., Model]) -> None:
    """Files without a record, or with one in a folder beside other things, are no model."""
    for files in (
        [("notes.txt", b"x")],
        [("a/BOX", BOX), ("b", b"x")],
        [("model.yaml", b"name: x\nversion: y\n")],
    ):
        with pytest.raises(DamagedArchiveError):
            bring(tar(*files), name="x")


@pytest.mark.parametrize(("record", "text", "package"), [
    ("model.yaml", b"name: x\nversion: y\nmodule: z; echo unasked\n", "tiffin[bentoml]"),
    ("deep/model.yaml", b"name: x\nmodule: z\n", "tiffin[bentoml]"),
    ("MLmodel", b"flavors: {a: {}}\n", "tiffin[mlflow]"),
    ("deep/MLmodel", b"flavors: {a: {}}\n", "tiffin[mlflow]"),
])  # fmt: skip
def test_a_model_whose_tool_no_plugin_knows_says_what_to_install(
    record: str, text: bytes, package: str, tar: Any, bring: Callable[..., Model]
) -> None:
    """The hint comes from Tiffin's own file of packages, and nothing in it from the archive."""
    with pytest.raises(ForeignModelError, match="the plugin that reads it is not installed") as caught:
        bring(tar((record, text)), name="x")
    assert caught.value.fix == f"Try: pip install '{package}'"
    assert caught.value.member == record


@pytest.mark.parametrize("answer", ["BOX", [Box], {"box": Box()}, 7])
def test_a_wrong_answer_of_a_plugin_is_told(answer: Any, tar: Any, bring: Callable[..., Model]) -> None:
    """What is no list of tools is an error that shows it."""

    class Wrong:
        @hookimpl
        def foreign_models(self) -> Any:
            return answer

    tiffin.register(Wrong(), name="wrong")
    with pytest.raises(HookError, match="answers the hook 'foreign_models' with"):
        bring(tar(*HONEST))
    tiffin.unregister("wrong")


def test_a_description_that_is_none_is_told(
    tar: Any, bring: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the plugin's module."""
    monkeypatch.setattr(Crate, "describe", lambda *_: {"name": "x"})
    with pytest.raises(HookError, match=r"describes the model in .* as \{'name': 'x'\}"):
        bring(tar(*HONEST))


def test_a_model_of_two_tools_is_refused(tar: Any, bring: Callable[..., Model]) -> None:
    """Which is meant cannot be told."""
    with pytest.raises(PluginConflictError, match="both take"):
        bring(tar(*HONEST, ("BOX", BOX)))


def test_a_record_of_tiffin_s_own_is_shown_to_no_plugin(
    tar: Any, record: Any, bring: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else it holds: a plugin cannot take a model of Tiffin's for another tool's."""
    monkeypatch.setattr(Crate, "is_record", lambda *_: True)
    assert bring(tar(("model.yaml", record({"a": b"1"})), ("a", b"1"))).framework == ""
