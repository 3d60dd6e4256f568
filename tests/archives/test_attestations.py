"""Attestations whose format no installed plugin knows: they are kept and travel, and nobody is led to believe in them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tiffin
from tiffin import hookimpl, models
from tiffin.cli import cli
from tiffin.exceptions import (
    BadSignatureError,
    DamagedArchiveError,
    HookError,
    PluginWarning,
    SigningNotInstalledError,
    UntrustedModelError,
)
from tiffin.info import max_attestation_size
from tiffin.plugins import Voucher


@pytest.fixture(autouse=True)
def _without_signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIFFIN_DISABLE_PLUGINS", "signing")


@pytest.fixture
def archive(table_adapter: Any, table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an archive of a model that needs trust, with an attestation; the home is another, empty one from now on."""
    monkeypatch.setattr(type(table_adapter), "context_info", _with_code(table_adapter))
    tiffin.unregister("table")
    tiffin.register(table_adapter, "table")
    model = tiffin.save("iris:1", table)
    models.export_model(model.tag, tmp_path / "plain.tar")
    with tarfile.open(tmp_path / "plain.tar") as plain, tarfile.open(tmp_path / "signed.tar", "w") as signed:
        for entry in plain:
            signed.addfile(entry, plain.extractfile(entry))
        member = tarfile.TarInfo("model.sig")
        member.size = 8
        signed.addfile(member, io.BytesIO(b"whatever"))
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    return tmp_path / "signed.tar"


def _with_code(adapter: Any) -> Any:
    answer = {**adapter.context_info(), "code_files": ("*.json",), "code_readers": {}}
    return hookimpl(lambda self: answer)


def test_an_import_keeps_what_nobody_can_check_and_says_so(archive: Path, tmp_path: Path) -> None:
    """It travels on, byte for byte, and the next one may be able to tell."""
    with pytest.warns(PluginWarning, match=r"model\.sig was kept unchecked.*pip install 'tiffin\[signing\]'"):
        model = models.import_model(archive)
    assert models.default_store().attestations(model.info.content_digest) == [b"whatever"]
    models.export_model(model.tag, tmp_path / "on.tar")
    with tarfile.open(tmp_path / "on.tar") as on:
        assert on.extractfile("model.sig").read() == b"whatever"  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::tiffin.exceptions.PluginWarning")
def test_without_a_plugin_it_is_no_trust_and_the_refusal_says_what_to_install(archive: Path) -> None:
    """So does inspect; where config.toml trusts keys for the name, that it does not count is told."""
    models.import_model(archive)
    with pytest.raises(UntrustedModelError, match=r"(?s)It is signed\. No installed plugin.*tiffin\[signing\]"):
        tiffin.load("iris")
    assert "pip install 'tiffin[signing]'" in models.inspect("iris").unverified
    config = models.default_store().path.parent / "config.toml"
    config.write_text('[[trust.keys]]\nmodels = "iris"\nkey = "k.pub"\n', encoding="utf-8")
    with pytest.raises(UntrustedModelError, match=r"although config\.toml trusts keys for models called 'iris'"):
        tiffin.load("iris")
    config.unlink()
    assert tiffin.load("iris", trust=True).items == {"a": 1, "b": [2]}


def test_a_plugin_vouches_and_its_refusal_ends_the_import(archive: Path) -> None:
    """The first plugin that knows the format tells whether it fits; a good voucher is trust."""

    class Boss:
        fits: bool | None = False
        vouchers: Any = (Voucher("good", key="boss"),)

        @hookimpl
        def check_attestation(self, data: bytes) -> bool | None:
            return self.fits if data == b"whatever" else None

        @hookimpl
        def vouch(self, attestations: Any) -> Any:
            return self.vouchers if attestations == [b"whatever"] else None

    boss = Boss()
    tiffin.register(boss, "boss")
    with pytest.raises(DamagedArchiveError, match="does not vouch for model 'iris:1'"):
        models.import_model(archive)
    assert models.list() == []
    boss.fits = True
    models.import_model(archive)
    assert models.inspect("iris").verdict == "signed"
    assert tiffin.load("iris").items == {"a": 1, "b": [2]}
    boss.vouchers = [True]
    with pytest.raises(HookError, match="answers the hook 'vouch' with"):
        tiffin.load("iris")
    boss.vouchers = None
    with pytest.raises(UntrustedModelError, match="It is not signed in a way that an installed plugin knows"):
        tiffin.load("iris")


def test_what_is_too_large_is_refused_whoever_is_installed(archive: Path) -> None:
    """Core keeps the bounds, so that nobody fills a disk with what nobody can read."""
    with pytest.warns(PluginWarning):
        info = models.import_model(archive).info
    with pytest.raises(BadSignatureError, match="has more than"):
        models.default_store().add_attestation(info, b"x" * (max_attestation_size(info) + 1))


def test_without_the_plugin_signing_says_what_to_install(archive: Path) -> None:
    """The public functions stay."""
    for call in (lambda: models.sign("iris", "key.pem"), lambda: models.verify_signature("iris")):
        with pytest.raises(SigningNotInstalledError, match=r"pip install 'tiffin\[signing\]'"):
            call()


def test_a_command_of_the_plugin_says_what_to_install(archive: Path) -> None:
    """Whoever follows the how-to page without it is not told that there is no such command."""
    result = CliRunner().invoke(cli, ["models", "sign", "iris:1"], prog_name="tiffin")
    assert result.exit_code == 2
    assert "pip install 'tiffin[signing]'" in result.stderr
    result = CliRunner().invoke(cli, ["models", "sing", "iris:1"], prog_name="tiffin")
    assert "pip install" not in result.stderr
