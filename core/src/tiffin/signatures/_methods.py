"""Finding a model's method by name, and reading which arguments a method takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.signatures._text import did_you_mean

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
"""Kinds of parameters that a positional argument can reach, `*args` apart."""

_BY_NAME = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def find_method(obj: Any, name: str, *, error: type[SignatureError] = SignatureError) -> Callable[..., Any]:
    """Return the method of `obj` with this name; for "__call__", `obj` itself.

    Args:
        obj: a model.
        name: the method's name.
        error: the error to raise.

    Raises:
        SignatureError: (or `error`) `obj` has no such method, or what has this name is not callable.
    """
    kind = obj.__name__ if isinstance(obj, type) else type(obj).__name__
    if name == "__call__":
        if callable(obj):
            return obj  # type: ignore[no-any-return]
        raise error(
            f"The model ({kind}) has no method '__call__'",
            why="It is not callable",
            fix=did_you_mean(name, method_names(obj), otherwise="Its methods are"),
            method=name,
        )
    try:
        method = getattr(obj, name)
    except AttributeError as cause:
        raise error(
            f"The model ({kind}) has no method {name!r}",
            # A method that exists in some configurations only says here which one is missing.
            why=str(cause) if inspect.getattr_static(obj, name, None) is not None else "",
            fix=did_you_mean(name, method_names(obj), otherwise="Its methods are"),
            method=name,
        ) from cause
    if callable(method):
        return method  # type: ignore[no-any-return]
    raise error(
        f"{name!r} of the model ({kind}) is not a method",
        why=f"It is a value of type {type(method).__name__}, which cannot be called",
        fix=did_you_mean(name, method_names(obj), otherwise="Its methods are"),
        method=name,
    )


def method_names(obj: Any) -> list[str]:
    """Return the names of the public methods of `obj`, sorted; runs no code of its properties."""
    return [name for name in dir(obj) if not name.startswith("_") and _is_method(obj, name)]


def _is_method(obj: Any, name: str) -> bool:
    member = inspect.getattr_static(obj, name, None)
    if callable(member) or isinstance(member, classmethod):
        return True
    if inspect.isdatadescriptor(member) or isinstance(member, functools.cached_property):
        return False
    # What is left with a __get__ is how libraries make a method depend on a condition: a check, no work.
    return hasattr(type(member), "__get__") and callable(getattr(obj, name, None))


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters of `function` by name in their order, `None` where Python cannot tell (some builtins)."""
    try:
        return inspect.signature(function).parameters
    except (ValueError, TypeError):
        return None


def first_argument(function: Callable[..., Any]) -> str | None:
    """Return the name of the parameter that one positional argument reaches, `None` if there is none or unknown."""
    for parameter in (parameters_of(function) or {}).values():
        if parameter.kind in POSITIONAL:
            return parameter.name
    return None


def collecting_argument(function: Callable[..., Any]) -> str | None:
    """Return the name of the parameter that collects further positional arguments, as `*inputs`; `None` if there is none."""
    for parameter in (parameters_of(function) or {}).values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return parameter.name
    return None


def check_argument(
    function: Callable[..., Any], argument: str, *, method: str, by_keyword: bool, error: type[SignatureError]
) -> None:
    """Check that `function` takes an argument of this name; passes where Python cannot tell.

    Args:
        function: the method.
        argument: the argument's name.
        method: the method's name, for errors.
        by_keyword: whether the argument must be one that can be given by keyword.
        error: the error to raise.

    Raises:
        SignatureError: (or `error`) It does not.
    """
    parameters = parameters_of(function)
    if parameters is None or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    parameter = parameters.get(argument)
    allowed = _BY_NAME if by_keyword else (*_BY_NAME, inspect.Parameter.POSITIONAL_ONLY)
    if parameter is not None and parameter.kind in allowed:
        return
    why = ""
    if parameter is not None:
        positional = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        why = "It is positional-only" if positional else f"'*{argument}' collects positional arguments"
    names = [name for name, known in parameters.items() if known.kind in allowed]
    raise error(
        f"Method {method!r} does not take an argument {argument!r}" + (" by name" if why else ""),
        why=why,
        fix=did_you_mean(argument, names, otherwise="It takes") or "It takes no arguments by name",
        method=method,
    )
