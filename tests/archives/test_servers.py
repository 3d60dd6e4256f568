"""Archives to and from real servers on loopback, each through its fsspec driver."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import servers
from tiffin import Model, models
from tiffin.exceptions import ArchiveError, DamagedArchiveError
from tiffin.store import ModelStore

pytestmark = [
    pytest.mark.slow,
    # The drivers of object stores leave connections to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A version of which an upload has several parts."""
    store = ModelStore(tmp_path_factory.mktemp("large"))
    with models.create("large:v1", store=store) as new:
        (new.path / "a").write_bytes(os.urandom(20 << 20))
        (new.path / "b").write_bytes(b"small")
    assert new.model is not None
    return new.model


def found(server: servers.Server) -> list[str]:
    """Return the names of all files that the server shows."""
    from tiffin.places import file_system

    with file_system(f"{server.url}/", server.params, "read") as (system, name):
        system.invalidate_cache()
        try:
            return [Path(path).name for path in system.find(name)]
        except FileNotFoundError:
            return []


def test_a_model_travels_to_a_server_and_back(
    server: servers.Server, large: Model, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """Small and large, in a tar and in a zip, in a folder that has to be made: the same digests come back."""
    for kind in ("tar", "zip"):
        url = models.export_model(large, f"{server.url}/new/folder/large.{kind}", params=server.params)
        assert "secret" not in url
        imported = models.import_model(
            f"{server.url}/new/folder/large.{kind}", name=f"large:{kind}", params=server.params, store=other
        )
        assert imported.info.content_digest == large.info.content_digest
    models.export_model(model, f"{server.url}/", params=server.params, store=store)
    imported = models.import_model(f"{server.url}/iris-v1.tiffin", params=server.params, store=other)
    assert imported.info.files == model.info.files
    assert sorted(found(server)) == ["iris-v1.tiffin", "large.tar", "large.zip"]
    assert models.verify(store=other) == []


def test_what_is_there_is_replaced_only_by_force(
    server: servers.Server, model: Model, make: Callable[..., Model], store: ModelStore, other: ModelStore
) -> None:
    """Without force the export is refused; with it, the new archive stands there."""
    url = f"{server.url}/again.tar"
    models.export_model(model, url, params=server.params, store=store)
    newer = make(store, {"x": b"newer"}, "iris:v2")
    with pytest.raises(ArchiveError, match="exists already"):
        models.export_model(newer, url, params=server.params, store=store)
    assert models.import_model(url, params=server.params, store=other).tag == model.tag
    models.export_model(newer, url, params=server.params, force=True, store=store)
    assert models.import_model(url, params=server.params, store=other).tag == newer.tag


def test_an_export_that_fails_midway_leaves_nothing(server: servers.Server, tmp_path: Path) -> None:
    """Neither under its name nor under any other: the model's last file turns out to be damaged."""
    store = ModelStore(tmp_path / "damaged")
    with models.create("iris:v1", store=store) as new:
        (new.path / "a").write_bytes(os.urandom(20 << 20))
        (new.path / "b").write_bytes(b"small")
    assert new.model is not None
    damaged = new.model.path / "b"
    damaged.chmod(0o644)
    damaged.write_bytes(b"SMALL")
    before = found(server)
    with pytest.raises(ArchiveError, match="'b'"):
        models.export_model(new.model, f"{server.url}/broken.tar", params=server.params, store=store)
    import gc

    gc.collect()  # the drivers' files complete an upload when they are collected
    assert found(server) == before
    if server.url.startswith("s3:"):
        import fsspec

        assert not fsspec.filesystem("s3", **server.params).list_multipart_uploads("tiffin")


def test_what_is_not_there_is_told(server: servers.Server, other: ModelStore) -> None:
    """An error of Tiffin that says so, whatever the driver raises."""
    with pytest.raises(ArchiveError, match="not there"):
        models.import_model(f"{server.url}/nowhere.tiffin", params=server.params, store=other)


def test_damage_on_the_server_leaves_the_store_as_it_was(
    server: servers.Server, model: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Half an archive is refused."""
    from tiffin.places import open_target

    whole = Path(models.export_model(model, tmp_path / "whole.tar", store=store)).read_bytes()
    with open_target(f"{server.url}/half.tar", server.params) as file:
        file.write(whole[: len(whole) // 2])
    with pytest.raises(DamagedArchiveError):
        models.import_model(f"{server.url}/half.tar", params=server.params, store=other)
    assert models.list(store=other) == []
