"""SFTP speaks to hosts that ssh knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from tiffin import Model, models
from tiffin.exceptions import ArchiveError, TransferError
from tiffin.store import ModelStore

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """An SSH server whose key nobody has heard of."""
    pytest.importorskip("paramiko")
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(servers.sftp(tmp_path_factory.mktemp("sshd")))
        except servers.Missing as error:
            pytest.skip(str(error))
        yield server._replace(params={k: v for k, v in server.params.items() if k != "accept_unknown_hosts"})


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sshd: servers.Server) -> Path:
    """The file of hosts that ssh knows, of somebody who knows none yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh" / "known_hosts"


def line(server: servers.Server, key: Path) -> str:
    host, port = server.url.removeprefix("sftp://").partition("/")[0].split(":")
    return f"[{host}]:{port} {' '.join(key.read_text().split()[:2])}\n"


def test_a_host_that_is_not_known_is_refused(
    sshd: servers.Server, known: Path, model: Model, store: ModelStore
) -> None:
    """Before anybody logs in or sends anything; the error shows the key, and what to do."""
    with pytest.raises(ArchiveError, match=r"not known to ssh: its key is ssh-ed25519 SHA256:.*accept_unknown_hosts"):
        models.export_model(model, f"{sshd.url}/x.tar", params=sshd.params, store=store)
    with pytest.raises(TransferError, match="not known to ssh"):
        models.push(model, sshd.url, params=sshd.params, store=store)
    models.export_model(model, f"{sshd.url}/x.tar", params={**sshd.params, "accept_unknown_hosts": True}, store=store)


def test_a_host_that_is_known_is_spoken_to(
    sshd: servers.Server, known: Path, model: Model, store: ModelStore, other: ModelStore
) -> None:
    """By the user's own known_hosts."""
    known.write_text(line(sshd, Path(sshd.params["key_filename"]).with_name("host.pub")))
    models.push(model, f"{sshd.url}/remote", params=sshd.params, store=store)
    pulled = models.pull("iris", f"{sshd.url}/remote", params=sshd.params, store=other)
    assert pulled.info.files == model.info.files


def test_a_host_with_another_key_is_refused_always(
    sshd: servers.Server, known: Path, model: Model, store: ModelStore
) -> None:
    """Also where unknown hosts are accepted: this one is known, and another one stands there."""
    known.write_text(line(sshd, Path(sshd.params["key_filename"]).with_suffix(".pub")))
    with pytest.raises(TransferError, match="another key than ssh knows"):
        models.push(model, sshd.url, params={**sshd.params, "accept_unknown_hosts": True}, store=store)
