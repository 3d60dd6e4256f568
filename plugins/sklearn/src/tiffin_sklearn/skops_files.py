"""Files of skops: what they would make is listed without skops, and read by skops, with that and nothing else trusted.

A file of skops is a zip archive of arrays and of schema.json, a tree of nodes. Each node names a class or function, and how
it is made (`__module__`, `__class__`, `__loader__`). The nodes are those of skops 0.6 to 0.16.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from tiffin.exceptions import BrokenPluginError, UntrustedModelError
from tiffin.inspection import Inspection, InspectionLimits, Tape, Unfollowable, open_archive

from ._skops_nodes import Nodes

_SCHEMA = "schema.json"
_MAX_SCHEMA = 32 << 20
_MAX_MEMBERS = 100_000
_MAX_NODES = 2_000_000


def inspect(path: Path) -> Inspection:
    """Return what a file would make when skops loads it, and the tape to build it from. Loads and imports nothing.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
    """
    tape = Tape()
    names: tuple[str, ...] = ()
    problems: list[str] = []
    try:
        with path.open("rb") as file, open_archive(file, _MAX_MEMBERS) as archive:
            schema = _schema(archive)
            names = _names(schema)
            members = _Members(archive, path.stat().st_size)
            tape.result = Nodes(tape, members, members.unpack).write(schema)
    except Unfollowable as error:
        problems.append(f"The file cannot be followed: {error}")
    except (TypeError, AttributeError) as error:  # a node that is none
        problems.append(f"The file cannot be followed: {type(error).__name__}: {str(error)[:200]}")
    return Inspection("skops", tuple(sorted({*names, *tape.dotted()})), tuple(problems), tape if not problems else None)


class _Members:
    """Reads members of an archive, each for one node only, and no more than the file bears out.

    Two arrays of one member would change with each other, and each node could copy a long one.
    """

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive = archive
        self._left = InspectionLimits().unpacked(size)
        self._taken: set[str] = set()

    def __call__(self, name: str) -> memoryview:
        if type(name) is not str or name in self._taken:
            raise Unfollowable("it names a member that is none, or one for two nodes")
        self._taken.add(name)
        return self.unpack(self._archive, name)

    def unpack(self, archive: zipfile.ZipFile, name: str) -> memoryview:
        """Return the content of a member of an archive, this one or one that lies in it."""
        entry = archive.getinfo(name)
        self._left -= entry.file_size
        if self._left < 0:
            raise Unfollowable("it unpacks to too much")
        with archive.open(entry) as file:
            # Own memory: an array may be changed by whoever loads it.
            return memoryview(bytearray(file.read(entry.file_size)))


def _schema(archive: zipfile.ZipFile) -> Any:
    names = archive.namelist()
    if names.count(_SCHEMA) != 1:
        raise ValueError(f"it has {len(names)} members, and {names.count(_SCHEMA)} of them are {_SCHEMA}")
    with archive.open(_SCHEMA) as file:
        text = file.read(_MAX_SCHEMA + 1)
    if len(text) > _MAX_SCHEMA:
        raise ValueError(f"{_SCHEMA} is longer than {_MAX_SCHEMA} bytes")
    if (
        text.count(b"{") + text.count(b"[") + text.count(b",") > _MAX_NODES
    ):  # each takes many times the byte it is written in
        raise ValueError(f"{_SCHEMA} holds more than {_MAX_NODES} values")
    return json.loads(text)


def _names(schema: Any) -> tuple[str, ...]:
    """Return all that a schema names, on all levels, as skops lists it; more than what is built of it."""
    found: set[str] = set()
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            module, name, loader = (value.get(key) for key in ("__module__", "__class__", "__loader__"))
            if type(module) is str and type(name) is str and loader != "JsonNode":
                found.add(f"{module}.{name}")
                content = value.get("content")
                if loader == "MethodNode" and isinstance(content, dict):
                    found.add(f"{module}.{name}.{content.get('func')}")
            if {"module_path", "function"} <= value.keys():  # how skops wrote functions at first
                found.add(f"{value['module_path']}.{value['function']}")
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return tuple(found)


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
