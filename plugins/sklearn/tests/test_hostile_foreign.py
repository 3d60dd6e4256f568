"""Estimators of other tools that were made to trip whoever reads them end in Tiffin's own errors."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from tiffin.building import build
from tiffin.exceptions import ForeignModelError
from tiffin.plugins import ForeignModel
from tiffin.trust import lists
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


def array_of(file: str) -> dict[str, object]:
    """Return the node of an array."""
    return {"__module__": "numpy", "__class__": "ndarray", "__loader__": "NdArrayNode", "type": "numpy", "file": file}


def skops_of(path: Path, nodes: list[dict[str, object]], members: dict[str, bytes]) -> Path:
    """Write a file of skops that stands for a list."""
    root = {"__module__": "builtins", "__class__": "list", "__loader__": "ListNode", "content": nodes}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(root))
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("module", "name", "loader", "rest"),
    [
        ("numpy", "ndarray", "NdArrayNode", {"type": "numpy"}),
        ("builtins", "bytes", "BytesNode", {}),
        ("builtins", "bytearray", "BytearrayNode", {}),
        ("scipy.sparse", "csr_matrix", "SparseMatrixNode", {"type": "scipy"}),
    ],
)
def test_each_member_is_for_one_node(
    module: str, name: str, loader: str, rest: dict[str, object], tmp_path: Path
) -> None:
    """A million nodes could copy or open one long member a million times; and two arrays of it would change each other."""
    array = io.BytesIO()
    np.save(array, np.arange(3.0))
    node = {"__module__": module, "__class__": name, "__loader__": loader, "file": "a", **rest}
    content = array.getvalue()
    if loader == "SparseMatrixNode":
        sparse = io.BytesIO()
        scipy.sparse.save_npz(sparse, scipy.sparse.csr_matrix(np.eye(3)))
        content = sparse.getvalue()
    once = skops_files.inspect(skops_of(tmp_path / "once.skops", [node], {"a": content}))
    assert once.problems == ()
    twice = skops_files.inspect(skops_of(tmp_path / "twice.skops", [node, node], {"a": content}))
    assert twice.tape is None
    assert "one for two nodes" in twice.problems[0]


def test_an_object_that_is_there_twice_is_one(tmp_path: Path) -> None:
    """As skops writes it: the second node says which it is, and takes nothing from the archive."""
    array = io.BytesIO()
    np.save(array, np.arange(3.0))
    node = {**array_of("a"), "__id__": 7}
    found = skops_files.inspect(skops_of(tmp_path / "same.skops", [node, node], {"a": array.getvalue()}))
    assert found.tape is not None
    first, second = build(found.tape, lists())
    assert first is second


def test_a_sparse_matrix_of_skops_has_few_members(tmp_path: Path) -> None:
    """An archive in the archive may have as long a list as that."""
    sparse = io.BytesIO()
    with zipfile.ZipFile(sparse, "w") as archive:
        for number in range(11):
            archive.writestr(str(number), b"")
    node = {"__module__": "scipy.sparse", "__class__": "csr_matrix", "__loader__": "SparseMatrixNode", "file": "a"}
    found = skops_files.inspect(skops_of(tmp_path / "many.skops", [node], {"a": sparse.getvalue()}))
    assert "more than 10 members" in found.problems[0]
