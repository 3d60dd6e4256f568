"""The custom objects of a version, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiffin.model._handle import Model


class CustomObjects(Mapping[str, Any]):
    """A model's custom objects by name; each is loaded when it is first asked for, and then kept.

    Args:
        model: the version.
        load: loads the object of a name.
    """

    def __init__(self, model: Model, load: Callable[[str], Any]) -> None:
        self._model = model
        self._load = load
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._model.info.custom_objects:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._model.info.custom_objects  # not by loading it, as mappings do by default

    def __iter__(self) -> Iterator[str]:
        return iter(self._model.info.custom_objects)

    def __len__(self) -> int:
        return len(self._model.info.custom_objects)

    def __repr__(self) -> str:
        return f"<custom objects of {self._model.tag}: {', '.join(self) or 'none'}>"
