"""Differences between the records of two versions, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from tiffin.info._info import ModelInfo
from tiffin.info._plain import same
from tiffin.signatures import describe_spec


@attrs.frozen
class Difference:
    """One field in which two versions differ.

    Attributes:
        section: "record", "labels", "metadata", "options", "signatures", "custom objects", "environment" or "files".
        field: what differs in it: a key, with dots between the keys of what is nested; a method; a path.
        before: what the first version has there, as a plain value; `None` where it has nothing.
        after: what the second one has.
    """

    section: str
    field: str
    before: Any
    after: Any

    @property
    def change(self) -> float | int | None:
        """By how much a number has grown; `None` where it is none."""
        if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in (self.before, self.after)):
            return None
        change: float | int = self.after - self.before
        return change

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**attrs.asdict(self), "change": self.change}


def compare(first: ModelInfo, second: ModelInfo) -> list[Difference]:
    """Return in what two records differ, sections in the order of `Difference.section`. Name and version are left out."""
    left, right = dict(_leaves(first)), dict(_leaves(second))
    order = list(dict.fromkeys(section for section, _ in (*left, *right)))
    keys = sorted(left.keys() | right.keys(), key=lambda key: (order.index(key[0]), key[1]))
    return [
        Difference(*key, left.get(key), right.get(key))
        for key in keys
        if (key in left) != (key in right) or not same(left[key], right[key])
    ]


def _leaves(info: ModelInfo) -> Iterator[tuple[tuple[str, str], Any]]:
    yield ("record", "framework"), info.framework
    yield ("record", "created"), info.creation_time
    yield ("record", "content"), info.content_digest
    yield ("record", "size"), info.size
    if info.card:
        yield ("record", "card"), info.card
    for key, value in info.extra.items():
        yield ("record", key), value
    for section, values in (("labels", info.labels), ("metadata", info.metadata), ("options", info.options)):
        for key, value in _flat(values):
            yield (section, key), value
    for method, signature in info.signatures.items():
        for key, value in signature.to_dict().items():
            yield ("signatures", f"{method}.{key}"), value
        for key, spec in (("input_spec", signature.input_spec), ("output_spec", signature.output_spec)):
            if spec is not None:  # as people read it, in place of its fields
                yield ("signatures", f"{method}.{key}"), describe_spec(spec)
    for name, entry in info.custom_objects.items():
        yield ("custom objects", name), entry.framework or "kept by core"
    context = info.context
    environment = {**context.framework_versions, "tiffin": context.tiffin_version, "python": context.python_version}
    for name, version in environment.items():
        if version:
            yield ("environment", name), version
    for path, file in info.files.items():
        yield ("files", path), {"size": file.size, "sha256": file.sha256}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
