"""How a stranger's results are made: of arrays alone. statsmodels evaluates formulas as Python, so that none may get in."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tiffin.building import Maker, as_name, require

_FORMULA = frozenset({"formula", "frame", "model_spec", "design_info", "restore_model_spec", "restore_design_info"})
"""Attributes by which models and their data are known to come from a formula, in any release of statsmodels."""
_PARTS = ("_results", "model", "data", "family", "link", "_link", "variance", "M")
"""Attributes whose objects are asked for what these were made from, or called."""
_OWN = {"normalized_cov_params": np.ndarray, "_cache": dict, "__doc__": str, "variance": object}
"""Attributes that hide what the class has under that name, as statsmodels' own do, and their type; or `None`."""


def makers() -> dict[str, Maker]:
    """Return how an instance of each listed class is made."""
    lines = Path(__file__).with_name("classes.txt").read_text(encoding="utf-8").splitlines()
    return {line: Maker(partial(_make, line), new=True) for line in lines if line[:1] not in ("", "#")}


def _make(dotted: str, arguments: tuple[Any, ...], state: Any) -> Any:
    kind = as_name(dotted).find()
    state = {} if state is None else state
    require(arguments == () and type(state) is dict, f"it makes a {kind.__name__} otherwise than statsmodels does")
    has = {name for base in kind.__mro__ for name in vars(base)}
    for name, value in state.items():
        require(
            type(name) is str and name.isidentifier(), f"it sets an attribute of {kind.__name__} whose name is none"
        )
        require(name not in _FORMULA, "it holds a formula, which is evaluated as Python")
        own = value is None or isinstance(value, _OWN.get(name, ()))
        require(name not in has or own, f"it hides the attribute {name} of {kind.__name__}")
        part = type(value)
        require(
            name not in _PARTS or value is None or part.__module__.startswith("statsmodels."),
            f"it has a {part.__name__} for the {name.strip('_')} of statsmodels' results",
        )
    made = object.__new__(kind)
    object.__getattribute__(made, "__dict__").update(state)
    return made
