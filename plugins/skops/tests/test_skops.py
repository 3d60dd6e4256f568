"""Estimators are stored in skops' format where that is asked for, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

import tiffin
from tiffin import models
from tiffin.exceptions import UntrustedModelError

ROWS = np.array([[0.0], [1.0], [2.0], [3.0]])


def fitted() -> LogisticRegression:
    return LogisticRegression().fit(ROWS, [0, 0, 1, 1])


def elsewhere(saved: tiffin.Model, folder: Path) -> tiffin.Model:
    """Return the model as a store gets it that does not know it."""
    store = models.ModelStore(folder / "store")
    return models.import_model(models.export_model(saved.tag, folder / "m.tiffin"), store=store)


def test_it_takes_estimators_only_by_name() -> None:
    """Who does not ask for it gets scikit-learn's own adapter, without a conflict."""
    assert tiffin.save("plain", fitted()).framework == "sklearn"
    saved = tiffin.save("named", fitted(), framework="skops")
    assert (saved.framework, list(saved.info.files)) == ("skops", ["model.skops"])
    assert saved.load().predict(ROWS).tolist() == [0, 0, 1, 1]


def test_skops_reads_the_file(tmp_path: Path) -> None:
    """It is the format's own file, which other tools read."""
    from skops.io import load

    saved = tiffin.save("m", fitted(), framework="skops")
    assert load(saved.path_of("model.skops")).predict(ROWS).tolist() == [0, 0, 1, 1]


def test_a_stranger_s_estimator_is_built_without_skops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core builds what is on the lists; skops is not asked."""
    other = elsewhere(tiffin.save("m", fitted(), framework="skops"), tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    assert other.load().predict(ROWS).tolist() == [0, 0, 1, 1]


def test_a_stranger_s_function_needs_trust(tmp_path: Path) -> None:
    """A function that no list names is not looked up."""
    other = elsewhere(tiffin.save("m", FunctionTransformer(np.linalg.norm), framework="skops"), tmp_path)
    with pytest.raises(UntrustedModelError, match="norm"):
        other.load()
    assert other.load(trust=True).transform(np.array([[3.0, 4.0]])) == pytest.approx(5.0)
