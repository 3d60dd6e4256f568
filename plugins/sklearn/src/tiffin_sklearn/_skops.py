"""Files of skops: what they would make is listed without skops, and read by skops, with that and nothing else trusted.

A file of skops is a zip archive of arrays and of schema.json, a tree of nodes. Each node names a class or function, and how
it is made (`__module__`, `__class__`, `__loader__`). The nodes are those of skops 0.6 to 0.16.
"""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tiffin.exceptions import BrokenPluginError, UntrustedModelError
from tiffin.inspection import Inspection

_SCHEMA = "schema.json"
_MAX_SCHEMA = 32 << 20
_MAX_MEMBERS = 100_000
_MAX_PROBLEMS = 20
_PLAIN = frozenset({
    "BytearrayNode", "BytesNode", "CachedNode", "DTypeNode", "DefaultDictNode", "DictNode", "ListNode", "MaskedArrayNode",
    "NdArrayNode", "RandomGeneratorNode", "RandomStateNode", "SetNode", "SliceNode", "SparseMatrixNode", "TupleNode",
    "TypeNode", "_DictWithDeprecatedKeysNode",
})  # fmt: skip
"""Nodes that hold data, or make what their class says of data only."""
_MADE = frozenset({"ConstructorFromReduceNode", "FunctionNode", "LossNode", "ObjectNode", "SGDNode", "TreeNode"})
"""Nodes that make an instance of what they name, or are it."""
_CALLS = frozenset({"MethodNode", "OperatorFuncNode", "PartialNode"})
"""Nodes that stand for a call."""


def inspect(path: Path) -> Inspection:
    """Return what a file would make when skops loads it. Loads and imports nothing.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            schema = _schema(archive)
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError, ValueError, KeyError,
        MemoryError,
    ) as error:  # fmt: skip
        return Inspection("skops", (), (f"The file cannot be followed: {type(error).__name__}: {error}",))
    nodes = _Nodes()
    nodes.follow(schema)
    return Inspection("skops", tuple(sorted(nodes.names)), tuple(nodes.problems))


def _schema(archive: zipfile.ZipFile) -> Any:
    names = archive.namelist()
    if len(names) > _MAX_MEMBERS or names.count(_SCHEMA) != 1:
        raise ValueError(f"it has {len(names)} members, and {names.count(_SCHEMA)} of them are {_SCHEMA}")
    with archive.open(_SCHEMA) as file:
        text = file.read(_MAX_SCHEMA + 1)
    if len(text) > _MAX_SCHEMA:
        raise ValueError(f"{_SCHEMA} is longer than {_MAX_SCHEMA} bytes")
    return json.loads(text)


class _Nodes:
    """The names and problems of a tree of nodes."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.problems: list[str] = []

    def follow(self, schema: Any) -> None:
        """Note what a schema names, on all levels."""
        pending = [schema]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                if value.keys() & {"__module__", "__class__", "__loader__"}:
                    self._node(value)
                if {"module_path", "function"} <= value.keys():  # how skops wrote functions at first
                    self.names.add(f"{value['module_path']}.{value['function']}")
                pending += value.values()
            elif isinstance(value, list):
                pending += value

    def _node(self, node: dict[str, Any]) -> None:
        module, name, loader = (node.get(key) for key in ("__module__", "__class__", "__loader__"))
        if not (isinstance(module, str) and isinstance(name, str) and isinstance(loader, str)) or "." in name:
            self._problem("it has a node that does not say what it is")
            return
        if loader == "JsonNode":
            if module != "builtins":
                self._problem(f"it takes {module}.{name} for a plain value")
            return
        self.names.add(f"{module}.{name}")
        if loader in _MADE:
            # numpy's own classes, called with chosen arguments, make arrays of what lies in memory.
            if module.partition(".")[0] in ("numpy", "builtins"):
                self._problem(f"it makes {module}.{name} otherwise than skops does")
        elif loader in _CALLS:
            content = node.get("content")
            method = content.get("func") if loader == "MethodNode" and isinstance(content, dict) else None
            self.names.add(f"{module}.{name}.{method}" if isinstance(method, str) else f"{module}.{name}")
        elif loader not in _PLAIN:
            self._problem(f"it has a node of the unknown kind {loader}")

    def _problem(self, text: str) -> None:
        if text not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)


def load(path: Path) -> Any:
    """Load a file with skops. Whoever calls this has asked for trust in all that `inspect` lists of the file.

    Args:
        path: the file.

    Raises:
        BrokenPluginError: skops is not installed.
        UntrustedModelError: skops would make something that `inspect` does not list.
    """
    try:
        from skops.io import get_untrusted_types
        from skops.io import load as skops_load
    except ImportError as error:
        raise BrokenPluginError(
            f"The file {path.name} is one of skops, which is not installed",
            why="MLflow saves estimators in this format by default",
            fix="Try: pip install 'tiffin-sklearn[skops]'",
            plugin="sklearn",
        ) from error
    untrusted = get_untrusted_types(file=path)
    if unlisted := sorted(set(untrusted) - set(inspect(path).names)):
        raise UntrustedModelError(
            f"The file {path.name} was not loaded: skops would make {', '.join(unlisted[:5])}, which the file does not show",
            why="So nobody was asked whether that may be",
            fix="Do not trust who made it",
            tag="", names=tuple(unlisted), problems=(),
        )  # fmt: skip
    return skops_load(path, trusted=untrusted)
