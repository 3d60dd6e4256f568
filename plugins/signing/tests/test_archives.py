"""Archives: signatures travel with a model, and what does not belong to it does not come in."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, models
from tiffin.exceptions import DamagedArchiveError, StoreWarning, TooManySignaturesError, UnsafeArchiveError
from tiffin_signing import MAX_SIGNATURES, SIGNATURE_NAMES
from tiffin_signing._bundle import write_bundle
from tiffin_signing._statement import make_statement

FORMATS = ["tiffin", "tar", "tar.gz", "tar.xz", "zip", "folder"]


def unsigned(model: Model, number: int = 1) -> bytes:
    """Return a bundle about a model that nobody has signed."""
    return write_bundle(make_statement(model.info), b"nobody %d" % number, "")


def fill(model: Model, end: int, first: int = 0) -> None:
    """Let the store keep signatures by nobody."""
    for number in range(first, end):
        models.default_store().add_attestation(model.info, unsigned(model, number))


def digest(model: Model) -> str:
    return model.info.content_digest.removeprefix("sha256:")


def kept(model: Model) -> list[bytes]:
    return models.default_store().attestations(model.info.content_digest)


def pack(target: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(target, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def unpack(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {entry.name: opened.extractfile(entry).read() for entry in opened}  # type: ignore[union-attr]


@pytest.fixture
def packed(model: Model, tmp_path: Path, elsewhere: Callable[[], Path]) -> dict[str, bytes]:
    """Return the members of an export without signatures; the home is another one from now on."""
    models.export_model("team-a", tmp_path / "plain.tar")
    elsewhere()
    return unpack(tmp_path / "plain.tar")


@pytest.mark.parametrize("kind", FORMATS)
def test_signatures_travel_in_every_format(
    kind: str, model: Model, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    """All of them, byte for byte; and two exports are the same bytes, from either store."""
    store = tiffin.models.default_store()
    for number in range(3):
        assert store.add_attestation(model.info, unsigned(model, number))
    assert not store.add_attestation(model.info, unsigned(model, 0))
    before = store.attestations(model.info.content_digest)
    models.export_model("team-a", tmp_path / "first", kind)
    elsewhere()
    imported = models.import_model(tmp_path / "first")
    assert tiffin.models.default_store().attestations(imported.info.content_digest) == before
    assert sorted(file.name for file in imported.path.iterdir()) == ["model.pkl", "model.yaml"]
    assert models.verify() == []
    models.export_model("team-a", tmp_path / "second", kind)
    if kind != "folder":
        assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    else:
        names = {file.name for file in (tmp_path / "second").iterdir()}
        assert names == {"model.yaml", "model.pkl", "model.sig", "model.2.sig", "model.3.sig"}


def test_signatures_come_behind_the_record(model: Model, tmp_path: Path) -> None:
    """So that one which does not belong there is found before gigabytes are unpacked."""
    tiffin.models.default_store().add_attestation(model.info, unsigned(model))
    models.export_model("team-a", tmp_path / "x.tar")
    assert list(unpack(tmp_path / "x.tar")) == ["model.yaml", "model.sig", "model.pkl"]


@pytest.mark.parametrize("order", [["model.sig", "model.yaml", "model.pkl"], ["model.pkl", "model.yaml", "model.sig"]])
def test_signatures_are_found_in_any_order(
    order: list[str], packed: dict[str, bytes], model: Model, tmp_path: Path
) -> None:
    """Other programs pack files as they like."""
    members = {**packed, "model.sig": unsigned(model)}
    imported = models.import_model(pack(tmp_path / "x.tar", {name: members[name] for name in order}))
    assert tiffin.models.default_store().attestations(imported.info.content_digest) == [unsigned(model)]
    assert sorted(file.name for file in imported.path.iterdir()) == ["model.pkl", "model.yaml"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is not JSON"),
        (b"{}", "its media type is not"),
        (b"x" * (2 << 20), "has more than"),
        ("other", "it does not cover the file|it was made of another file"),
    ],
)
def test_a_signature_that_does_not_belong_to_the_model_is_refused(
    first: bool, content: Any, told: str, packed: dict[str, bytes], model: Model, tmp_path: Path
) -> None:
    """Whoever changes a signed model leaves this trace: it is told, and the store stays as it was."""
    if content == "other":
        other = models.default_store().save("other", "another content", framework="picklable")
        content = unsigned(other)
        models.delete("other")
    rest = {name: data for name, data in packed.items() if name != "model.yaml"}
    record = {"model.yaml": packed["model.yaml"]}
    signature = {"model.sig": content}
    members = {**signature, **record, **rest} if first else {**record, **signature, **rest}
    with pytest.raises(DamagedArchiveError, match=told) as caught:
        models.import_model(pack(tmp_path / "x.tar", members))
    assert caught.value.member == "model.sig"
    assert models.list() == []
    assert list(Path(models.default_store().layout.staging).iterdir()) == []
    assert not any(Path(models.default_store().layout.signatures).glob("*"))


@pytest.mark.parametrize("name", ["model.1.sig", "model.17.sig", "model.02.sig", "MODEL.SIG", "x/model.sig", "a.sig"])
def test_only_the_names_of_signatures_are_let_in(
    name: str, packed: dict[str, bytes], model: Model, tmp_path: Path
) -> None:
    """Everything else that model.yaml does not list is refused as ever."""
    with pytest.raises(UnsafeArchiveError, match="does not list it"):
        models.import_model(pack(tmp_path / "x.tar", {**packed, name: unsigned(model)}))


def test_a_model_with_files_of_these_names_travels_as_ever(
    store_home: Path, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    """Its signatures take the names that are left."""
    with models.create("odd:1") as new:
        (new.path / "model.sig").write_text("mine")
        (new.path / "model.3.sig").mkdir()
        (new.path / "model.3.sig" / "file").write_text("mine, too")
    store = models.default_store()
    info = models.get("odd").info
    bundles = [write_bundle(make_statement(info), b"nobody %d" % number, "") for number in range(2)]
    for bundle in bundles:
        store.add_attestation(info, bundle)
    models.export_model("odd", tmp_path / "odd.tar")
    names = set(unpack(tmp_path / "odd.tar"))
    assert names == {"model.yaml", "model.sig", "model.3.sig/file", "model.2.sig", "model.4.sig"}
    elsewhere()
    odd = models.import_model(tmp_path / "odd.tar")
    assert (odd.path / "model.sig").read_text() == "mine"
    assert sorted(models.default_store().attestations(odd.info.content_digest)) == sorted(bundles)


def test_a_store_keeps_some_signatures_of_a_content_and_no_more(model: Model) -> None:
    """Whoever can make signatures cannot fill a disk; the error says where they lie."""
    store = models.default_store()
    fill(model, MAX_SIGNATURES)
    with pytest.raises(TooManySignaturesError, match="has 16 signatures already") as caught:
        store.add_attestation(model.info, unsigned(model, 99))
    assert len(list(Path(caught.value.path).iterdir())) == MAX_SIGNATURES == len(SIGNATURE_NAMES)
    assert not store.add_attestation(model.info, unsigned(model, 0))


def test_junk_keeps_no_good_signature_out(
    model: Model, key: Any, store_home: Path, trusting: Callable[..., None]
) -> None:
    """One of a trusted key's takes the place of one that proves nothing; so does what is signed here, with any key."""
    fill(model, MAX_SIGNATURES)
    models.sign("team-a", key.private)
    assert models.verify_signature("team-a", key.public)[0].result == "good"
    [bundle] = [
        data
        for data in kept(model)
        if b"nobody" not in base64.b64decode(json.loads(data)["dsseEnvelope"]["signatures"][0]["sig"])
    ]
    store = models.default_store()
    Path(store.layout.signatures, digest(model), f"{hashlib.sha256(bundle).hexdigest()}.json").unlink()
    fill(model, MAX_SIGNATURES + 1, first=MAX_SIGNATURES)
    with pytest.raises(TooManySignaturesError):
        store.add_attestation(model.info, bundle)
    trusting(store_home, {"team-*": key.public})
    assert store.add_attestation(model.info, bundle)
    assert bundle in kept(model)
    assert len(kept(model)) == MAX_SIGNATURES


