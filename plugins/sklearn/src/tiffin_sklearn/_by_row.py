"""Which estimators answer each row by itself, so that the rows of several callers may go to them together."""

from __future__ import annotations

from typing import Any


def default_signatures(model: Any) -> dict[str, dict[str, bool]]:
    """Return the signature of `predict`, or of `transform` where the estimator does not predict.

    It is batchable when every estimator inside is scikit-learn's own and answers each row by itself. An estimator or a
    function of somebody else's, wherever it stands inside (as a kernel, a tokenizer), might look at the whole batch.
    """
    for method in ("predict", "transform"):
        if callable(getattr(model, method, None)):
            return {method: {"batchable": _works_by_row(model)}}
    return {}


def _works_by_row(model: Any) -> bool:
    from sklearn.preprocessing import FunctionTransformer

    parameters = model.get_params(deep=True)
    # Scorers have their part in fitting only.
    parts = [
        model,
        *(part for name, part in parameters.items() if name.rpartition("__")[2] not in ("scoring", "refit")),
    ]
    return all(_is_standard(part) and not isinstance(part, FunctionTransformer) for part in parts)


def _is_standard(part: Any) -> bool:
    import numpy
    from sklearn.base import BaseEstimator

    # The dtype of what an encoder or vectoriser returns: a class, which can be called and is not.
    if isinstance(part, type) and (issubclass(part, numpy.generic) or part in (bool, int, float, str, object)):
        return True
    if not (isinstance(part, BaseEstimator) or callable(part)):
        return True
    kind = part if hasattr(part, "__qualname__") else type(part)
    return str(kind.__module__).startswith("sklearn.")
