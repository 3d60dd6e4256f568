"""Makers: what of scikit-learn's pickles core cannot make by itself, since compiled code makes or fills it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tiffin.building import Maker, Name, is_one, names

from . import _trees
from ._require import is_setting, require
from ._skops_nodes import MASKED

_PLAIN_LOSSES = (
    "AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfPoissonLoss", "HalfSquaredError",
    "HalfMultinomialLoss",
)  # fmt: skip
_LOSSES_WITH_NUMBER = ("HalfTweedieLoss", "HalfTweedieLossIdentity", "HuberLoss", "PinballLoss")
_SGD_LOSSES = {
    "Hinge": 1, "SquaredHinge": 1, "ModifiedHuber": 0, "EpsilonInsensitive": 1, "SquaredEpsilonInsensitive": 1, "Huber": 1,
    "Log": 0, "SquaredLoss": 0,
}  # fmt: skip
"""Losses of stochastic gradient descent, and how many numbers each takes. Some are those of older releases."""
_PARTIALS = frozenset({"sklearn.utils.validation.check_array"})


def _loss(module: str, name: str, numbers: int) -> Maker:
    def make(arguments: tuple[Any, ...], state: Any) -> Any:
        require(
            state is None
            and len(arguments) == numbers
            and all(type(number) in (int, float, np.float64) for number in arguments),
            "it makes a loss otherwise than scikit-learn does",
        )
        return Name(module, name).find()(*map(float, arguments))

    return Maker(make)


def _multinomial(arguments: tuple[Any, ...], state: Any) -> Any:
    kind, checksum, nothing = arguments
    require(
        isinstance(kind, Name) and type(checksum) is int and is_one(nothing, None, ()) and state is None,
        "it makes a loss otherwise than scikit-learn does",
    )
    return Name("sklearn._loss._loss", "CyHalfMultinomialLoss").find()()


def _bunch(arguments: tuple[Any, ...], state: Any) -> Any:
    from sklearn.utils._bunch import Bunch

    require(arguments == (), "it makes a bunch otherwise than scikit-learn does")
    return dict.__new__(Bunch)


def _partial(arguments: tuple[Any, ...], state: Any) -> Any:
    (function,) = arguments
    require(
        isinstance(function, Name) and type(state) is tuple and len(state) == 4
        and names(state[0], function.dotted) and is_one(state[1], ()) and is_one(state[3], None, {})
        and type(state[2]) is dict
        and all(type(name) is str and is_setting(value) for name, value in state[2].items()),
        "it makes a function with settings that is not checked",
    )  # fmt: skip
    # Copied: what a file adds to a list later on was not checked.
    settings = {name: list(value) if type(value) is list else value for name, value in state[2].items()}
    return functools.partial(function.find(), **settings)


def _spline(arguments: tuple[Any, ...], state: Any) -> Any:
    from scipy.interpolate import BSpline

    require(
        arguments == () and type(state) is dict and all(type(name) is str for name in state),
        "it makes a spline otherwise than scipy does",
    )
    # Its attributes are called so since scipy 1.17.
    knots, coefficients = state.get("_t", state.get("t")), state.get("_c", state.get("c"))
    degree = state.get("k")
    require(
        state.keys() <= {"_t", "t", "_c", "c", "k", "extrapolate", "axis", "_asarray"}
        and type(degree) is int and 0 <= degree <= 20 and type(state.get("axis", 0)) is int
        and type(knots) is np.ndarray and knots.dtype == np.float64 and knots.ndim == 1
        and type(coefficients) is np.ndarray and coefficients.dtype == np.float64 and coefficients.ndim >= 1
        and len(coefficients) >= len(knots) - degree - 1 >= degree + 1 and bool((np.diff(knots) >= 0).all()),
        "it makes a spline whose parts do not fit together",
    )  # fmt: skip
    made = object.__new__(BSpline)
    made.__dict__.update(state)
    return made


def _masked(arguments: tuple[Any, ...], state: Any) -> Any:
    data, mask = arguments
    require(
        state is None and type(data) is np.ndarray and type(mask) in (np.ndarray, np.bool_)
        and mask.dtype == np.dtype(bool) and mask.shape in (data.shape, ()),
        "it makes a masked array otherwise than skops does",
    )  # fmt: skip
    return np.ma.MaskedArray(data, mask)


def makers() -> dict[str, Maker | Callable[[tuple[Any, ...], Any], Any]]:
    """Return the makers by the names that pickles call. Imports no scikit-learn."""
    found: dict[str, Any] = {
        **_trees.makers(),
        "sklearn.utils._bunch.Bunch": Maker(_bunch, new=True, items=True, drops_state=True),
        ".".join(MASKED): Maker(_masked),
        "functools.partial": Maker(_partial, _PARTIALS),
        "scipy.interpolate._bsplines.BSpline": Maker(_spline, new=True),
    }
    true = "sklearn._loss._loss"
    for module in (true, "_loss"):  # so some releases call it in pickles, and no such module is ever imported
        for name in _PLAIN_LOSSES:
            found[f"{module}.Cy{name}"] = _loss(true, f"Cy{name}", 0)
        for name in _LOSSES_WITH_NUMBER:
            found[f"{module}.Cy{name}"] = _loss(true, f"Cy{name}", 1)
        found[f"{module}.__pyx_unpickle_CyHalfMultinomialLoss"] = Maker(
            _multinomial, frozenset({f"{module}.CyHalfMultinomialLoss"})
        )
    for name, numbers in _SGD_LOSSES.items():
        found[f"sklearn.linear_model._sgd_fast.{name}"] = _loss("sklearn.linear_model._sgd_fast", name, numbers)
    return found
