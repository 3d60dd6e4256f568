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
