"""What strangers put on a remote, and what goes wrong on the way, stops nobody, hides nothing and reaches no terminal raw."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inside.cli import show_error
from inside.remotes import Stop, _parallel, _settings, each
from tiffin import Model
from tiffin.cli import show_data
from tiffin.exceptions import ConfigError, InvalidTagError, StoreWarning, TiffinError, TransferError
from tiffin.places import Silent
from tiffin.remotes import FolderRemote, add_remote, connected, list_remote, named_remotes, pull, push
from tiffin.showing import shown_lines
from tiffin.store import ModelStore


@pytest.fixture
def remote(store: ModelStore, model: Model, folder: str) -> FolderRemote:
    """A remote that has `iris:v1`."""
    push(store, model, FolderRemote(folder))
    return FolderRemote(folder)


def test_a_record_that_cannot_be_read_hides_no_other(other: ModelStore, remote: FolderRemote, folder: str) -> None:
    """A record that is too long, a folder or a pipe is warned of, and the other versions are listed and pulled."""
    for version in ("v2", "v3", "v4"):
        Path(folder, "models/iris", version).mkdir()
    Path(folder, "models/iris/v2/model.yaml").write_bytes(b"x" * (17 << 20))
    Path(folder, "models/iris/v3/model.yaml").mkdir()
    os.mkfifo(Path(folder, "models/iris/v4/model.yaml"))
    with pytest.warns(StoreWarning) as warned:
        assert [info.version for info in list_remote(remote)] == ["v1"]
    assert len(warned) == 3
    with pytest.warns(StoreWarning):
        assert str(pull(other, "iris", remote).tag) == "iris:v1"


@pytest.mark.parametrize("made", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_signature_and_no_alias_keeps_nobody_from_pulling(
    other: ModelStore, model: Model, remote: FolderRemote, folder: str, made: Callable[[Path], None]
) -> None:
    """A folder, pipe or device in a signature's or an alias's place is passed over."""
    signatures = Path(folder, "signatures", model.info.content_digest.removeprefix("sha256:"))
    signatures.mkdir(parents=True)
    Path(folder, "aliases/iris").mkdir(parents=True)
    made(signatures / "a.json")
    made(Path(folder, "aliases/iris/prod"))
    remote.set_alias("iris", "good", "v1")
    assert remote.aliases("iris") == {"good": "v1"}
    assert str(pull(other, "iris:v1", remote, aliases=True).tag) == "iris:v1"
    assert other.aliases("iris") == {"good": "v1"}


def test_an_alias_that_is_a_version_is_left_out(other: ModelStore, remote: FolderRemote, folder: str) -> None:
    """Whoever writes aliases on a remote cannot make a pull fail that has stored its model."""
    for alias in ("latest", "v1"):
        remote.set_alias("iris", alias, "v1")
    with pytest.warns(StoreWarning, match="'v1' cannot be an alias"):
        pull(other, "iris:v1", remote, aliases=True)
    assert other.aliases("iris") == {}


@pytest.mark.parametrize("name", ["..", "", "../models/iris", "IRIS"])
def test_a_name_that_leads_elsewhere_is_refused(remote: FolderRemote, name: str) -> None:
    """Nothing beside the folder models/ is read for a name that no model can have."""
    with pytest.raises(InvalidTagError):
        list_remote(remote, name)
    with pytest.raises(InvalidTagError), connected(remote) as found:
        pull(ModelStore("/nonexistent"), f"{name}:v1", found)
    assert remote.find(name, "v1") is None


def test_who_pushes_the_same_model_at_the_same_moment_is_no_other(
    store: ModelStore, model: Model, remote: FolderRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that finds its own record published meanwhile has done what it was asked to do."""
    later = FolderRemote(remote.url)
    real = later.find
    monkeypatch.setattr(later, "find", lambda *arguments: None)
    assert push(store, model, later).published
    assert real("iris", "v1") is not None


@pytest.mark.parametrize("made", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_in_the_place_of_a_partial_content_is_left_alone(
    store: ModelStore, other: ModelStore, large: Model, folder: str, made: Callable[[Path], None]
) -> None:
    """A pull does without what it cannot go on from."""
    push(store, large, FolderRemote(folder))
    place = Path(other.downloads.path_of(large.info.files["part0"].sha256))
    place.parent.mkdir(parents=True)
    made(place)
    assert pull(other, "large:v1", FolderRemote(folder)).info.files == large.info.files


def test_a_failure_does_not_wait_for_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first error ends the transfer while another call is stuck; its thread does not keep the program."""
    monkeypatch.setattr(_parallel, "GRACE", 0.05)
    stuck, stop = threading.Event(), Stop(Silent())

    def call(number: int) -> None:
        if number:
            raise TransferError("broken", url="")
        stuck.wait(60)

    try:
        with pytest.raises(TransferError, match="broken"):
            each(call, [0, 1], 2, stop)
        assert [t.daemon for t in threading.enumerate() if t.name.startswith("tiffin-transfer")] == [True]
    finally:
        stuck.set()


def test_what_a_stranger_wrote_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors show control characters as escapes, those beyond ASCII and those that turn the text around too."""
    show_error(TiffinError("a\x1b[2Jb", why="c\x9b31m", fix="d\u202ee\nf"))
    assert capsys.readouterr().err == "Error: a\\x1b[2Jb\n  c\\x9b31m\n  d\\u202ee\n    f\n"
    assert shown_lines("é 漢\tx") == "é 漢\tx"


def test_json_has_no_control_characters() -> None:
    """Metadata is data, and still reaches a terminal only in escapes."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        show_data({"a\x9b": "\u202e\U000e0001ü"}, "json")
    assert text.getvalue().isascii() is False
    assert "ü" in text.getvalue()
    assert text.getvalue().replace("\n", "").isprintable()
    assert json.loads(text.getvalue()) == {"a\x9b": "\u202e\U000e0001ü"}


@pytest.mark.parametrize("url", ["", "://x"])
def test_what_is_no_url_is_not_taken_for_a_folder(url: str) -> None:
    """An empty URL is not the current folder."""
    with pytest.raises(ConfigError, match="neither a URL"):
        add_remote("x", url)


def test_a_taken_name_is_told_without_the_password() -> None:
    """The error for a name that is taken shows the URL as it may be shown."""
    add_remote("x", "s3://user:secret@host/bucket")
    with pytest.raises(ConfigError) as caught:
        add_remote("x", "/y")
    assert "secret" not in str(caught.value)
    assert "s3://***:***@host/bucket" in str(caught.value)  # a user's name may be a token


def test_a_remote_is_added_when_no_other_program_changes_the_settings(home: Path) -> None:
    """Who adds a remote waits for who is changing config.toml, and keeps what that one wrote."""
    home.mkdir()
    adding = threading.Thread(target=add_remote, args=("later", "/later"))
    with open_folder(home) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        adding.start()
        adding.join(0.3)  # time for the wrong thing to happen; the right one does not depend on it
        (home / "config.toml").write_text('[remotes.first]\nurl = "/first"\n')
    adding.join()
    assert [remote.name for remote in named_remotes()] == ["first", "later"]


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_settings_that_cannot_be_written_are_told_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that may only be read even the unfinished file cannot be removed; the error is still the plain one."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    home.mkdir()
    monkeypatch.setattr(_settings.os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ConfigError, match="cannot be written: Read-only file system"):
        add_remote("x", "/y")
