"""Which estimators answer each row by itself, so that the rows of several callers may go to them together."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any


def default_signatures(model: Any) -> dict[str, dict[str, Any]]:
    """Return the signature of `predict`, or of `transform` where the estimator does not predict.

    Its specs say what a fitted estimator itself tells: the columns' names, or their number; the classes' type.

    It is batchable when every estimator inside is scikit-learn's own and answers each row by itself. An estimator or a
    function of somebody else's, wherever it stands inside (as a kernel, a tokenizer), might look at the whole batch.
    """
    for method in ("predict", "transform"):
        if callable(getattr(model, method, None)):
            specs = {
                "input_spec": _input_spec(model),
                "output_spec": _output_spec(model) if method == "predict" else None,
            }
            return {method: {"batchable": _works_by_row(model), **{k: spec for k, spec in specs.items() if spec}}}
    return {}


def _input_spec(model: Any) -> dict[str, Any] | None:
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return {"type": "frame", "columns": [{"name": str(name)} for name in names]}
    count = getattr(model, "n_features_in_", None)
    return {"type": "array", "shape": [None, int(count)]} if isinstance(count, Integral) else None


def _output_spec(model: Any) -> dict[str, Any] | None:
    classes: Any = getattr(model, "classes_", None)
    # Of several outputs there are lists of classes; labels that a row may have several of are told apart by no attribute.
    if not hasattr(classes, "dtype") or getattr(model, "multilabel_", False) or _may_have_several_labels(model):
        return None
    return {"type": "array", "dtype": str(classes.dtype), "shape": [None]}


def _may_have_several_labels(model: Any) -> bool:
    try:
        from sklearn.utils import get_tags
    except ImportError:  # before scikit-learn 1.6
        return True
    tags = get_tags(model).classifier_tags
    return tags is None or (tags.multi_label and getattr(model, "n_outputs_", None) != 1)


def _works_by_row(model: Any) -> bool:
    from sklearn.preprocessing import FunctionTransformer

    # Scorers have their part in fitting only.
    parts = (part for name, part in _parameters(model) if name.rpartition("__")[2] not in ("scoring", "refit"))
    return all(_is_standard(part) and not isinstance(part, FunctionTransformer) for part in (model, *parts))


_names: dict[type, list[str]] = {}


def _parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield what `get_params(deep=True)` returns. That looks at the signature of `__init__` each time; here, once a class."""
    from sklearn.base import BaseEstimator

    kind = type(model)
    if kind.get_params is not BaseEstimator.get_params:
        yield from model.get_params(deep=True).items()
        return
    if kind not in _names:
        _names[kind] = list(model.get_params(deep=False))
    for name in _names[kind]:
        part = getattr(model, name)
        yield name, part
        if hasattr(part, "get_params") and not isinstance(part, type):
            yield from _parameters(part)


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
