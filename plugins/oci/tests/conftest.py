"""Registries, and connections to them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import registries
from servers import Missing
from tiffin_oci._remote import OciRemote, connect


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what the machine's owner has logged in to out of the tests; returns the folder of docker's configuration."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def _run(name: str, folder: Path) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(registries.REGISTRIES[name](folder))
        except Missing as missing:
            pytest.skip(str(missing))
        yield running


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    """A registry without login; each test uses a namespace of its own."""
    yield from _run("open", tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    """A registry with Basic login."""
    yield from _run("basic", tmp_path_factory.mktemp("basic"))


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.TokenRegistry]:
    """A registry with Bearer login."""
    yield from _run("token", tmp_path_factory.mktemp("token"))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[registries.Registry]:
    """A registry of this test's own, to be killed and started again."""
    folder = tmp_path / "own"
    folder.mkdir()
    yield from _run("open", folder)


@pytest.fixture
def space(request: pytest.FixtureRequest) -> str:
    """A namespace of this test's own."""
    return "t" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]


@pytest.fixture
def waits() -> list[float]:
    """The seconds that `remote` has waited."""
    return []


@pytest.fixture
def open_remote(waits: list[float]) -> Iterator[Callable[..., OciRemote]]:
    """Connect to a URL; nothing is really waited for."""
    with contextlib.ExitStack() as stack:

        def open_remote(url: str, **options: Any) -> OciRemote:
            remote = connect(url, {"timeout": 20, **options}, sleep=waits.append)
            stack.callback(remote.close)
            return remote

        yield open_remote


@pytest.fixture
def remote(registry: registries.Registry, space: str, open_remote: Callable[..., OciRemote]) -> OciRemote:
    """A namespace of the open registry."""
    return open_remote(f"oci://{registry.host}/{space}")
