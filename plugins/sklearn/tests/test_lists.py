"""Every entry of the lists is there for a reason: a walk over all of them."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import tiffin_sklearn
from tiffin.building import Lists, Maker
from tiffin_sklearn import _checks, _makers

FOLDER = Path(tiffin_sklearn.__file__).parent


def listed(file: str) -> list[str]:
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line[:1] not in ("", "#")]


def found(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        pytest.skip("of another release of scikit-learn")


OWN_STATE = {
    "IsotonicRegression": "its check makes the interpolation anew, as its __setstate__ does",
    "_BisectingTree": "plain",
}
"""Classes whose own `__setstate__` is not called, and why that is right."""
CALLS = ("open", "eval", "exec", "compile", "__import__", "getattr", "setattr")
STORED_NAMES = {
    "_BaseScorer",
    "_Scorer",
    "_CurveScorer",
    "_PassthroughScorer",
}
"""Classes that call by a stored name, each held by a check to methods that predict."""


@pytest.mark.parametrize("dotted", listed("classes.txt"))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_listed_class_is_made_of_plain_attributes(dotted: str) -> None:
    """It is Python's, so that it can be made empty; and what unpickling would call beyond that is scikit-learn's, or told."""
    kind = found(dotted)
    assert isinstance(kind, type)
    assert kind.__module__.startswith("sklearn.")
    assert object.__new__(kind).__dict__ == {}
    setter = inspect.getattr_static(kind, "__setstate__", None)
    assert setter is None or setter is BaseEstimator.__setstate__ or kind.__name__ in OWN_STATE, setter
    for name in ("__reduce__", "__reduce_ex__"):
        assert getattr(kind, name) is getattr(object, name) or kind.__name__ in OWN_STATE
    assert "test" not in dotted.replace("_testing_", "").lower()


@pytest.mark.parametrize("dotted", listed("classes.txt"))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_listed_class_does_not_open_or_evaluate(dotted: str) -> None:
    """No method of it calls open, eval, exec, compile or __import__, or loads a file; vectorizers' files are checked."""
    kind = found(dotted)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError):
        pytest.skip("compiled")
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "eval", "exec", "compile", "__import__"}
    attributes = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not attributes & {"system", "popen", "Popen", "load", "loads", "fromfile", "memmap", "save", "tofile"}


@pytest.mark.parametrize("dotted", listed("functions.txt"))
def test_a_listed_function_works_on_numbers(dotted: str) -> None:
    """A ufunc or function of numpy's, or one of scikit-learn's that scores or converts; none of the built-in kind."""
    function = found(dotted)
    module = dotted.rpartition(".")[0]
    assert module in ("numpy", "scipy._lib.array_api_compat.numpy._aliases", "sklearn.utils.validation") or (
        module.startswith(("sklearn.metrics", "sklearn.feature_selection", "sklearn.cluster._kmeans"))
    )
    assert callable(function)
    assert not isinstance(function, type)
    assert function not in vars(builtins).values()
    if isinstance(function, np.ufunc) or module == "numpy":
        return
    source = inspect.getsource(function)
    assert not any(f" {call}(" in source for call in ("open", "eval", "exec", "compile", "__import__"))


def test_every_maker_says_what_it_takes_by_exact_names() -> None:
    """Makers are functions of this adapter's; what they take as names is closed."""
    for name, maker in _makers.makers().items():
        whole = maker if isinstance(maker, Maker) else Maker(maker)
        assert whole.make.__module__.startswith("tiffin_sklearn."), name
        assert all(taken.startswith(("sklearn.", "_loss.")) for taken in whole.takes), name


def test_every_check_is_for_a_class_that_is_listed_or_made() -> None:
    """A check for a class that cannot be made would be a mistake in its name."""
    lists = Lists()
    lists.add(listed("classes.txt"), makers=_makers.makers())
    for text in _checks.CHECKS.values():
        for part in text.split(";"):
            module, _, names = part.strip().partition(": ")
            for name in names.split():
                assert (f"sklearn.{module}", name) in lists.classes, name


def test_what_is_off_the_lists_stays_off() -> None:
    """Compiled classes whose state is not checked, and what reaches other code."""
    names = {*listed("classes.txt"), *listed("functions.txt"), *_makers.makers()}
    for word in ("cloudpickle", "joblib", "cKDTree", "dok_", "lil_", "copyreg", "pathlib", "subprocess", "attrgetter"):
        assert not [name for name in names if word in name], word
