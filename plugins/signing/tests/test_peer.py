"""The reference implementation of model signing, run as a program: it accepts what Tiffin signs, and the other way round."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import signing_peer
import tiffin
from tiffin import Model, models

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        signing_peer.program() is None, reason="model-signing is not installed; tools/signing_peer.py installs it"
    ),
]


def verify(folder: Path, key: Any, *options: str, name: str = "model.sig") -> subprocess.CompletedProcess[str]:
    signature = ["--signature", folder / name, "--public_key", key.public]
    return signing_peer.run("verify", "key", folder, *signature, *options, check=False)


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1"])
def test_it_accepts_what_tiffin_signed(curve: str, model: Model, new_key: Any, tmp_path: Path) -> None:
    """An exported folder, with model.yaml and model.sig in it, needs no further option; a changed file is found."""
    key = new_key(curve=curve)
    models.sign("team-a", key.private)
    folder = tmp_path / "exported"
    models.export_model("team-a", folder, "folder")
    done = verify(folder, key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verification succeeded" in done.stdout
    (folder / "model.pkl").write_bytes(b"changed")
    changed = verify(folder, key)
    assert changed.returncode == 1
    assert "Hash mismatch" in changed.stderr


def test_it_accepts_folders_odd_names_and_several_signatures(
    store_home: Path, new_key: Callable[..., Any], tmp_path: Path
) -> None:
    """Files below folders in its own order, names that are not ASCII, files that are called as signatures are."""
    with models.create("odd:1") as new:
        for name in (
            "b/c.bin",
            "b.bin",
            "b-c/d",
            "a/ü.txt",
            "a/日本.txt",
            "a/😀",
            "model.sig",
            "z/model.yaml",
            "a b",
            'q"',
        ):
            (new.path / name).parent.mkdir(exist_ok=True)
            (new.path / name).write_text(name, encoding="utf-8")
    keys = [new_key("first"), new_key("second", curve="SECP384R1")]
    for key in keys:
        models.sign("odd", key.private)
    folder = tmp_path / "exported"
    models.export_model("odd", folder, "folder")
    assert (folder / "model.sig").read_text() == "model.sig"
    names = {
        key: next(name for name in ("model.2.sig", "model.3.sig") if verify(folder, key, name=name).returncode == 0)
        for key in keys
    }
    assert set(names.values()) == {"model.2.sig", "model.3.sig"}
    (folder / "more").write_text("x", encoding="utf-8")
    for key, name in names.items():
        assert "Extra files" in verify(folder, key, name=name).stderr


def test_git_files_need_its_option(store_home: Path, key: Any, tmp_path: Path) -> None:
    """By default it passes over what belongs to git, also where a model has such files itself."""
    with models.create("git:1") as new:
        (new.path / ".gitattributes").write_text("* -text", encoding="utf-8")
        (new.path / "file").write_text("x", encoding="utf-8")
    models.sign("git", key.private)
    folder = tmp_path / "exported"
    models.export_model("git", folder, "folder")
    assert "Missing files" in verify(folder, key).stderr
    done = verify(folder, key, "--no-ignore-git-paths")
    assert done.returncode == 0, done.stderr


def test_what_it_signs_comes_in_with_the_folder_and_is_trusted(
    model: Model, key: Any, tmp_path: Path, elsewhere: Callable[[], Path], trusting: Any
) -> None:
    """An exported folder that it signed: the signature travels on, and counts as Tiffin's own."""
    folder = tmp_path / "exported"
    models.export_model("team-a", folder, "folder")
    signing_peer.run("sign", "key", folder, "--private_key", key.private, "--signature", folder / "model.sig")
    trusting(elsewhere(), {"team-*": key.public})
    models.import_model(folder)
    assert models.inspect("team-a").verdict == "signed"
    assert tiffin.load("team-a").answer == 42
    assert models.verify_signature("team-a", key.public)[0].signed_as == "exported"
    again = tmp_path / "again"
    models.export_model("team-a", again, "folder")
    assert verify(again, key).returncode == 0
    shutil.rmtree(again)


def test_a_key_with_a_password_makes_what_it_accepts(model: Model, new_key: Any, tmp_path: Path) -> None:
    """The key's protection is no part of the signature."""
    key = new_key(password="secret")
    models.sign("team-a", key.private, password="secret")
    models.export_model("team-a", tmp_path / "exported", "folder")
    assert verify(tmp_path / "exported", key).returncode == 0
