"""Tiffin's adapter for statsmodels: the results of fits, which statsmodels itself can write only as a pickle.

Loading runs code that is stored in the file; of a stranger's, core builds the regressions that are on a list.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.exceptions import ForeignModelError
from tiffin.plugins import ForeignModel, ForeignReading, Saved


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores what a fit returns."""
    return AdapterInfo(
        types=["statsmodels.base.wrapper.ResultsWrapper", "statsmodels.base.model.Results"],
        distributions=["statsmodels"],
        signatures=default_signatures,
        options={"remove_data": False},
        code_files=pickling.CODE_FILES,
        makers=makers,
    )


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved:
    """Pickle the results, without what they were fitted to where the options say so."""
    if not options["remove_data"]:
        pickling.dump(model, path)
        return Saved()
    model = copy.deepcopy(model)  # statsmodels takes the data out of the results themselves
    model.remove_data()
    pickling.dump(model, path)
    return Saved(lost=["the data that it was fitted to, as remove_data asks: what needs them, as residuals, is gone"])


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Unpickle the results; such as are not trusted are built."""
    return pickling.load(path) if trusted else read("model.pkl")


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what MLflow's flavor wrote, which is statsmodels' own pickle."""
    if (foreign.tool, foreign.kind) != ("mlflow", "statsmodels"):
        return None
    source, version = foreign.fields.get("data"), foreign.fields.get("statsmodels_version")
    if source not in foreign.files:
        raise ForeignModelError(
            f"The results of statsmodels' are said to be in {source!r}, which is not there",
            fix="Import the bare files: as_files=True (--as-files)",
            path="", member=str(source), tool=foreign.tool, kinds=(foreign.kind,),
        )  # fmt: skip
    others = {"model.pkl": "others/model.pkl"} if "model.pkl" in foreign.files and source != "model.pkl" else {}
    return ForeignReading(
        renames={**others, str(source): "model.pkl"},
        versions={"statsmodels": version} if isinstance(version, str) else {},
    )


def default_signatures(model: Any) -> dict[str, dict[str, bool]]:
    """Return the signature of `predict`, a row for each row of a design; a series is asked for its next steps instead."""
    from statsmodels.tsa.base.tsa_model import TimeSeriesModel

    if not isinstance(model.model, TimeSeriesModel):
        return {"predict": {"batchable": True}}
    return {"forecast" if hasattr(model, "forecast") else "predict": {"batchable": False}}


def makers() -> dict[str, Any]:
    """Return what core builds by this adapter's functions; asked for only when a stranger's model is looked at."""
    from . import _makers

    return _makers.makers()
