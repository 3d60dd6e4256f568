"""Results come back with what they answer; of a stranger's, only regressions of arrays are built."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import yaml
from statsmodels.formula.api import ols
from statsmodels.tsa.api import VAR, ExponentialSmoothing

import tiffin
from tiffin import models
from tiffin.exceptions import ForeignModelError, NotKeptWarning, UntrustedModelError, VersionMismatchWarning

RNG = np.random.default_rng(2)
ROWS = sm.add_constant(RNG.normal(size=(80, 2)))
VALUES = ROWS @ [1.0, 2.0, -1.0] + RNG.normal(size=80)
COUNTS = np.abs(VALUES).round()
TRUTHS = (VALUES > 1) * 1.0
FITS = {
    "OLS": lambda: sm.OLS(VALUES, ROWS).fit(),
    "WLS": lambda: sm.WLS(VALUES, ROWS, COUNTS + 1).fit(),
    "robust covariance": lambda: sm.OLS(VALUES, ROWS).fit(cov_type="HC1"),
    "regularized": lambda: sm.OLS(VALUES, ROWS).fit_regularized(alpha=0.1),
    "QuantReg": lambda: sm.QuantReg(VALUES, ROWS).fit(),
    "RLM": lambda: sm.RLM(VALUES, ROWS).fit(),
    "Logit": lambda: sm.Logit(TRUTHS, ROWS).fit(disp=0),
    "Probit": lambda: sm.Probit(TRUTHS, ROWS).fit(disp=0),
    "Poisson": lambda: sm.Poisson(COUNTS, ROWS).fit(disp=0),
    "Binomial": lambda: sm.GLM(TRUTHS, ROWS, family=sm.families.Binomial()).fit(),
    "Gamma": lambda: sm.GLM(COUNTS + 1, ROWS, family=sm.families.Gamma(sm.families.links.Log())).fit(),
}


def elsewhere(saved: tiffin.Model, folder: Path) -> tiffin.Model:
    """Return the model as a store gets it that does not know it."""
    folder.mkdir(exist_ok=True)
    store = models.ModelStore(folder / "store")
    return models.import_model(models.export_model(saved.tag, folder / "m.tiffin"), store=store)


@pytest.mark.parametrize("name", FITS)
def test_a_stranger_s_regression_is_built(name: str, tmp_path: Path) -> None:
    """It is what it was, and its summary is that of the fit."""
    results = FITS[name]()
    other = elsewhere(tiffin.save("m", results), tmp_path)
    found = models.inspect(other.tag, store=models.ModelStore(tmp_path / "store"))
    assert (other.framework, found.verdict) == ("statsmodels", "allowed")
    loaded = other.load()
    assert type(loaded) is type(results)
    np.testing.assert_array_equal(loaded.predict(ROWS), results.predict(ROWS))
    if name != "regularized":
        np.testing.assert_array_equal(loaded.bse, results.bse)
        assert str(loaded.summary().tables[1]) == str(results.summary().tables[1])


@pytest.mark.parametrize("attributes", [{"formula": "y ~ x"}, {"model_spec": "print(1)"}, {"design_info": 1}])
def test_a_stranger_s_formula_is_not_evaluated(attributes: dict[str, Any], tmp_path: Path) -> None:
    """Neither by an attribute of the model nor by one of its data, whatever class has it."""
    for at in ("model", "data"):
        results = sm.OLS(VALUES, ROWS).fit()
        vars(results.model if at == "model" else results.model.data).update(attributes)
        with pytest.raises(UntrustedModelError, match="formula"):
            elsewhere(tiffin.save("m", results), tmp_path / at).load()


def test_a_stranger_s_results_have_no_other_object_for_a_model(tmp_path: Path) -> None:
    """What other adapters list could have any attributes."""
    results = sm.OLS(VALUES, ROWS).fit()
    results.model.data = np.random.RandomState(1)
    with pytest.raises(UntrustedModelError, match="RandomState for the data"):
        elsewhere(tiffin.save("m", results), tmp_path).load()


def test_a_model_of_a_formula_needs_trust(tmp_path: Path) -> None:
    """Trusted, it takes tables as before."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"y": VALUES, "a": ROWS[:, 1]})
    results = ols("y ~ np.exp(a)", frame).fit()
    other = elsewhere(tiffin.save("m", results), tmp_path)
    with pytest.raises(UntrustedModelError):
        other.load()
    pandas.testing.assert_series_equal(other.load(trust=True).predict(frame), results.predict(frame))


def test_the_data_can_be_left_out() -> None:
    """What is stored is smaller, and a warning says so; the user's own results keep theirs."""
    results = sm.OLS(np.tile(VALUES, 500), np.tile(ROWS, (500, 1))).fit()
    whole = tiffin.save("whole", results)
    with pytest.warns(NotKeptWarning, match="the data that it was fitted to"):
        small = tiffin.save("small", results, remove_data=True)
    assert small.info.size < whole.info.size / 20
    assert results.model.endog is not None
    loaded = small.load()
    assert loaded.model.endog is None
    np.testing.assert_array_equal(loaded.predict(ROWS), results.predict(ROWS))
    np.testing.assert_array_equal(loaded.params, results.params)


def test_a_series_is_asked_for_its_next_steps() -> None:
    """Calls do not merge: each has steps of its own."""
    smooth = tiffin.save("smooth", ExponentialSmoothing(VALUES, trend="add").fit())
    assert {name: one.batchable for name, one in smooth.info.signatures.items()} == {"forecast": False}
    with smooth.to_runner() as runner:
        np.testing.assert_array_equal(runner.run(3), smooth.load().forecast(3))
    several = tiffin.save("several", VAR(ROWS[:, 1:]).fit(1))
    with several.to_runner() as runner:
        assert runner.run(ROWS[-1:, 1:], steps=2).shape == (2, 2)


def mlflow_folder(folder: Path, data: str) -> Path:
    """Write what MLflow writes of results."""
    folder.mkdir()
    (folder / "model.statsmodels").write_bytes(pickle.dumps(sm.OLS(VALUES, ROWS).fit()))
    flavor = {"data": data, "statsmodels_version": "0.14.0"}
    general = {"loader_module": "mlflow.statsmodels", "data": "model.statsmodels", "python_version": "3.11.7"}
    record = {"flavors": {"python_function": general, "statsmodels": flavor}, "mlflow_version": "3.17.2"}
    (folder / "MLmodel").write_text(yaml.safe_dump(record), encoding="utf-8")
    return folder


def test_what_mlflow_wrote_is_read(tmp_path: Path) -> None:
    """It is statsmodels' own pickle, and is built as one of ours."""
    pytest.importorskip("tiffin_mlflow")
    store = models.ModelStore(tmp_path / "store")
    model = models.import_model(mlflow_folder(tmp_path / "a", "model.statsmodels"), name="m", store=store)
    assert (model.framework, model.info.context.framework_versions) == ("statsmodels", {"statsmodels": "0.14.0"})
    with pytest.warns(VersionMismatchWarning, match=r"0\.14\.0"):
        loaded = model.load()
    np.testing.assert_array_equal(loaded.predict(ROWS), sm.OLS(VALUES, ROWS).fit().predict(ROWS))
    with pytest.raises(ForeignModelError, match="which is not there"):
        models.import_model(mlflow_folder(tmp_path / "b", "other"), name="n", store=store)