def test_junk_on_a_remote_keeps_no_good_signature_out(
    model: Model, key: Any, tmp_path: Path, elsewhere: Callable[[], Path], trusting: Callable[..., None]
) -> None:
    """However it sorts, and whether the key was trusted before the first pull or only before the second."""
    models.sign("team-a", key.private)
    junk = [write_bundle(make_statement(model.info), b"junk %d" % number, "") for number in range(40)]
    url = f"file://{tmp_path}/remote"
    models.push("team-a", url)
    [folder] = (tmp_path / "remote").rglob("signatures/*")
    for number, data in enumerate(junk):
        (folder / f"{number:064}.json").write_bytes(data)
    (folder / f"{0:063}x.json").write_bytes(b" " * (2 << 20))
    home = elsewhere()
    with pytest.warns(StoreWarning, match=r"Of the signatures of 'team-a:1' 25 were left out.*\[\[trust.keys\]\]"):
        models.pull("team-a:1", url)
    trusting(home, {"team-*": key.public})
    with pytest.warns(StoreWarning, match="were left out"):
        models.pull("team-a:1", url)
    assert models.verify_signature("team-a")[0].result == "good"
    assert tiffin.load("team-a").answer == 42


def test_junk_in_an_archive_keeps_no_good_signature_out(
    model: Model, key: Any, tmp_path: Path, elsewhere: Callable[[], Path], trusting: Callable[..., None]
) -> None:
    """What does not fit is told, and ends no import; an export with too few names takes those that prove something."""
    models.sign("team-a", key.private)
    models.export_model("team-a", tmp_path / "signed.tar")
    home = elsewhere()
    trusting(home, {"team-*": key.public})
    folder = Path(models.default_store().layout.signatures, digest(model))
    folder.mkdir(parents=True)
    for number in range(20):
        data = unsigned(model, number)
        (folder / f"{hashlib.sha256(data).hexdigest()}.json").write_bytes(data)
    more = pack(tmp_path / "more.tar", {**unpack(tmp_path / "signed.tar"), "model.2.sig": unsigned(model, 99)})
    with pytest.warns(StoreWarning, match="Of the signatures of 'team-a:1' 1 were left out"):
        models.import_model(more)
    assert tiffin.load("team-a").answer == 42
    models.export_model("team-a", tmp_path / "again.tar")
    assert unpack(tmp_path / "again.tar")["model.sig"] == unpack(tmp_path / "signed.tar")["model.sig"]


