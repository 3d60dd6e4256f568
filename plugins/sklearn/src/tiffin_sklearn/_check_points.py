"""Checks of estimators that hold points: compiled code takes them to be as wide as the rows that it compares them with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._require import array, features, is_matrix, is_one, require, whole

_MAX_THREADS = 1024


def support_vectors(made: Any) -> None:
    """All arrays of a support vector machine have the lengths that its counts say, and its kernel is one by name."""
    own = vars(made)
    require(type(own.get("kernel", "rbf")) is str, "its kernel is no name")
    if "support_vectors_" not in own:
        return
    counts, classes, width = own.get("_n_support"), own.get("classes_"), features(own)
    require(
        type(counts) is np.ndarray and counts.dtype == np.int32 and counts.ndim == 1 and len(counts) >= 2
        and counts.min() >= 0,
        "its counts of support vectors are none",
    )  # fmt: skip
    require(classes is None or type(classes) is np.ndarray, "its classes_ are none")
    kinds = 2 if classes is None else len(classes)
    require(len(counts) == kinds >= 2, "its classes_ are not those of its support vectors")
    total = int(counts[0]) if classes is None else int(counts.sum(dtype=np.int64))
    pairs = kinds * (kinds - 1) // 2
    support = own.get("support_")
    require(
        type(support) is np.ndarray and support.dtype == np.int32 and support.shape == (total,),
        "its support_ is another",
    )
    for name in ("_intercept_", "intercept_"):
        array(own, name, 1, "f", (pairs,))
    sigmoids = [array(own, name, 1, "f") for name in ("_probA", "_probB") if own.get(name) is not None]
    require(all(len(numbers) in (0, pairs) for numbers in sigmoids), "its probabilities are of another length")
    for name in ("probability", "_effective_probability"):
        asked = own.get(name, False)
        require(
            type(asked) in (bool, str)
            and (asked is not True or [len(numbers) for numbers in sigmoids] == [pairs, pairs]),
            "its probabilities are of another length",
        )
    is_sparse = own.get("_sparse", False)
    require(type(is_sparse) is bool, "it does not say whether it is sparse")
    for name in ("_dual_coef_", "dual_coef_"):
        found = own[name]
        require(is_matrix(found), f"its {name} is no matrix")
        require(found.shape == (kinds - 1, total), f"its {name} is of another shape")
        require(type(found) is np.ndarray or found.nnz == found.shape[0] * found.shape[1], f"its {name} has gaps")
    if own.get("kernel", "rbf") == "precomputed":
        shape = own.get("shape_fit_")
        require(not is_sparse and type(shape) is tuple and type(shape[0]) is int, "its kernel is of no shape")
        require(
            shape[0] == width and (not total or 0 <= support.min() <= support.max() < width),
            "its support_ points outside",
        )
    else:
        found = own["support_vectors_"]
        require(is_matrix(found) and found.shape == (total, width), "its support vectors are of another shape")


def _threads(own: dict[str, Any]) -> None:
    threads = whole(own, "_n_threads", 1)
    require(1 <= threads <= _MAX_THREADS, "it asks for too many threads")


def centers(made: Any) -> None:
    """Centers of clusters have the features that rows have."""
    own = vars(made)
    _threads(own)
    if "cluster_centers_" in own:
        require(len(array(own, "cluster_centers_", 2, "f", (None, features(own)))) > 0, "it has no centers")


def exemplars(made: Any) -> None:
    """Centers that are rows have their features; there may be none."""
    own = vars(made)
    found = own.get("cluster_centers_")
    if found is not None:
        require(is_matrix(found) and found.shape[1:] == (features(own),), "its cluster_centers_ are of other features")


def bisecting(made: Any) -> None:
    """So have those of the tree of clusters, of which each is met once."""
    own = vars(made)
    centers(made)
    if "_bisecting_tree" not in own:
        return
    width = features(own)
    if "_X_mean" in own:
        array(own, "_X_mean", 1, "f", (width,))
    pending, seen = [own["_bisecting_tree"]], set()
    while pending:
        node = pending.pop()
        require(type(node).__name__ == "_BisectingTree" and id(node) not in seen, "its tree of clusters is none")
        seen.add(id(node))
        array(vars(node), "center", 1, "f", (width,))
        children = [vars(node).get(side) for side in ("left", "right")]
        require((children[0] is None) == (children[1] is None), "its tree of clusters is none")
        pending += [child for child in children if child is not None]


def birch(made: Any) -> None:
    """Each center of a subcluster has a norm."""
    own = vars(made)
    if "subcluster_centers_" in own:
        found = array(own, "subcluster_centers_", 2, "f", (None, features(own)))
        array(own, "_subcluster_norms", 1, "f", (len(found),))


def neighbors(made: Any) -> None:
    """The rows among which neighbours are looked for have the features that were fitted, and are as many as is said."""
    own = vars(made)
    rows = own.get("_fit_X")
    if rows is None:
        return
    require(is_matrix(rows), "its rows are no numbers")
    require(
        rows.ndim == 2 and rows.dtype.kind in "biuf" and rows.dtype.isnative and rows.shape[1] == features(own)
        and whole(own, "n_samples_fit_", -1) == rows.shape[0],
        "its rows are of other features",
    )  # fmt: skip


def classifying_neighbors(made: Any) -> None:
    """Each neighbour has a class that is there."""
    neighbors(made)
    own = vars(made)
    labels, rows, classes = own.get("_y"), own.get("_fit_X"), own.get("classes_")
    if labels is None or rows is None:
        return
    require(
        type(labels) is np.ndarray and labels.dtype.kind == "i" and len(labels) == rows.shape[0],
        "its labels are not those of its rows",
    )
    kinds = classes if type(classes) is list else [classes]
    columns = labels.reshape(len(labels), -1)
    require(len(kinds) == columns.shape[1], "its labels are not those of its classes")
    for number, known in enumerate(kinds):
        column = columns[:, number]
        require(
            type(known) is np.ndarray and (not len(column) or 0 <= column.min() <= column.max() < len(known)),
            "its labels are not those of its classes",
        )


def factors(made: Any) -> None:
    """A factorization has as many components as it says."""
    own = vars(made)
    if "components_" in own:
        count = whole(own, "_n_components", -1)
        array(own, "components_", 2, "f", (count, features(own)))


def isotonic(made: Any) -> None:
    """Thresholds are two curves of one length; of them its interpolation is made anew, as loading does."""
    own = vars(made)
    if "X_thresholds_" not in own or "y_thresholds_" not in own:
        return
    inputs = array(own, "X_thresholds_", 1, "f")
    outputs = array(own, "y_thresholds_", 1, "f", (len(inputs),))
    require(len(inputs) and is_one(own.get("out_of_bounds"), "nan", "clip", "raise"), "its curve has no points")
    made._build_f(inputs, outputs)
