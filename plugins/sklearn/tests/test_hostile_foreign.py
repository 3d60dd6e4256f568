"""Estimators of other tools that were made to trip whoever reads them end in Tiffin's own errors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tiffin.exceptions import ForeignModelError
from tiffin.plugins import ForeignModel
from tiffin_sklearn import _foreign, skops_files


@pytest.mark.parametrize("kind", [["pickle"], {"a": 1}, 5, "other"])
def test_a_format_that_is_no_name_is_refused(kind: object) -> None:
    """A record's field may be anything that YAML can say."""
    fields = {"serialization_format": kind, "pickled_model": "model.pkl"}
    with pytest.raises(ForeignModelError, match="cannot be read"):
        _foreign.read(ForeignModel(tool="mlflow", kind="sklearn", fields=fields, files={"model.pkl": 1}))


def test_a_damaged_lzma_member_is_a_problem_of_the_file(tmp_path: Path) -> None:
    """A file of skops may be packed in any way that zip knows; what cannot be unpacked is told as a problem."""
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("schema.json", "{}" * 999)
    data = bytearray(path.read_bytes())
    data[60:70] = b"\xff" * 10
    path.write_bytes(data)
    found = skops_files.inspect(path)
    assert found.names == ()
    assert "LZMAError" in found.problems[0]
