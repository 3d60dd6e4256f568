"""Push, pull and list through every protocol, against real servers on loopback."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import servers
from tiffin import Model, models
from tiffin.exceptions import ModelExistsError, ModelNotFoundError
from tiffin.store import ModelStore

pytestmark = [
    pytest.mark.slow,
    # The drivers of object stores leave connections to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def url(server: servers.Server, tmp_path: Path) -> str:
    """A folder on the server that no other test uses."""
    return f"{server.url.rstrip('/')}/{tmp_path.name}"


def test_a_model_travels_and_only_what_is_new_travels_again(
    server: servers.Server, url: str, large: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """The same digests come back; of a second version with one changed part of ten, one part is sent."""
    first = models.push(large, url, params=server.params, store=store)
    assert (first.sent, first.published) == (20 << 20, True)
    assert "secret" not in first.url
    files = {path.name: path.read_bytes() for path in large.path.iterdir() if path.name.startswith("part")}
    second = make(store, {**files, "part3": os.urandom(2 << 20)}, "large:v2")
    assert models.push(second, url, params=server.params, store=store).sent == 2 << 20
    for model in (large, second):
        pulled = models.pull(model.tag, url, params=server.params, store=other)
        assert pulled.info.content_digest == model.info.content_digest
        assert pulled.info.metadata == model.info.metadata
    assert models.verify(store=other) == []
    assert not (other.path / "partial").exists() or list((other.path / "partial").iterdir()) == []


def test_what_is_there_is_replaced_only_by_force(
    server: servers.Server, url: str, model: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """The same version again is no error and sends nothing; another model under its tag is refused."""
    models.push(model, url, params=server.params, store=store)
    again = models.push(model, url, params=server.params, store=store)
    assert (again.sent, again.published) == (0, False)
    make(other, {"x": b"other"}, "iris:v1")
    with pytest.raises(ModelExistsError, match="another model"):
        models.push("iris:v1", url, params=server.params, store=other)
    with pytest.raises(ModelExistsError, match="another model here"):
        models.pull("iris:v1", url, params=server.params, store=other)
    models.push("iris:v1", url, params=server.params, force=True, store=other)
    assert models.pull("iris", url, params=server.params, force=True, store=store).info.files.keys() == {"x"}


def test_a_remote_is_listed_and_searched(
    server: servers.Server, url: str, model: Model, store: ModelStore, other: ModelStore, make: Callable[..., Model]
) -> None:
    """By name, newest first; by labels; aliases and beginnings of versions are understood."""
    make(store, {"x": b"2"}, "iris:v2", stage="prod")
    make(store, {"x": b"3"}, "wine:w1")
    for tag in ("iris:v1", "iris:v2", "wine:w1"):
        if tag == "iris:v2":
            store.set_alias("iris:v2", "best")
        models.push(tag, url, aliases=True, params=server.params, store=store)
    tags = [str(info.tag) for info in models.list_remote(url, params=server.params)]
    assert tags == ["iris:v2", "iris:v1", "wine:w1"]
    found = models.list_remote(url, labels={"stage": "prod"}, params=server.params)
    assert [str(info.tag) for info in found] == ["iris:v2"]
    pulled = models.pull("iris:best", url, aliases=True, params=server.params, store=other)
    assert str(pulled.tag) == "iris:v2"
    assert models.aliases("iris", store=other) == {"best": "v2"}
    assert str(models.pull("wine:w", url, params=server.params, store=other).tag) == "wine:w1"
    with pytest.raises(ModelNotFoundError, match="was not found on"):
        models.pull("iris:v9", url, params=server.params, store=other)
    with pytest.raises(ModelNotFoundError, match="was not found on"):
        models.list_remote(url, "nothing", params=server.params)


def test_two_machines_that_push_one_version_at_once_leave_one_whole(
    server: servers.Server, url: str, store: ModelStore, other: ModelStore, make: Callable[..., Model], tmp_path: Path
) -> None:
    """Whoever is told that it worked finds its own model there; and there is one, whole."""
    made = [make(place, {"x": os.urandom(1 << 16), "y": b"same"}) for place in (store, other)]
    outcomes: list[object] = [None, None]
    start = threading.Barrier(2)

    def push(number: int) -> None:
        start.wait()
        try:
            outcomes[number] = models.push(made[number], url, params=server.params, store=(store, other)[number])
        except ModelExistsError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=push, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    third = ModelStore(tmp_path / "third")
    pulled = models.pull("iris:v1", url, params=server.params, store=third)
    assert models.verify(store=third) == []
    winners = [made[number] for number in range(2) if not isinstance(outcomes[number], ModelExistsError)]
    assert pulled.info.content_digest in {winner.info.content_digest for winner in winners}
