"""Checks of trees and of what is made of them: compiled code reads and writes by numbers that other attributes say."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ._require import array, features, is_matrix, is_one, require, whole

_LINEAR = ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "HuberRegressor")
"""Regressors whose answer is one number for each row, whatever their settings, if their coefficients have one axis."""
_STEPS = 16
"""Pipelines within pipelines that are looked through."""


def _is_tree(found: Any, width: int, outputs: int | None = None) -> bool:
    return (
        type(found).__module__ == "sklearn.tree._tree"
        and type(found).__name__ == "Tree"
        and found.n_features == width
        and (outputs is None or found.n_outputs == outputs)
    )


def _tree_of(made: Any) -> Any:
    return vars(made).get("tree_") if hasattr(made, "__dict__") else None


def tree(made: Any) -> None:
    """A tree has its estimator's features and outputs."""
    own = vars(made)
    if "tree_" in own:
        outputs = whole(own, "n_outputs_", 1)
        require(_is_tree(own["tree_"], features(own), outputs), "its tree is of other features")


def forest(made: Any) -> None:
    """Each tree of a forest has the features that it is given; each answers for all classes."""
    own = vars(made)
    if "estimators_" not in own:
        return
    width = features(own)
    trees = own["estimators_"]
    require(type(trees) is list and len(trees) > 0, "its estimators_ are no list")
    whole(own, "n_outputs_", 1)
    chosen = own.get("estimators_features_")
    if chosen is None:
        chosen, given = [None] * len(trees), width
    else:
        given = whole(own, "_max_features", -1)  # where that is all, rows are given as they are
    require(type(chosen) is list and len(chosen) == len(trees), "its features are not those of its trees")
    for one, part in zip(trees, chosen, strict=True):
        if part is not None:
            require(
                type(part) is np.ndarray and part.dtype.kind == "i" and part.shape == (given,)
                and (not len(part) or 0 <= part.min() <= part.max() < width),
                "its features are not those of its trees",
            )  # fmt: skip
        require(_is_tree(_tree_of(one), given), "one of its trees is of other features")


def boosting(made: Any) -> None:
    """Boosting writes one column for each tree of a stage into what its first estimator answered."""
    own = vars(made)
    if "estimators_" not in own:
        return
    count, stages = own.get("n_trees_per_iteration_"), own["estimators_"]
    require(
        type(count) is int and type(stages) is np.ndarray and stages.dtype == object and stages.ndim == 2
        and stages.shape[1] == count >= 1,
        "its estimators_ are of another shape",
    )  # fmt: skip
    classes = own.get("classes_")
    if classes is not None:
        require(
            type(classes) is np.ndarray and (count == len(classes) or (count == 1 and len(classes) <= 2)),
            "its classes_",
        )
    width = features(own)
    for one in stages.ravel():
        found = _tree_of(one)
        require(_is_tree(found, width, 1) and found.max_n_classes == 1, "one of its trees is of other features")
    require(_begins_with(own, count, width), "it begins with numbers of another shape than its trees are added to")


def _begins_with(own: dict[str, Any], count: int, width: int) -> bool:
    """Tell whether the answer that boosting begins with surely has a row for each row, and a column for each tree."""
    first, loss = own.get("init_"), own.get("_loss")
    if type(first) is str:
        return first == "zero"
    link = vars(loss).get("link") if hasattr(loss, "__dict__") else None
    several = type(loss).__name__ == "HalfMultinomialLoss"
    if (
        type(loss).__module__ != "sklearn._loss.loss"
        or type(link).__module__ != "sklearn._loss.link"
        or several != (count > 1)
        or several != (type(link).__name__ == "MultinomialLogit")
        or not hasattr(first, "__dict__")
    ):
        return False
    name, inner = type(first).__name__, vars(first)
    if type(first).__module__ == "sklearn.dummy":
        prior, constant = inner.get("class_prior_"), inner.get("constant_")
        if type(inner.get("n_outputs_")) is not int or inner["n_outputs_"] != 1:
            return False
        if name == "DummyRegressor":
            return count == 1 and type(constant) is np.ndarray and constant.shape == (1, 1)
        return (
            is_one(inner.get("_strategy"), "prior") and type(prior) is np.ndarray and prior.ndim == 1
            and (len(prior) == count if several else len(prior) == 2)
        )  # fmt: skip
    coefficients = inner.get("coef_")
    return (
        not several and type(first).__module__.startswith("sklearn.linear_model.") and name in _LINEAR
        and type(coefficients) is np.ndarray and coefficients.shape == (width,) and coefficients.dtype.kind == "f"
        and type(inner.get("intercept_")) in (float, np.float64, np.float32)
    )  # fmt: skip


