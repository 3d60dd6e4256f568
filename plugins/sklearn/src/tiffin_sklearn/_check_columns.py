"""Checks of what makes columns: compiled code writes to the places that these hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._require import require, whole

_MAX_COLUMNS = (1 << 31) - 1


def _places(found: Any, name: str) -> None:
    """Refuse what is no dict of places from 0 to its length."""
    numbers: list[Any] = list(found.values()) if type(found) is dict else [None]
    require(all(isinstance(n, (int, np.integer)) for n in numbers), f"its {name} is none")
    require(not numbers or 0 <= min(numbers) <= max(numbers) < len(numbers), f"its {name} points outside")


def vectorizer(made: Any) -> None:
    """A vocabulary counts from 0 to its length; and no text is the name of a file to open."""
    own = vars(made)
    source = own.get("input", "content")
    require(type(source) is str and source == "content", "it opens files")
    if own.get("vocabulary_") is not None:
        _places(own["vocabulary_"], "vocabulary_")
    hasher(made)


def hasher(made: Any) -> None:
    """Hashes are divided by the number of columns."""
    require(1 <= whole(vars(made), "n_features", 1) <= _MAX_COLUMNS, "it has no columns, or too many")


def labels(made: Any) -> None:
    """The places of labels count from 0 to their number."""
    own = vars(made)
    if own.get("_cached_dict") is not None:
        _places(own["_cached_dict"], "cache")
        known = own["classes_"]
        require(
            type(known) is np.ndarray and len(own["_cached_dict"]) <= len(known),
            "its cache has more labels than it has",
        )


def encoder(made: Any) -> None:
    """Each category has a place, rare ones share one, and what is said of their number is so."""
    own = vars(made)
    categories = own.get("categories_")
    if categories is None:
        return
    require(
        type(categories) is list and all(type(known) is np.ndarray and known.ndim == 1 for known in categories),
        "its categories_ are none",
    )
    for known in categories:
        require(known.dtype.kind in "OUS" or _is_sorted(known), "its categories_ are in no order")
    groups_rare = own.get("_infrequent_enabled", False)
    require(type(groups_rare) in (bool, np.bool_), "it does not say whether it has rare categories")
    rare = own.get("_infrequent_indices") if groups_rare else None
    mappings = own.get("_default_to_infrequent_mappings") if groups_rare else None
    none = [None] * len(categories)
    require(
        all(part is None or (type(part) is list and len(part) == len(categories)) for part in (rare, mappings))
        and (rare is None) == (mappings is None),
        "its rare categories are not those of its columns",
    )
    groups = [
        _groups(known, place, mapping)
        for known, place, mapping in zip(categories, rare or none, mappings or none, strict=True)
    ]
    if "_n_features_outs" not in own:
        return
    dropped = own.get("_drop_idx_after_grouping")
    require(
        dropped is None or (type(dropped) is np.ndarray and dropped.ndim == 1 and len(dropped) == len(categories)),
        "what it drops is not of its columns",
    )
    for number, place in enumerate(none if dropped is None else dropped):
        if place is not None:
            require(isinstance(place, (int, np.integer)) and 0 <= place < groups[number], "it drops what is not there")
            groups[number] -= 1
    counts = own["_n_features_outs"]
    require(
        type(counts) is list and all(isinstance(count, (int, np.integer)) for count in counts) and counts == groups,
        "it makes another number of columns than its categories have",
    )


def _is_sorted(known: Any) -> bool:
    """Tell whether numbers rise; what is none comes last."""
    if known.dtype.kind not in "biufmM":
        return False
    numbers = known[:-1] if len(known) and known[-1] != known[-1] else known
    return bool((numbers[1:] >= numbers[:-1]).all())


def _groups(known: Any, rare: Any, mapping: Any) -> int:
    """Return how many places the categories of a column have together."""
    require((rare is None) == (mapping is None), "its rare categories are not those of its columns")
    if mapping is None:
        return len(known)
    require(
        type(rare) is np.ndarray and rare.dtype.kind == "i" and rare.ndim == 1 and len(rare)
        and 0 <= rare.min() <= rare.max() < len(known)
        and type(mapping) is np.ndarray and mapping.dtype.kind == "i" and mapping.shape == (len(known),)
        and 0 <= mapping.min() <= mapping.max() == len(known) - len(rare),
        "its rare categories point outside",
    )  # fmt: skip
    return int(mapping.max()) + 1
