"""YAML as records are written: plain values, each of the type that it looks like, and nothing else.

YAML lets a file name types (`!!int`, `!!python/…`) and merge mappings (`<<`). No record needs that, and some of it takes time
out of all proportion. Here a value's type follows from its look alone: a named one is an error, in the same pass.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 100
"""Levels within each other. The records of models have at most some 70, and a thousand crash the parser in C."""
MAX_NUMBER = 5000
"""Characters that a number or time may have: reading one takes longer than its length says."""

_KEPT = ("null", "bool", "int", "float", "timestamp", "str", "seq", "map")
_PREFIX = "tag:yaml.org,2002:"
_OWN = "tag:tiffin:"
_loaders: list[Any] = []


def load_yaml(text: bytes | str) -> Any:
    """Return the plain data that a text holds.

    Raises:
        yaml.YAMLError: it is not YAML, names types, or is nested too deeply.
        ValueError, UnicodeDecodeError, RecursionError: a value in it is none, or too long.
    """
    import yaml

    return yaml.load(text, Loader=_loader())


def _loader() -> Any:
    if _loaders:
        return _loaders[0]
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """Knows only the types that values look like, under names which no text can spell."""

        yaml_constructors: dict[Any, Any] = {}  # noqa: RUF012 - yaml's own form
        yaml_multi_constructors: dict[Any, Any] = {}  # noqa: RUF012
        _depth = 0

        def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
            """Return the type that a value looks like."""
            tag: str = super().resolve(kind, value, implicit)
            name = tag.removeprefix(_PREFIX)
            return _own(name if name in _KEPT else "str")

        def descend_resolver(self, current_node: Any, current_index: Any) -> None:
            """Count the levels, before the next one is read."""
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} levels deep")

        def ascend_resolver(self) -> None:
            """Count the levels."""
            self._depth -= 1

    for name in _KEPT:
        made = base.yaml_constructors[_PREFIX + name]
        Loader.yaml_constructors[_own(name)] = _bounded(made) if name in ("int", "float", "timestamp") else made
    Loader.yaml_constructors[None] = base.yaml_constructors[None]
    _loaders.append(Loader)
    return Loader


def _own(name: str) -> str:
    # A text can spell any tag but one that holds a character which YAML refuses.
    return f"{_OWN}{name}\0"


def _bounded(made: Any) -> Any:
    def construct(loader: Any, node: Any) -> Any:
        if len(node.value) > MAX_NUMBER:
            raise ValueError(f"a number has {len(node.value)} characters, and at most {MAX_NUMBER} are read")
        return made(loader, node)

    return construct
