"""Fixtures for tests of signatures: keys, a model that needs trust, and a place for what is trusted."""

from __future__ import annotations

import argparse
import base64
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, hookimpl
from tiffin.plugins import registry

SAMPLES = Path(__file__).resolve().parent / "data"


class Key:
    """A pair of keys in two files."""

    def __init__(self, folder: Path, name: str, curve: str = "SECP256R1", password: str = "") -> None:
        serialization = pytest.importorskip(
            "cryptography.hazmat.primitives.serialization", reason="cryptography is not installed; make setup brings it"
        )
        from cryptography.hazmat.primitives.asymmetric import ec

        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub"
        key = ec.generate_private_key(getattr(ec, curve)())
        locked = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.private.write_bytes(key.private_bytes(pem, pkcs8, locked))
        subject = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public.write_bytes(key.public_key().public_bytes(pem, subject))


class Pickles:
    """Stands for the adapter of any Python object, where that is not installed."""

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": ["builtins.object"], "code_files": ["*.pkl"], "code_readers": {"*.pkl": "pickle"}}

    @hookimpl
    def save(self, model: Any, path: Path) -> None:
        (path / "model.pkl").write_bytes(pickle.dumps(model))

    @hookimpl
    def load(self, path: Path, trusted: bool, read: Any) -> Any:
        if not trusted:
            return read("model.pkl")
        return pickle.loads((path / "model.pkl").read_bytes())


@pytest.fixture(autouse=True)
def _adapter() -> Iterator[None]:
    alone = not registry().has("picklable")
    if alone:
        tiffin.register(Pickles(), "picklable")
    yield
    if alone:
        tiffin.unregister("picklable")


@pytest.fixture(autouse=True)
def _own_store(store_home: Path) -> None:
    """Each test has a store of its own."""


@pytest.fixture
def samples() -> Path:
    """Return the folder of what the reference implementation made."""
    return SAMPLES


@pytest.fixture
def new_key(tmp_path: Path) -> Callable[..., Key]:
    """Return a function that makes a pair of keys."""
    folder = tmp_path / "keys"
    folder.mkdir()
    return lambda name="key", **options: Key(folder, name, **options)


@pytest.fixture
def key(new_key: Callable[..., Key]) -> Key:
    """Return a pair of keys."""
    return new_key()


@pytest.fixture
def model(store_home: Path) -> Model:
    """Return a model of this store that would need trust elsewhere: a class that no list allows."""
    return tiffin.save("team-a:1", argparse.Namespace(answer=42), framework="picklable", labels={"stage": "dev"})


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Return a function that moves to another home, whose store is empty."""

    def move() -> Path:
        home = tmp_path / "another-home"
        home.mkdir()
        monkeypatch.setenv("TIFFIN_HOME", str(home))
        return home

    return move


@pytest.fixture
def trusting() -> Callable[..., None]:
    """Return a function that lets config.toml of a home trust keys: pattern → public key."""

    def trust(home: Path, keys: dict[str, Path], policy: str = "ask") -> None:
        entries = [f'[[trust.keys]]\nmodels = "{pattern}"\nkey = "{path}"\n' for pattern, path in keys.items()]
        (home / "config.toml").write_text(f'[trust]\npolicy = "{policy}"\n' + "".join(entries), encoding="utf-8")

    return trust


@pytest.fixture
def statement_of() -> Callable[[bytes], dict[str, Any]]:
    """Return a function that reads the statement of a bundle, without a check."""

    def read(bundle: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
        return found

    return read
