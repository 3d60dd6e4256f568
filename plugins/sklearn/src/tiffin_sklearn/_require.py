"""What makers and checks ask of values from a stranger."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiffin.building import is_one, require

__all__ = ["array", "features", "is_matrix", "is_one", "is_setting", "require", "whole"]


def array(owner: dict[str, Any], name: str, axes: int, kinds: str, shape: tuple[int | None, ...] | None = None) -> Any:
    """Return an attribute that has to be an array.

    Args:
        owner: attributes.
        name: the attribute's.
        axes: how many axes it has.
        kinds: letters of numpy's kinds of elements, as in `dtype.kind`.
        shape: its shape; `None` for an axis of any length.

    Raises:
        Unbuildable: it is something else.
    """
    found: Any = owner.get(name)
    require(
        type(found) is np.ndarray and found.ndim == axes and found.dtype.kind in kinds and found.dtype.isnative,
        f"its {name} is no such array",
    )
    if shape is not None:
        require(
            all(wanted in (None, length) for wanted, length in zip(shape, found.shape, strict=True)),
            f"its {name} has another shape",
        )
    return found


def features(owner: dict[str, Any]) -> int:
    """Return the number of features that an estimator was fitted with."""
    found: Any = owner.get("n_features_in_")
    require(type(found) is int and found >= 0, "its n_features_in_ is no number")
    return int(found)


def is_matrix(found: Any) -> bool:
    """Tell whether a value is an array, or a sparse matrix by rows or columns; others are not asked for their shape."""
    return type(found) is np.ndarray or type(found).__module__ in ("scipy.sparse._csr", "scipy.sparse._csc")


def whole(owner: dict[str, Any], name: str, default: int) -> int:
    """Return an attribute that has to be a whole number, or the default where there is none.

    Raises:
        Unbuildable: it is something else. A decimal, say, may be short, and as a whole number take all memory.
    """
    found: Any = owner.get(name, default)
    require(isinstance(found, (int, np.integer)), f"its {name} is no number")
    return int(found)


def is_setting(value: Any) -> bool:
    """Tell whether a value is a plain setting of a function, or a flat list of such."""
    return all(map(_is_plain, value)) if type(value) is list else _is_plain(value)


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float, str) or isinstance(value, type)
