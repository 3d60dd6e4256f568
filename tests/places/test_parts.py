"""Places given as parts: a path, a protocol, a login. What does not fit together is refused, and nothing is dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import ArchiveError


@pytest.mark.parametrize(
    ("path", "parts", "text"),
    [
        ("s3://bucket/x", {"protocol": "sftp"}, "given with protocol=, but it is a whole URL"),
        ("sftp://host/x", {"user": "ann", "passwd": "hidden"}, "given with user= and passwd=, but it is a whole URL"),
        ("sftp://ann:hidden@host/x", {"user": "bob"}, r"'sftp://ann:\*\*\*@host/x' is given with user="),
        ("folder/x.tar", {"user": "ann"}, "it is a local path.*Give protocol=, too"),
        ("host/x.tar", {"protocol": "sftp", "passwd": "hidden"}, "no user whose password it is"),
        (
            "folder/x.tar",
            {"protocol": "file", "user": "ann", "passwd": "hidden"},
            "user= and passwd=, but it is a local",
        ),
        ("folder/x.tar", {"protocol": ""}, "given with protocol=, but that is empty"),
        ("folder/x.tar", {"params": {"key": "hidden"}}, "given with params=, but it is a local path"),
        ("file:///folder/x.tar", {"params": {"key": "hidden"}}, "'/folder/x.tar' is given with params="),
        ("file://ann:hidden@folder/x.tar", {}, "it names the host 'folder'"),
        ("x.tar", {"protocol": "nonsense"}, "nonsense"),
        (
            "bucket/x.tar",
            {"protocol": "gs", "user": "ann", "passwd": "hidden"},
            "'gs://bucket/x.tar' is given with user=|driver for gs:// is not installed",
        ),
        ("x.tar", {"protocol": "memory", "user": "ann"}, "such URLs have no login.*Give params="),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    path: str, parts: dict[str, Any], text: str, table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else credentials would be left out without a word, and a password be shown."""
    monkeypatch.chdir(tmp_path)
    model = tiffin.save("iris:1", table)
    for act in (lambda: models.export_model(model, path, **parts), lambda: models.import_model(path, **parts)):
        with pytest.raises(ArchiveError, match=f"(?s){text}") as caught:
            act()
        assert "hidden" not in str(caught.value)
    assert not list(tmp_path.glob("folder*"))


@pytest.mark.parametrize("name", ["rar", "7z", "tar.lz4", "pickle"])
def test_formats_that_are_none_are_refused(name: str, table: Any, tmp_path: Path) -> None:
    """Where one is written, and where one is read, though its first bytes tell."""
    archive = models.export_model(tiffin.save("iris:1", table), tmp_path / "x.zip")
    with pytest.raises(ArchiveError, match=f"'{name}' is not a format of archives"):
        models.export_model("iris", tmp_path / "y", name)
    with pytest.raises(ArchiveError, match=f"'{name}' is not a format of archives"):
        models.import_model(archive, name, name="rose")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["x.zip"]
    assert [str(model.tag) for model in models.list()] == ["iris:1"]


@pytest.mark.parametrize("name", ["bz2", "tar.bz2", "bentomodel"])
def test_formats_that_are_only_read_are_said_to_be(name: str, table: Any, tmp_path: Path) -> None:
    """To write one is refused; a program that names one where it reads goes on."""
    archive = models.export_model(tiffin.save("iris:1", table), tmp_path / "x.zip")
    with pytest.raises(ArchiveError, match=f"'{name}' is not a format of archives that is written"):
        models.export_model("iris", tmp_path / "y", name)
    assert str(models.import_model(archive, name, name="rose").tag) == "rose:1"
