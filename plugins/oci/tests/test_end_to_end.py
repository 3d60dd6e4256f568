"""`tiffin.models.push` and `pull`, and the command line, through a registry; and one that dies again and again."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from registries import PASSWORD, USER, Registry, TokenRegistry
from tiffin import models
from tiffin.cli import cli
from tiffin.exceptions import ModelExistsError, TransferError
from tiffin.store import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """The store that is pushed from."""
    return ModelStore(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> ModelStore:
    """The store that is pulled into."""
    return ModelStore(tmp_path / "other")


def make(store: ModelStore, tag: str = "iris:v1", sizes: tuple[int, ...] = (3_000_000, 1000, 0)) -> Any:
    """Make a version of random files."""
    with models.create(tag, labels={"stage": "test"}, metadata={"accuracy": 0.5}, store=store) as new:
        for number, size in enumerate(sizes):
            (new.path / f"file-{number}.bin").write_bytes(os.urandom(size))
    assert new.model is not None
    return new.model


def test_a_model_goes_to_a_registry_and_comes_back(
    registry: Registry, space: str, store: ModelStore, other: ModelStore
) -> None:
    """Digests, labels, metadata and aliases are the same at the other end."""
    url = f"oci://{registry.host}/{space}"
    model = make(store)
    store.set_alias(model.tag, "prod")
    pushed = models.push("iris", url, aliases=True, store=store)
    assert (pushed.published, pushed.url, pushed.aliases) == (True, url, ("prod",))
    assert models.push("iris", url, store=store).sent == 0
    pulled = models.pull("iris:prod", url, aliases=True, store=other)
    assert pulled.info == model.info
    assert list(models.verify(store=other)) == []
    assert dict(other.aliases("iris")) == {"prod": "v1"}
    assert [str(info.tag) for info in models.list_remote(url)] == ["iris:v1"]
    assert models.list_remote(url, labels={"stage": "other"}) == []


def test_a_model_goes_through_a_registry_that_wants_a_login(
    token: TokenRegistry, space: str, store: ModelStore, other: ModelStore
) -> None:
    """Options of the remote hold the login, and the plugin gets them."""
    url = f"oci://{token.registry.host}/{space}"
    model = make(store)
    login = {"user": USER, "password": PASSWORD}
    models.push("iris", url, params=login, store=store)
    assert models.pull("iris", url, params=login, store=other).info == model.info


def test_only_what_changed_travels(registry: Registry, space: str, store: ModelStore) -> None:
    """Of a second version in which one of ten files changed a tenth is sent."""
    url = f"oci://{registry.host}/{space}"
    first = make(store, sizes=(100_000,) * 10)
    models.push(first.tag, url, store=store)
    with models.create("iris:v2", store=store) as new:
        for file in sorted(first.path.glob("*.bin")):
            (new.path / file.name).write_bytes(file.read_bytes())
        (new.path / "file-3.bin").write_bytes(os.urandom(100_000))
    pushed = models.push("iris:v2", url, store=store)
    assert (pushed.sent, pushed.total) == (100_000, 1_000_000)


def test_the_command_line_pushes_pulls_and_lists(
    registry: Registry, space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named or by URL, a registry serves as any remote."""
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))
    url = f"oci://{registry.host}/{space}"

    def tiffin(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, list(arguments))
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done.output

    make(models.default_store())
    assert f"Added team: {url}" in tiffin("remotes", "add", "team", url)
    assert f"Pushed iris:v1 to {url}" in tiffin("models", "push", "iris", "team")
    assert f"iris:v1 was on {url} already" in tiffin("models", "push", "iris")
    [row] = json.loads(tiffin("remotes", "models", "team", "-o", "json"))
    assert (row["name"], row["version"]) == ("iris", "v1")
    tiffin("models", "delete", "iris:v1", "--yes")
    assert "Pulled iris:v1" in tiffin("models", "pull", f"{url}/iris:v1")
    assert "was not found on" in tiffin("models", "pull", "iris:v2", "team", code=3)
    assert "cannot be reached" in tiffin("models", "pull", "iris", "oci://127.0.0.1:9/x", code=1)


