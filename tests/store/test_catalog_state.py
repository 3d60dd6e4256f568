"""Whatever is done to a store, by its API or by hand, lists tell what is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tiffin.exceptions import ModelExistsError, ModelNotFoundError
from tiffin.store import ModelStore
from tiffin.store.verifying import verify

NAMES = st.sampled_from(["a", "b", "c"])
VERSIONS = st.sampled_from(["1", "2", "3"])
LABELS = st.sampled_from(["x", "y", "z"])
STORES = st.sampled_from([0, 1])


class StoreMachine(RuleBasedStateMachine):
    """A store, and a dict that says what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        # Two objects of one store, as two processes have.
        self.stores = [ModelStore(self.folder / "store") for _ in range(2)]
        self.elsewhere = ModelStore(self.folder / "elsewhere")
        self.models: dict[tuple[str, str], dict[str, Any]] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.old = 0
        self.kept_catalog = b""

    def teardown(self) -> None:
        for store in (*self.stores, self.elsewhere):
            store.finder.catalog.close()
        shutil.rmtree(self.folder)

    @property
    def names_folder(self) -> Path:
        return self.folder / "store" / "models"

    def make(self, store: ModelStore, name: str, version: str, label: str, *, overwrite: bool) -> dict[str, Any]:
        with store.create(f"{name}:{version}", labels={"label": label}, overwrite=overwrite) as new:
            (new.path / "file").write_text(label)
        assert new.model is not None
        return {"label": label, "created": new.model.creation_time}

    @initialize()
    def begin(self) -> None:
        self.save(0, "a", "1", "x", overwrite=False)

    @rule(at=STORES, name=NAMES, version=VERSIONS, label=LABELS, overwrite=st.booleans())
    def save(self, at: int, name: str, version: str, label: str, overwrite: bool) -> None:
        try:
            model = self.make(self.stores[at], name, version, label, overwrite=overwrite)
            assert overwrite or (name, version) not in self.models
            self.models[name, version] = model
        except ModelExistsError:
            assert not overwrite
            assert (name, version) in self.models

    @rule(at=STORES, name=NAMES, version=VERSIONS)
    def delete(self, at: int, name: str, version: str) -> None:
        try:
            self.stores[at].delete(f"{name}:{version}", force=True)
            del self.models[name, version]
            self.aliases = {key: v for key, v in self.aliases.items() if (key[0], v) != (name, version)}
        except ModelNotFoundError:
            assert (name, version) not in self.models

    @rule(at=STORES, name=NAMES, version=VERSIONS, label=LABELS)
    def edit(self, at: int, name: str, version: str, label: str) -> None:
        try:
            self.stores[at].edit(f"{name}:{version}", labels={"label": label})
            self.models[name, version]["label"] = label
        except ModelNotFoundError:
            assert (name, version) not in self.models

    @rule(at=STORES, name=NAMES, version=VERSIONS, alias=st.sampled_from(["prod", "test"]))
    def set_alias(self, at: int, name: str, version: str, alias: str) -> None:
        try:
            self.stores[at].set_alias(f"{name}:{version}", alias)
            self.aliases[name, alias] = version
        except ModelNotFoundError:
            assert (name, version) not in self.models

    @rule(name=NAMES, version=VERSIONS, with_name=st.booleans())
    def delete_by_hand(self, name: str, version: str, with_name: bool) -> None:
        shutil.rmtree(self.names_folder / name if with_name else self.names_folder / name / version, ignore_errors=True)
        for key in list(self.models):
            if key[0] == name and (with_name or key[1] == version):
                del self.models[key]

    @rule(name=NAMES, version=VERSIONS, label=LABELS)
    def copy_by_hand(self, name: str, version: str, label: str) -> None:
        target = self.names_folder / name / version
        if not target.exists():
            model = self.make(self.elsewhere, name, version, label, overwrite=True)
            shutil.copytree(self.elsewhere.get(f"{name}:{version}").path, target)
            self.models[name, version] = model

    @rule(name=NAMES)
    def time_passes(self, name: str) -> None:
        """Make the folder's last change one of long ago, at a time that is no other change's."""
        self.old += 1
        with contextlib.suppress(FileNotFoundError):
            moment = time.time_ns() - 10_000_000_000 + self.old
            os.utime(self.names_folder / name, ns=(moment, moment))

    @rule(name=NAMES)
    def touch(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.names_folder / name)

    @rule()
    def delete_catalog(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(self.stores[0].layout.catalog + suffix).unlink(missing_ok=True)

    @rule()
    def keep_catalog(self) -> None:
        self.stores[0].finder.catalog._read("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(FileNotFoundError):
            self.kept_catalog = Path(self.stores[0].layout.catalog).read_bytes()

    @rule()
    def put_kept_catalog_back(self) -> None:
        if self.kept_catalog:
            self.delete_catalog()
            Path(self.stores[0].layout.catalog).write_bytes(self.kept_catalog)

    @rule(at=STORES, name=NAMES)
    def list_one(self, at: int, name: str) -> None:
        there = {key: model["label"] for key, model in self.models.items() if key[0] == name}
        if there:
            assert {(m.name, m.version): m.labels["label"] for m in self.stores[at].list(name)} == there
        else:
            with pytest.raises(ModelNotFoundError):
                self.stores[at].list(name)

    @rule()
    def check(self) -> None:
        assert [problem for problem in verify(self.stores[0]) if problem.state not in ("repaired", "missing")] == []

    @invariant()
    def lists_tell_what_is_there(self) -> None:
        for store in self.stores:
            found = {
                (m.name, m.version): {"label": m.labels["label"], "created": m.creation_time} for m in store.list()
            }
            assert found == self.models
            for name in ("a", "b", "c"):
                versions = [(model["created"], version) for (n, version), model in self.models.items() if n == name]
                if versions:
                    newest = max(versions)[1]
                    assert store.resolve(name) == newest
                    assert store.get(name).info.labels == {"label": self.models[name, newest]["label"]}
                else:
                    with pytest.raises(ModelNotFoundError):
                        store.resolve(name)
                expected = {
                    alias: version
                    for (n, alias), version in self.aliases.items()
                    if n == name and (name, version) in self.models
                }
                assert store.aliases(name) == expected


StoreMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
class TestAnySequenceOfChanges(StoreMachine.TestCase):  # type: ignore[name-defined,misc]
    """List, get, latest and aliases agree with a plain dict after every change, made by the API or by hand."""
