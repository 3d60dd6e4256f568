"""Options: what an adapter needs to know to load and call a model as it was saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import attrs

from tiffin.exceptions import SignatureError
from tiffin.info._option_types import declared_types, fit
from tiffin.info._plain import plain_mapping
from tiffin.showing import close_names

Self = TypeVar("Self", bound="ModelOptions")


@attrs.frozen(kw_only=True)
class ModelOptions:
    """Options that every model has. An adapter that needs more derives from this class, as an attrs class.

    Attributes:
        partial_kwargs: per method, keyword arguments that are given to every call unless the call gives its own.
    """

    __module__ = "tiffin"  # pickles hold the public name, wherever the file is

    partial_kwargs: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    def with_options(self: Self, **changes: Any) -> Self:
        """Return a copy with `changes`.

        Raises:
            SignatureError: a name is not an option of this class.
        """
        changed: Self = options_from(type(self), {**options_to_dict(self), **changes})
        return changed


RESERVED_OPTIONS = frozenset(
    {
        "check",
        "custom_objects",
        "examples",
        "external_modules",
        "framework",
        "input_example",
        "labels",
        "metadata",
        "model",
        "name",
    }
    | {"overwrite", "signatures", "store", "tag", "trial_load", "trust"}
)
"""What no option may be called: arguments of save and load, now or soon."""

Declared = type[ModelOptions] | Mapping[str, Any] | None


def option_names(declared: Declared) -> list[str]:
    """Return the names of the options that an adapter declares, by which they are given."""
    if isinstance(declared, type):
        return [field.alias or field.name for field in attrs.fields(declared) if field.init]
    return ["partial_kwargs", *(declared or {})]


def options_from(declared: Declared, given: Mapping[str, Any], *, beside: Iterable[str] = ()) -> Any:
    """Return the options that an adapter's hooks receive.

    A class's annotations are kept to, also inside lists and dicts, and what they call a tuple is one, though a record holds a
    list. In a dict of defaults the type of each default is kept to alike; what has the default `None` is of any type.
    Attributes with a converter are left to that.

    Args:
        declared: what the adapter declares: its options class, a dict of defaults, or `None` for no options of its own.
        given: what a user passed or a record holds.
        beside: names of arguments that stand beside the options where a user writes them: one may be meant.

    Returns:
        An instance of the class; a plain dict where the adapter declared a dict or nothing.

    Raises:
        SignatureError: an option is unknown, has another type than the class declares, or the class refused its value.
    """
    known = option_names(declared)
    for name in given:
        if name not in known:
            close = close_names(name, [*known, *beside], 1)
            raise SignatureError(
                f"Unknown option {name!r}",
                why="Options are what the adapter declares: " + ", ".join(sorted(known)),
                fix=f"Did you mean {close[0]!r}?" if close else "",
                method="",
            )
    if isinstance(declared, type):
        try:
            return declared(**_fitting(declared, given))
        except (TypeError, ValueError) as error:
            raise SignatureError(f"Options for {declared.__name__} were refused: {error}", method="") from error
    try:
        return {
            **(declared or {}),
            **{name: _like(value, (declared or {}).get(name), name) for name, value in given.items()},
        }
    except TypeError as error:
        raise SignatureError(f"Options were refused: {error}", method="") from error


def _like(value: Any, default: Any, name: str) -> Any:
    """Return a value as its default says: of the same type, a whole number being as good as any other."""
    kind = type(default)
    if name == "partial_kwargs" or kind not in (bool, int, float, str, bytes, list, tuple, dict):
        return value
    return fit(value, int | float if kind in (int, float) else kind, name)


def _fitting(declared: type[ModelOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    kinds = declared_types(declared)  # type: ignore[arg-type]  # a class has a hash, whatever its instances have
    fields = {field.alias or field.name: field for field in attrs.fields(declared)}
    return {
        name: value
        if fields[name].converter is not None or fields[name].name not in kinds or name == "partial_kwargs"
        else fit(value, kinds[fields[name].name], name)
        for name, value in given.items()
    }


def options_to_dict(options: Any) -> dict[str, Any]:
    """Return options, an attrs instance or a mapping, as a dict of plain values, empty partial kwargs left out.

    Raises:
        MetadataError: a value has no plain form.
    """
    values = options
    if attrs.has(type(options)):
        # By the names that the class takes, so that it can be made again from what is recorded.
        values = {
            field.alias or field.name: getattr(options, field.name)
            for field in attrs.fields(type(options))
            if field.init
        }
    result = plain_mapping(values, "options")
    if not result.get("partial_kwargs", True):
        del result["partial_kwargs"]
    return result