def test_a_signature_travels_with_a_model(
    registry: Registry, space: str, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """What was signed here is verified there, with the public key alone; who pushes again adds nothing."""
    pytest.importorskip("cryptography", reason="cryptography is not installed; make setup brings it")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key.pub").write_bytes(key.public_key().public_bytes(pem, subject))
    url = f"oci://{registry.host}/{space}"
    model = make(store)
    bundle = models.sign(model, tmp_path / "key", store=store)
    for _ in range(2):
        models.push(model, url, store=store)
    pulled = models.pull("iris", url, store=other)
    assert other.signatures(pulled.info.content_digest) == [bundle]
    [check] = models.verify_signature(pulled, tmp_path / "key.pub", store=other)
    assert check.result == "good"


def test_two_stores_that_push_one_version_leave_one_whole(
    registry: Registry, space: str, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Whoever comes second is told, unless by force; what is there is one of the two, whole."""
    url = f"oci://{registry.host}/{space}"
    contents = {make(store).info.content_digest, make(other).info.content_digest}
    errors: list[ModelExistsError] = []

    def push(which: ModelStore) -> None:
        try:
            models.push("iris", url, store=which)
        except ModelExistsError as error:
            errors.append(error)

    threads = [threading.Thread(target=push, args=(which,)) for which in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) <= 1
    third = ModelStore(tmp_path / "third")
    assert models.pull("iris", url, store=third).info.content_digest in contents
    assert list(models.verify(store=third)) == []


@pytest.mark.slow
def test_a_registry_that_is_killed_again_and_again(own: Registry, tmp_path: Path, store: ModelStore) -> None:
    """Killed and started again 50 times amid pushes and pulls: each ends whole, or with an error that a next one mends."""
    url = f"oci://{own.host}/team"
    draw = random.Random(7)
    options = {"retries": 2, "timeout": 10, "chunk_size": 500_000}
    failed = amid = 0
    for number in range(25):
        model = make(store, f"iris:v{number}", sizes=(1_500_000, 700_000, 10))
        target = ModelStore(tmp_path / f"pulled-{number}")
        for act in (
            lambda tag=model.tag: models.push(tag, url, params=options, store=store),
            lambda tag=model.tag, target=target: models.pull(tag, url, params=options, store=target),
        ):
            ended = threading.Event()
            struck: list[bool] = []

            def die(ended: threading.Event = ended, struck: list[bool] = struck) -> None:
                struck.append(not ended.is_set())
                own.kill()
                own.start()

            killer = threading.Timer(draw.uniform(0.005, 0.03), die)
            killer.start()
            try:
                act()
            except TransferError:
                failed += 1
            ended.set()
            killer.join()
            amid += struck[0]
            act()
        assert target.get(model.tag).info == model.info
        assert list(models.verify(store=target)) == []
    assert len(models.list_remote(url, "iris")) == 25
    print(f"{amid} of 50 deaths came before the end of a push or pull, {failed} of those gave up")


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_push_to_a_killed_registry_goes_on_where_it_was(own: Registry, store: ModelStore, share: float) -> None:
    """What had arrived before the registry died is not sent again by the next push."""
    from faults import Fault, Request, proxy

    model = make(store, sizes=(400_000,) * 10)
    passed: list[Request] = []

    def decide(request: Request) -> Fault | None:
        if request.method == "PUT" and "/blobs/" in request.path:
            passed.append(request)
            if len(passed) > 10 * share:
                own.kill()
        return None

    with proxy(own.port, decide) as front, pytest.raises(TransferError):
        models.push(model.tag, f"oci://{front.host}/team", params={"retries": 0, "threads": 1}, store=store)
    own.start()
    pushed = models.push(model.tag, f"oci://{own.host}/team", store=store)
    assert pushed.sent <= pushed.total * (1.01 - share)
    assert models.list_remote(f"oci://{own.host}/team", "iris")
