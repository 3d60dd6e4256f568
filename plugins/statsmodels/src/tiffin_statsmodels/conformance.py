"""What the conformance kit checks this adapter with: `tiffin plugins check statsmodels`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a regression, one that has forgotten its data, one of a formula, and a series."""
    import numpy
    import pandas
    import statsmodels.api as sm
    from statsmodels.formula.api import ols
    from statsmodels.tsa.arima.model import ARIMA

    rng = numpy.random.default_rng(15)
    rows = sm.add_constant(rng.normal(size=(60, 2)))
    values = rows @ [1.0, 2.0, -1.0] + rng.normal(size=60)
    frame = pandas.DataFrame({"y": values, "a": rows[:, 1]})
    inputs: dict[str, Any] = {"predict": rows[:5]}

    def same(one: Any, other: Any) -> bool:
        return bool(numpy.allclose(numpy.asarray(one), numpy.asarray(other), 1e-9)) and type(one) is type(other)

    def subject(name: str, make: Any, inputs: dict[str, Any] = inputs, **more: Any) -> Subject:
        return Subject(
            framework="statsmodels",
            name=name,
            make=make,
            inputs=inputs,
            parameters=lambda model: model.params,
            same=same,
            close=same,
            **more,
        )

    return [
        subject("OLS-without-data", lambda: sm.OLS(values, rows).fit(), options={"remove_data": True}),
        subject("GLM", lambda: sm.GLM((values > 1) * 1.0, rows, family=sm.families.Binomial()).fit()),
        subject("formula", lambda: ols("y ~ a", frame).fit(), {"predict": frame[["a"]][:5]}),
        subject("ARIMA", lambda: ARIMA(values, order=(1, 0, 0)).fit(), {"forecast": 3}),
    ]
