"""Trees, of which compiled code follows children, features and indexes unchecked: made only where all of them lie inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tiffin.building import Maker, Name, names

from ._require import require

_NODE = np.dtype({
    "names": [
        "left_child", "right_child", "feature", "threshold", "impurity", "n_node_samples", "weighted_n_node_samples",
        "missing_go_to_left",
    ],
    "formats": ["<i8", "<i8", "<i8", "<f8", "<f8", "<i8", "<f8", "u1"],
    "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
    "itemsize": 64,
})  # fmt: skip
Make = Callable[[tuple[Any, ...], Any], Any]
_MODULE = "sklearn.metrics._dist_metrics"
_BY_POINT = ("Euclidean", "Manhattan", "Chebyshev", "Minkowski", "Canberra", "BrayCurtis", "Hamming", "Haversine")
"""Distances that compare two points only, whatever their numbers; SEuclidean takes a variance for each."""
DISTANCES = frozenset(f"{_MODULE}.{name}Distance{bits}" for name in (*_BY_POINT, "SEuclidean") for bits in (32, 64))


def _tree(arguments: tuple[Any, ...], state: Any) -> Any:
    features, classes, outputs = arguments
    require(
        type(features) is int and 0 <= features < 1 << 31 and type(outputs) is int and 0 < outputs < 1 << 20
        and type(classes) is np.ndarray and classes.dtype == np.intp and classes.shape == (outputs,)
        and classes.min() > 0 and classes.max() < 1 << 24,
        "it makes a tree of no such size",
    )  # fmt: skip
    require(
        type(state) is dict and state.keys() == {"max_depth", "node_count", "nodes", "values"},
        "it makes a tree otherwise than scikit-learn does",
    )
    nodes, values = state["nodes"], state["values"]
    require(
        type(nodes) is np.ndarray and nodes.dtype == _NODE and nodes.ndim == 1 and nodes.flags.c_contiguous,
        "it makes a tree of other nodes than this release of scikit-learn has",
    )
    count = len(nodes)
    require(
        type(state["node_count"]) is int and state["node_count"] == count >= 1
        and type(state["max_depth"]) is int and 0 <= state["max_depth"] <= count
        and type(values) is np.ndarray and values.dtype == np.float64 and values.flags.c_contiguous
        and values.shape == (count, outputs, int(classes.max())),
        "it makes a tree whose parts do not fit together",
    )  # fmt: skip
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    leaf = left == -1
    place = np.arange(count)
    # Children come after their parents, so that no walk goes round in circles.
    inner = (left > place) & (left < count) & (right > place) & (right < count) & (feature >= 0) & (feature < features)
    require(bool(np.where(leaf, right == -1, inner).all()), "it makes a tree whose nodes point outside")
    from sklearn.tree._tree import Tree

    tree = Tree(features, classes, outputs)
    tree.__setstate__(state)
    return tree


def _predictor(arguments: tuple[Any, ...], state: Any) -> Any:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    require(
        arguments == () and type(state) is dict
        and state.keys() == {"nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets"},
        "it makes a predictor otherwise than scikit-learn does",
    )  # fmt: skip
    nodes = state["nodes"]
    require(
        type(nodes) is np.ndarray and nodes.ndim == 1 and len(nodes) >= 1 and nodes.dtype == PREDICTOR_RECORD_DTYPE
        and nodes.flags.c_contiguous,
        "it makes a predictor of other nodes than this release of scikit-learn has",
    )  # fmt: skip
    count, leaf, place = len(nodes), nodes["is_leaf"].astype(bool), np.arange(len(nodes))
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    inner = (left > place) & (left < count) & (right > place) & (right < count)
    require(bool((leaf | inner).all()), "it makes a predictor whose nodes point outside")
    sets = state["raw_left_cat_bitsets"], state["binned_left_cat_bitsets"]
    for bits in sets:
        require(
            type(bits) is np.ndarray and bits.dtype == np.uint32 and bits.ndim == 2 and bits.shape[1] == 8
            and bits.flags.c_contiguous,
            "it makes a predictor otherwise than scikit-learn does",
        )  # fmt: skip
    categorical = nodes["is_categorical"].astype(bool) & ~leaf
    require(
        bool((nodes["bitset_idx"][categorical] < min(map(len, sets))).all()), "it makes a predictor that points outside"
    )
    made = object.__new__(TreePredictor)
    made.__dict__.update(state)
    return made


def _distance(arguments: tuple[Any, ...], state: Any) -> Any:
    kind = arguments[0]
    require(
        len(arguments) == 1 and isinstance(kind, Name)
        and type(state) is tuple and len(state) == 3 and type(state[0]) is float
        and all(
            type(part) is np.ndarray and part.dtype == np.float64 and part.ndim == axes and part.flags.c_contiguous
            for part, axes in zip(state[1:], (1, 2), strict=True)
        ),
        "it makes a distance otherwise than scikit-learn does",
    )  # fmt: skip
    require(kind.dotted in DISTANCES, "it makes a distance that is not checked")
    found = kind.find()
    made = found.__new__(found)
    made.__setstate__(state)
    return made


def _without_arguments(dotted: str, make: Make) -> Make:
    """Return how an instance is made that a file makes without arguments, of what a function makes of its class."""
    kind = Name(*dotted.rpartition(".")[::2])

    def made(arguments: tuple[Any, ...], state: Any) -> Any:
        require(arguments == (), "it makes an object otherwise than scikit-learn does")
        return make((kind,), state)

    return made


def _neighbors(module: str, name: str) -> Maker:
    def make(arguments: tuple[Any, ...], state: Any) -> Any:
        require(
            len(arguments) == 1 and names(arguments[0], f"{module}.{name}"),
            "it makes a tree otherwise than scikit-learn does",
        )
        _check_neighbors(state, 2 if name == "KDTree" else 1)
        found = arguments[0].find()
        made = found.__new__(found)
        made.__setstate__(state)
        return made

    return Maker(make, frozenset({f"{module}.{name}"}))


def _check_neighbors(state: Any, bounds: int) -> None:
    require(type(state) is tuple and len(state) == 13, "it makes a tree otherwise than scikit-learn does")
    data, indexes, nodes, edges, leaf_size, levels, count = state[:7]
    require(
        all(type(part) is np.ndarray and part.flags.c_contiguous for part in state[:4])
        and data.dtype == np.float64 and data.ndim == 2 and indexes.dtype == np.int64 and indexes.shape == (len(data),)
        and all(type(part) is int for part in state[4:11]) and leaf_size >= 1 and 0 < levels < 48
        and count == len(nodes) == 2**levels - 1 and nodes.ndim == 1,
        "it makes a tree whose parts do not fit together",
    )  # fmt: skip
    require(
        nodes.dtype.names == ("idx_start", "idx_end", "is_leaf", "radius") and nodes.dtype.itemsize == 32
        and edges.dtype == np.float64 and edges.shape == (bounds, count, data.shape[1]),
        "it makes a tree whose parts do not fit together",
    )  # fmt: skip
    require(len(indexes) and indexes.min() >= 0 and indexes.max() < len(data), "it makes a tree that points outside")
    begin, end, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"]
    require(bool(((begin >= 0) & (begin <= end) & (end <= len(data))).all()), "it makes a tree that points outside")
    place = np.arange(count)
    require(bool(((leaf != 0) | (2 * place + 2 < count)).all()), "it makes a tree that points outside")
    metric, weights = state[11], state[12]
    require(
        weights is None
        or (type(weights) is np.ndarray and weights.dtype == np.float64 and weights.shape == (len(data),)),
        "it makes a tree whose parts do not fit together",
    )
    kind = type(metric)
    require(kind.__module__ == _MODULE and kind.__name__.endswith("64"), "it makes a tree of an unknown distance")
    width, sizes = data.shape[1], len(metric.__getstate__()[1])
    fits: tuple[int, ...] = (0, 1)
    if kind.__name__.startswith("Minkowski"):
        fits = (0, 1, width)
    elif kind.__name__.startswith("SEuclidean"):
        fits = (width,)
    require(sizes in fits, "it makes a tree of a distance between other points")
    require(
        width == 2 or not kind.__name__.startswith("Haversine"), "it makes a tree of a distance between other points"
    )


def makers() -> dict[str, Maker]:
    """Return how trees and distances are made."""
    found = {
        "sklearn.tree._tree.Tree": Maker(_tree),
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": Maker(_predictor, new=True),
        f"{_MODULE}.newObj": Maker(_distance, DISTANCES),
        "sklearn.neighbors._kd_tree.newObj": _neighbors("sklearn.neighbors._kd_tree", "KDTree"),
        "sklearn.neighbors._ball_tree.newObj": _neighbors("sklearn.neighbors._ball_tree", "BallTree"),
    }
    for place, name in (("_kd_tree", "KDTree"), ("_ball_tree", "BallTree")):
        dotted = f"sklearn.neighbors.{place}.{name}"
        found[dotted] = Maker(_without_arguments(dotted, found[f"sklearn.neighbors.{place}.newObj"].make), new=True)
    for dotted in DISTANCES:
        found[dotted] = Maker(_without_arguments(dotted, _distance), new=True)
    return found
