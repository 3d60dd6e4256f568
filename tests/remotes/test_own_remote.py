"""A remote of a plugin's own, and what other tools have put on a remote."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import pytest

from tiffin import Model, hookimpl, models
from tiffin.exceptions import (
    DamagedArchiveError,
    InvalidTagError,
    ModelExistsError,
    RemoteDamagedError,
    StoreWarning,
    TransferError,
    UnsafeArchiveError,
)
from tiffin.plugins import Registry
from tiffin.remotes import Content, Opener, Remote, RemoteVersion
from tiffin.store import ModelStore


class Shelf:
    """A remote in this program's memory."""

    threads = 2
    room = 100

    def __init__(self, url: str = "shelf://one", options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.blobs: dict[str, bytes] = {}
        self.found: dict[tuple[str, str], RemoteVersion] = {}
        self.marks: dict[tuple[str, str], str] = {}
        self.signed: dict[tuple[str, str], list[bytes]] = {}
        self.closed = 0
        self.opened: list[str] = []

    def names(self) -> list[str]:
        return sorted({name for name, _ in self.found})

    def versions(self, name: str) -> list[str]:
        return [version for known, version in self.found if known == name]

    def aliases(self, name: str) -> dict[str, str]:
        return {alias: version for (known, alias), version in self.marks.items() if known == name}

    def find(self, name: str, version: str) -> RemoteVersion | None:
        return self.found.get((name, version))

    def prepare(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        if len(contents) > self.room:
            raise TransferError(f"{self.url} takes {self.room} files, not {len(contents)}", url=self.url)

    def has(self, name: str, sha256: str, size: int) -> bool:
        return sha256 in self.blobs

    def send(self, name: str, sha256: str, size: int, source: Opener) -> None:
        with source() as stream:
            data = b"".join(iter(lambda: stream.read(1000), b""))
        self.blobs[sha256] = data

    def publish(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        if (name, version) in self.found and not force:
            raise ModelExistsError("taken", tag=f"{name}:{version}")
        assert {content.sha256 for content in contents} <= self.blobs.keys()
        self.found[name, version] = RemoteVersion(name=name, version=version, record=record)

    @contextlib.contextmanager
    def open(self, version: RemoteVersion, content: Content, offset: int) -> Iterator[io.BytesIO]:
        self.opened.append(content.sha256)
        yield io.BytesIO(self.blobs[content.sha256][offset:])

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self.marks[name, alias] = version

    def attestations(self, version: RemoteVersion) -> list[bytes]:
        return self.signed.get((version.name, version.version), [])

    def add_attestation(self, version: RemoteVersion, bundle: bytes) -> None:
        self.signed.setdefault((version.name, version.version), []).append(bundle)

    def close(self) -> None:
        self.closed += 1

    def put(self, data: bytes, path: str = "", archive: str = "") -> Content:
        """Put a content there, as another tool would."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = data
        return Content(sha256=sha256, size=len(data), path=path, archive=archive)

    def show(self, *contents: Content, name: str = "llama", version: str = "q4", **facts: Any) -> None:
        """Put a version there, as another tool would."""
        found = RemoteVersion(name=name, version=version, record=None, contents=contents, **facts)
        self.found[name, version] = found


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def packed(files: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def zstd(data: bytes) -> bytes:
    from inside.archives import open_writer

    target = io.BytesIO()
    with open_writer(target, "zst") as writer:
        writer.write(data)
    return target.getvalue()


def test_a_plugin_adds_a_scheme(
    fresh_registry: Registry, shelf: Shelf, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """Its remote is asked for URLs of its scheme, gets the options, and is closed after each use."""
    made: list[tuple[str, Mapping[str, Any]]] = []

    class Plugin:
        @hookimpl
        def remotes(self) -> dict[str, Callable[[str, Mapping[str, Any]], Remote]]:
            def connect(url: str, options: Mapping[str, Any]) -> Remote:
                made.append((url, options))
                return shelf

            return {"shelf": connect}

    fresh_registry.register(Plugin(), "shelf")
    store.set_alias(model.tag, "prod")
    pushed = models.push(model, "shelf://one", aliases=True, params={"depth": 2}, store=store)
    assert (pushed.url, pushed.sent) == (
        "shelf://one",
        sum({e.sha256: e.size for e in model.info.files.values()}.values()),
    )
    assert [str(info.tag) for info in models.list_remote("shelf://one")] == ["iris:v1"]
    pulled = models.pull("shelf://one/iris:prod", store=other)
    assert pulled.info == model.info
    assert made == [("shelf://one", {"depth": 2}), ("shelf://one", {}), ("shelf://one", {})]
    assert shelf.closed == 3


def test_a_remote_itself_is_taken_and_left_open(
    shelf: Shelf, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """Programs that make many transfers make the remote once."""
    models.push(model, shelf, store=store)
    assert models.pull("iris", shelf, store=other).info == model.info
    assert shelf.closed == 0


def test_a_remote_refuses_before_anything_is_sent(shelf: Shelf, model: Model, store: ModelStore) -> None:
    """What a remote cannot hold it says at once, not after all files have travelled."""
    shelf.room = 1
    with pytest.raises(TransferError, match="takes 1 files"):
        models.push(model, shelf, store=store)
    assert shelf.blobs == {}


def test_what_sends_other_bytes_than_it_should_cannot(shelf: Shelf, model: Model, store: ModelStore) -> None:
    """A source raises before its last byte where the file is not what was saved; so no remote stores it whole."""
    file = model.path / "weights.bin"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    from tiffin.exceptions import StoreError

    with pytest.raises(StoreError):
        models.push(model, shelf, store=store)
    assert model.info.files["weights.bin"].sha256 not in shelf.blobs


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst"])
def test_files_and_archives_of_another_tool_become_a_folder(kind: str, shelf: Shelf, other: ModelStore) -> None:
    """Plain files by their paths, archives unpacked, labels and metadata as they are; it is a raw folder of files."""
    tar = packed({"b/c.txt": b"c", "d.bin": bytes(5000)})
    data = {"tar": tar, "tar.gz": gzip.compress(tar), "tar.zst": zstd(tar)}[kind]
    shelf.show(
        shelf.put(b"readme", "README.md"),
        shelf.put(data, archive=kind),
        labels={"arch": "transformer"},
        metadata={"created": "2026-01-02T03:04:05Z"},
    )
    pulled = models.pull("llama:q4", shelf, store=other)
    assert sorted(pulled.info.files) == ["README.md", "b/c.txt", "d.bin"]
    assert (pulled.path / "b/c.txt").read_bytes() == b"c"
    assert (pulled.framework, pulled.labels) == ("", {"arch": "transformer"})
    assert pulled.info.creation_time.isoformat() == "2026-01-02T03:04:05+00:00"
    assert models.verify(store=other) == []


def test_what_another_tool_put_there_replaces_nothing_unasked(shelf: Shelf, other: ModelStore) -> None:
    """Whether it is the same cannot be told before it has come; the error says how to go on."""
    shelf.show(shelf.put(b"readme", "README.md"))
    models.pull("llama:q4", shelf, store=other)
    with pytest.raises(ModelExistsError, match=r"another model here.*--as NAME:VERSION.*--force"):
        models.pull("llama:q4", shelf, store=other)
    assert models.pull("llama:q4", shelf, force=True, store=other).version == "q4"


@pytest.mark.parametrize(
    ("name", "message"),
    [("../x", "leads outside"), ("/x", "absolute"), ("model.yaml", "it is there twice"), ("README.md", "there twice")],
)
def test_a_hostile_archive_on_a_remote_is_refused(name: str, message: str, shelf: Shelf, other: ModelStore) -> None:
    """By the rules of imports; the store is unchanged."""
    shelf.show(shelf.put(b"readme", "README.md"), shelf.put(packed({name: b"x"}), archive="tar"))
    with pytest.raises(UnsafeArchiveError, match=message):
        models.pull("llama:q4", shelf, store=other)
    assert models.list(store=other) == []
    assert list((other.path / "staging").iterdir()) == []


def test_a_hostile_path_of_a_plain_file_is_refused(shelf: Shelf, other: ModelStore) -> None:
    """What a manifest says is a stranger's word, too."""
    shelf.show(shelf.put(b"x", "../../evil"))
    with pytest.raises(UnsafeArchiveError, match="leads outside"):
        models.pull("llama:q4", shelf, store=other)


def test_a_damaged_archive_on_a_remote_is_refused(shelf: Shelf, other: ModelStore) -> None:
    """Cut off, or with other bytes than its digest says, also behind the last file."""
    whole = packed({"a": b"1"})
    shelf.show(shelf.put(whole[:600], archive="tar"))
    with pytest.raises(DamagedArchiveError):
        models.pull("llama:q4", shelf, store=other)
    content = shelf.put(whole, archive="tar")
    shelf.blobs[content.sha256] = whole[:-1] + b"\x01"
    shelf.show(content)
    with pytest.raises((DamagedArchiveError, RemoteDamagedError)):
        models.pull("llama:q4", shelf, store=other)
    assert models.list(store=other) == []


def test_a_bomb_on_a_remote_is_refused_and_the_limit_can_be_set(shelf: Shelf, other: ModelStore) -> None:
    """As for imports."""
    from tiffin.archives import Limits

    shelf.show(shelf.put(gzip.compress(packed({"zeros": bytes(100_000)})), archive="tar.gz"))
    with pytest.raises(UnsafeArchiveError, match="more than 50000 bytes"):
        models.pull("llama:q4", shelf, limits=Limits(max_bytes=50_000), store=other)
    assert models.pull("llama:q4", shelf, store=other).info.size == 100_000


def test_names_that_no_model_can_have_are_pulled_under_another(shelf: Shelf, other: ModelStore) -> None:
    """`Q4_K_M` and `latest` are usual elsewhere; the first needs --as, the second becomes a version."""
    for version in ("Q4_K_M", "latest"):
        shelf.show(shelf.put(b"x", "x"), version=version)
    with pytest.raises(InvalidTagError, match="--as NAME:VERSION"):
        models.pull("llama:Q4_K_M", shelf, store=other)
    assert str(models.pull("llama:Q4_K_M", shelf, name="llama:q4-k-m", store=other).tag) == "llama:q4-k-m"
    made = models.pull("llama:latest", shelf, name="l", store=other)
    assert made.version != "latest"


def test_a_signature_that_fits_nothing_does_not_keep_a_model_back(
    shelf: Shelf, model: Model, store: ModelStore, other: ModelStore, fresh_registry: Registry
) -> None:
    """Who may write to a remote could else keep everybody from pulling; the user is warned, and it is not kept."""

    class Strict:
        @hookimpl
        def check_attestation(self, info: Any, data: bytes, where: str) -> bool:
            return False

    fresh_registry.register(Strict(), "strict")
    models.push(model, shelf, store=store)
    shelf.signed["iris", "v1"] = [b"{}"]
    with pytest.warns(StoreWarning, match="left out"):
        pulled = models.pull("iris", shelf, store=other)
    assert other.signatures(pulled.info.content_digest) == []


def test_a_remote_that_is_no_remote_is_told(fresh_registry: Registry, model: Model, store: ModelStore) -> None:
    """A plugin's wrong answer blames the hook."""

    class Plugin:
        @hookimpl
        def remotes(self) -> Any:
            return ["shelf"]

    fresh_registry.register(Plugin(), "shelf")
    with pytest.raises(Exception, match="answers the hook 'remotes' with"):
        models.push(model, "shelf://one", store=store)


def test_a_scheme_that_nobody_serves_is_told(model: Model, store: ModelStore) -> None:
    """With what to install, where that is known."""
    with pytest.raises(TransferError, match="Protocol not known"):
        models.push(model, "nosuch://x", store=store)


def test_a_damaged_record_is_passed_over_in_lists(
    shelf: Shelf, model: Model, store: ModelStore, make: Callable[..., Model]
) -> None:
    """With a warning; the others are listed, and what others put there under names that no model can have, too."""
    models.push(model, shelf, store=store)
    models.push(make(store, {"x": b"2"}, "iris:v2"), shelf, store=store)
    shelf.found["iris", "v2"] = RemoteVersion(name="iris", version="v2", record=b"no: record")
    shelf.show(shelf.put(b"x", "x"), name="iris", version="Q4_K_M")
    with pytest.warns(StoreWarning, match="iris:v2"):
        found = models.list_remote(shelf, "iris")
    assert sorted(info.version for info in found) == ["Q4_K_M", "v1"]


@pytest.mark.parametrize("recorded", [False, True])
def test_one_content_under_very_many_names_is_fetched_and_stored_once(
    shelf: Shelf, make: Callable[..., Model], store: ModelStore, other: ModelStore, recorded: bool
) -> None:
    """Else a manifest of a few kilobytes fills a disk: two thousand names of a MiB are a MiB."""
    data = bytes(range(256)) * 4096
    names = [f"part{number}/weights" for number in range(2000)]
    if recorded:
        shelf.room = 10_000
        models.push(make(store, dict.fromkeys(names, data), "llama:q4").tag, shelf, store=store)
    else:
        shelf.show(*(shelf.put(data, name) for name in names))
    pulled = models.pull("llama:q4", shelf, store=other)
    assert len(shelf.opened) == 1
    inodes = {(pulled.path / name).stat().st_ino for name in names}
    assert len(inodes) == 1
    assert (pulled.path / names[-1]).read_bytes() == data
    assert models.verify(store=other) == []


def test_a_pull_that_fails_after_that_leaves_no_content(shelf: Shelf, other: ModelStore) -> None:
    """What was linked for the many names is gone, too."""
    good = shelf.put(b"good" * 1000, "a")
    bad = shelf.put(packed({"../outside": b"x"}), archive="tar")
    shelf.show(good, attrs.evolve(good, path="b"), bad)
    with pytest.raises(UnsafeArchiveError):
        models.pull("llama:q4", shelf, store=other)
    assert not [path for path in (other.path / "blobs").rglob("*") if path.is_file()]
