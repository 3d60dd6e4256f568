"""What is asked for when an object is saved: the arguments of `tiffin.save`, and which of them there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import attrs

from tiffin.tags import Tag


@attrs.define(kw_only=True)
class SaveRequest:
    """An object that is to become a new version, with all that is said of it; see `tiffin.save` for each field."""

    name: str | Tag = attrs.field(kw_only=False)
    model: object = attrs.field(kw_only=False)
    framework: str | None = None
    signatures: Mapping[str, Any] | None = None
    labels: Mapping[str, str] | None = None
    metadata: Mapping[str, Any] | None = None
    card: str | None = None
    custom_objects: Mapping[str, Any] | None = None
    external_modules: Iterable[ModuleType] | None = None
    input_example: Any = None
    examples: Any = None
    partial_kwargs: Mapping[str, Mapping[str, Any]] | None = None
    trial_load: bool = False
    overwrite: bool = False
    options: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def of(cls, name: str | Tag, model: object, arguments: Mapping[str, Any]) -> SaveRequest:
        """Return the request that these keyword arguments of `tiffin.save` make; those that it has not are options."""
        own = {key: value for key, value in arguments.items() if key in ARGUMENTS}
        return cls(name, model, **own, options={k: v for k, v in arguments.items() if k not in ARGUMENTS})


ARGUMENTS = tuple(field.name for field in attrs.fields(SaveRequest) if field.name not in ("name", "model", "options"))
"""Keyword arguments of `tiffin.save`; what is spelled otherwise is taken for an option."""
