"""Estimators are built as unpickling makes them, and what their makers and checks are given costs no more than it weighs."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_array

from tiffin.building import build
from tiffin.inspection import Unfollowable, inspect_file
from tiffin.trust import lists
from tiffin_sklearn import skops_files


def test_only_estimators_lose_the_version_that_they_were_saved_with(made: Any) -> None:
    """What is no estimator keeps an attribute of that name, as it does when it is unpickled."""
    split = KFold(2)
    split._sklearn_version = "1"  # type: ignore[attr-defined]
    assert vars(made(pickle.dumps(split))) == vars(split)
    scaler = StandardScaler().fit(np.ones((3, 2)))
    assert "_sklearn_version" not in vars(made(pickle.dumps(scaler)))


@pytest.mark.parametrize("old", [b"_sklearn_version", sklearn.__version__.encode()])
def test_an_estimator_of_another_release_is_told(old: bytes, made: Any) -> None:
    """Or of one so old that it does not say its release; with the warning that unpickling gives."""
    data = pickle.dumps(StandardScaler().fit(np.ones((3, 2)))).replace(old, b"9" * len(old))
    if old == b"_sklearn_version":
        data = data.replace(b"9" * len(old), b"_sklearn_another")
    said = []
    for read in (made, pickle.loads):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            read(data)
        said.append([str(warning.message) for warning in caught])
    assert said[0] == said[1] != []


def test_a_release_that_is_no_text_is_refused(made: Any) -> None:
    """Unpickling shows it in a warning, which asks an estimator that is not finished for its parameters."""
    text = sklearn.__version__.encode()
    data = pickle.dumps(StandardScaler().fit(np.ones((3, 2))), 3)
    said = b"X" + len(text).to_bytes(4, "little") + text
    assert made(data.replace(said, b"X\x01\0\0\x001")).n_features_in_ == 2
    with pytest.raises(Unfollowable, match="its _sklearn_version is no text"):
        made(data.replace(said, b"K\x07"))


def test_a_state_of_two_estimators_is_refused(made: Any) -> None:
    """Unpickling takes the version out of it for the first, and gives the second none."""
    scaler = StandardScaler().fit(np.ones((3, 2)))
    data = pickle.dumps(scaler)
    assert made(data).n_features_in_ == 2
    protocol, frame, body = data[:2], data[2:11], data[11:]
    kept = body[:-2]  # without BUILD and STOP: the instance, and its state on top
    index = kept.count(b"\x94")
    stream = protocol + kept + b"\x94b" + b"j" + index.to_bytes(4, "little") + b"\x86."
    assert frame[:1] == b"\x95"
    assert pickle.loads(stream)[1]["n_features_in_"] == 2
    with pytest.raises(Unfollowable):
        made(stream)


def test_a_number_that_takes_for_ever_to_write_is_none(made: Any) -> None:
    """A decimal of a billion digits is short in a file; as a whole number it would take all memory."""
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    tree.n_outputs_ = Decimal("1e999999999")
    with pytest.raises(Unfollowable):
        made(pickle.dumps(tree))


def test_settings_of_a_partial_are_flat(made: Any) -> None:
    """A list of twice a list of twice a list, and so on, would be walked for ever."""
    import functools

    deep: Any = [1]
    for _ in range(60):
        deep = [deep, deep]
    good = FunctionTransformer(functools.partial(check_array, dtype=[np.float64]))
    assert made(pickle.dumps(good)).func.keywords == {"dtype": [np.float64]}
    with pytest.raises(Unfollowable):
        made(pickle.dumps(FunctionTransformer(functools.partial(check_array, dtype=deep))))


def test_a_sparse_matrix_of_skops_unpacks_to_no_more_than_the_file_may(tmp_path: Path, made: Any) -> None:
    """An archive lies in the archive; what it unpacks to counts for both, and only what a matrix has is unpacked."""
    import scipy.sparse

    skops = pytest.importorskip("skops.io")

    scaler = StandardScaler()
    scaler.extra = scipy.sparse.csr_matrix(np.eye(3))
    path = tmp_path / "model.skops"
    skops.dump(scaler, path)
    assert build(skops_files.inspect(path).tape, lists()).extra.nnz == 3  # type: ignore[arg-type]

    bombs = tmp_path / "bombs.skops"
    for bomb, refused in (("other", False), ("data", True)):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(bombs, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                content = old.read(entry)
                if entry.filename.endswith(".npz"):
                    content = _with_bomb(content, bomb)
                new.writestr(entry.filename, content)
        found = skops_files.inspect(bombs)
        assert any("too much" in problem for problem in found.problems) is refused


def test_a_schema_of_skops_holds_no_more_values_than_may_be(tmp_path: Path) -> None:
    """Packed, a few kilobytes are millions of empty lists, and those gigabytes."""
    path = tmp_path / "bomb.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("schema.json", '{"content": [' + "[]," * 3_000_000 + "0]}")
    assert path.stat().st_size < 100_000
    assert any("holds more than 2000000 values" in problem for problem in skops_files.inspect(path).problems)


def _with_bomb(content: bytes, name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename != f"{name}.npy":
                new.writestr(entry.filename, old.read(entry))
        with new.open(f"{name}.npy", "w") as member:
            for _ in range(80):
                member.write(bytes(1 << 20))
    return file.getvalue()


def test_a_setting_hides_nothing_that_decides_what_methods_do(tmp_path: Path, made: Any) -> None:
    """`_impl` says which machine compiled code takes the numbers for; it is no setting, so a file does not choose it."""
    from sklearn.linear_model import LassoLars
    from sklearn.svm import SVR

    lasso = LassoLars(positive=True)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(lasso))
    assert inspect_file(path, "pickle").tape is not None
    assert made(path.read_bytes()).positive is True
    machine = SVR().fit(np.arange(6.0).reshape(3, 2), [1, 2, 3])
    made(pickle.dumps(machine))
    machine.__dict__["_impl"] = "c_svc"
    with pytest.raises(Unfollowable, match="hides"):
        made(pickle.dumps(machine))
