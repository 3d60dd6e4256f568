"""What the conformance kit checks this adapter with: `tiffin plugins check prophet`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a model with a regressor, whose bounds are not drawn by chance."""
    import numpy
    import pandas

    days = pandas.DataFrame({"ds": pandas.date_range("2024-01-01", periods=40), "x": numpy.arange(40.0) % 3})
    days["y"] = days["x"] + numpy.sin(numpy.arange(40) / 7) + numpy.arange(40) / 10

    def make() -> Any:
        from prophet import Prophet

        model = Prophet(n_changepoints=3, weekly_seasonality=True, yearly_seasonality=False, uncertainty_samples=0)
        return model.add_regressor("x").fit(days)

    def same(one: Any, other: Any) -> bool:
        return bool(one.equals(other) if hasattr(one, "equals") else one == other)

    return [
        Subject(
            framework="prophet",
            make=make,
            inputs={"predict": days[["ds", "x"]][5:9].reset_index(drop=True)},
            parameters=lambda model: {"scale": model.changepoint_prior_scale, "samples": model.uncertainty_samples},
            same=same,
        )
    ]