def test_signatures_travel_with_push_and_pull_and_junk_is_passed_over(
    model: Model, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    """Anybody may put something beside a model on a remote; that stops no pull, and is told."""
    models.default_store().add_attestation(model.info, unsigned(model))
    models.push("team-a", f"file://{tmp_path}/remote")
    [folder] = (tmp_path / "remote").rglob("signatures/*")
    for number in range(5):
        (folder / f"{number:064}.json").write_bytes(b"junk %d" % number)
    elsewhere()
    told = r"a signature of 'team-a:1' on .* is not a signature.* It was left out, and so were 2 more"
    with pytest.warns(StoreWarning, match=told):
        models.pull("team-a:1", f"file://{tmp_path}/remote")
    assert models.default_store().attestations(model.info.content_digest) == [unsigned(model)]


def test_verify_names_what_is_no_signature_and_it_counts_for_nothing(model: Model) -> None:
    """A damaged one is passed over when signatures are read, and found by `verify`; gc leaves all as it is."""
    store = models.default_store()
    store.add_attestation(model.info, unsigned(model))
    folder = Path(store.layout.signatures, model.info.content_digest.removeprefix("sha256:"))
    [file] = folder.iterdir()
    (folder / "note.txt").write_text("mine")
    (folder.parent / "elsewhere").mkdir()
    models.gc()
    assert models.usage().total == model.info.size
    assert store.attestations(model.info.content_digest) == [unsigned(model)]
    found = {problem.path: problem.state for problem in models.verify()}
    assert found == {str(folder / "note.txt"): "damaged", str(folder.parent / "elsewhere"): "foreign"}
    file.write_bytes(file.read_bytes()[:-1])
    assert store.attestations(model.info.content_digest) == []
    assert str(file) in {problem.path for problem in models.verify("team-a")}