def histogram_boosting(made: Any) -> None:
    """Each predictor looks at features that are there, each column has its bins, each category fits its set."""
    own = vars(made)
    if "_predictors" not in own:
        return
    width, stages, count = features(own), own["_predictors"], own.get("n_trees_per_iteration_")
    require(type(stages) is list and type(count) is int and count >= 1, "its predictors are no lists")
    mapper = vars(own["_bin_mapper"])
    categorical, thresholds = array(mapper, "is_categorical_", 1, "u", (width,)), mapper["bin_thresholds_"]
    require(type(thresholds) is list and len(thresholds) == width, "its bins are of other features")
    for is_category, bins in zip(categorical, thresholds, strict=True):
        require(type(bins) is np.ndarray and bins.ndim == 1 and bins.dtype.kind in "fiu", "its bins are no numbers")
        require(not is_category or not len(bins) or 0 <= bins.min() <= bins.max() < 256, "its categories are too many")
    for stage in stages:
        require(type(stage) is list and len(stage) == count, "its predictors are of another shape")
        for one in stage:
            require(type(one).__name__ == "TreePredictor", "one of its predictors is none")
            nodes = one.nodes
            place = nodes["feature_idx"]
            require(0 <= int(place.min()) <= int(place.max()) < width, "a predictor is of other features")
            split = nodes["is_categorical"].astype(bool) & ~nodes["is_leaf"].astype(bool)
            require(bool(categorical[place[split]].all()), "a predictor takes numbers for categories")
    require(
        _keeps_columns(own.get("_preprocessor"), width), "what it prepares its columns with may change their number"
    )


def _keeps_columns(made: Any, width: int) -> bool:
    """Tell whether a preprocessor is none, or surely gives as many columns as it gets: the categories, and the numbers."""
    if made is None:
        return True
    own = vars(made)
    parts, places = own.get("transformers_"), own.get("_transformer_to_input_indices")
    if type(made).__name__ != "ColumnTransformer" or type(parts) is not list or type(places) is not dict:
        return False
    total = 0
    for part in parts:
        if type(part) is not tuple or len(part) != 3 or type(part[0]) is not str:
            return False
        name, transformer, columns = part
        if type(transformer) is str and transformer == "drop":
            continue
        if type(columns) is not np.ndarray or columns.dtype != bool or columns.shape != (width,):
            return False
        count = int(columns.sum())
        if type(places.get(name)) is not list or len(places[name]) != count:
            return False
        if type(transformer).__name__ == "FunctionTransformer":
            func = vars(transformer).get("func")
            if not (func is None or (type(func) is functools.partial and func.func.__name__ == "check_array")):
                return False
        elif type(transformer).__name__ != "OrdinalEncoder":
            return False
        total += count
    return total == width


def one_against_rest(made: Any) -> None:
    """Where labels may be several, a sparse matrix is made of what each estimator says: once for each row, and no more."""
    own = vars(made)
    if "estimators_" not in own:
        return
    binarizer, every_one = own.get("label_binarizer_"), own["estimators_"]
    require(type(binarizer).__name__ == "LabelBinarizer" and type(every_one) is list, "its estimators_ are no list")
    kind = vars(binarizer).get("y_type_")
    require(
        type(kind) is str and (kind == "multiclass" or all(map(_says_one, every_one))),
        "one of its estimators may answer more than once for a row",
    )


def _says_one(made: Any) -> bool:
    """Tell whether an estimator surely gives one number for each row, where it decides between two."""
    for _ in range(_STEPS):
        if type(made).__name__ != "Pipeline":
            break
        steps = vars(made).get("steps")
        if type(steps) is not list or not steps or type(steps[-1]) is not tuple or len(steps[-1]) != 2:
            return False
        made = steps[-1][1]
    if not hasattr(made, "__dict__"):
        return False
    own, kind = vars(made), type(made)
    name, module = kind.__name__, kind.__module__
    if name == "_ConstantPredictor":
        return type(own.get("y_")) is np.ndarray and own["y_"].shape == (1,)
    if "boosting" in module or module.endswith("._gb"):
        return type(own.get("n_trees_per_iteration_")) is int and own["n_trees_per_iteration_"] == 1
    if name in ("SVC", "NuSVC"):
        return type(own.get("classes_")) is np.ndarray and len(own["classes_"]) == 2
    if not any("decision_function" in vars(base) for base in kind.__mro__):
        return name != "Pipeline"
    coefficients, intercept = own.get("coef_"), own.get("intercept_")
    return (
        (module.startswith("sklearn.linear_model.") or name == "LinearSVC")
        and is_matrix(coefficients)
        and coefficients.shape[:-1] == (1,)
        and (
            type(intercept) in (float, np.float64, np.float32)
            or (type(intercept) is np.ndarray and intercept.shape == (1,))
        )
    )
