"""Partial kwargs: per method, arguments that callers need not give.

They are defaults. Whatever a call gives itself wins, by keyword or by position.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import aclosing
from typing import Any

from tiffin.exceptions import PartialKwargsError
from tiffin.signatures._methods import POSITIONAL, check_argument, find_method, parameters_of

PartialKwargs = dict[str, dict[str, Any]]
"""Method name → argument name → value."""


def check_partial_kwargs(obj: Any, partial_kwargs: Mapping[str, Mapping[str, Any]] | None) -> PartialKwargs:
    """Check that the model has the methods, and these the arguments, that partial kwargs name.

    Args:
        obj: the model. For the method "__call__" it must be callable.
        partial_kwargs: method name → argument name → value. Values are not looked at. Functions whose parameters
            Python cannot tell pass, those with `**kwargs` take any name.

    Returns:
        A copy as plain dicts (the values are the same objects); empty for `None`.

    Raises:
        PartialKwargsError: a method does not exist or is not callable; an argument is not taken, or is
            positional-only; or the form is wrong. The text names what looks alike.
    """
    checked: PartialKwargs = {}
    for method, kwargs in _mapping(partial_kwargs or {}, "partial_kwargs", "").items():
        function = find_method(obj, method, error=PartialKwargsError)
        checked[method] = dict(_mapping(kwargs, f"partial_kwargs[{method!r}]", method))
        for argument in checked[method]:
            check_argument(function, argument, method=method, by_keyword=True, error=PartialKwargsError)
    return checked


def _mapping(value: Any, where: str, method: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise PartialKwargsError(
        f"{where}={value!r} is not a mapping of names",
        fix="Give, for example, {'predict': {'threshold': 0.5}}",
        method=method,
    )


def merge_partial_kwargs(
    base: Mapping[str, Mapping[str, Any]] | None, extra: Mapping[str, Mapping[str, Any]] | None
) -> PartialKwargs:
    """Return the partial kwargs of both, method by method; where both give an argument, `extra` wins.

    Returns new dicts; the values are not copied. `None` counts as empty, but a value `None` is a value.
    """
    merged = {method: dict(kwargs) for method, kwargs in (base or {}).items()}
    for method, kwargs in (extra or {}).items():
        merged.setdefault(method, {}).update(kwargs)
    return merged


def bind_partial(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> Callable[..., Any]:
    """Return `function` with defaults for some of its arguments, which any argument of a call overrides.

    Unlike with `functools.partial`, a positional argument overrides too. The parameters are looked up here, once, and
    not in each call. Where Python cannot tell them (some builtins), a positional argument for a bound name is the
    function's own TypeError.

    Args:
        function: any callable. Coroutine functions, generator functions and asynchronous generator functions give
            their like, as `inspect` tells them.
        kwargs: the defaults by name, as `check_partial_kwargs` accepts them; a changeable value is shared by all calls.

    Returns:
        A function with the name, docstring and signature of `function`; `function` itself if there are no defaults.
    """
    if not kwargs:
        return function
    defaults = _defaults_by_count(function, kwargs)
    last = len(defaults) - 1
    fewest = defaults[last]

    def merged(args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
        return (defaults[len(args)] if len(args) < last else fewest) | given

    # A callable object's __dict__ is its state, which does not belong on a function.
    copied = functools.WRAPPER_UPDATES if inspect.isroutine(function) else ()
    wraps = functools.wraps(function, updated=copied)
    kind = (
        function if inspect.isroutine(function) or isinstance(function, functools.partial) else type(function).__call__
    )

    if inspect.iscoroutinefunction(kind):

        @wraps
        async def call_async(*args: Any, **given: Any) -> Any:
            return await function(*args, **merged(args, given))

        return _named(call_async, function)

    if inspect.isasyncgenfunction(kind):

        @wraps
        async def stream_async(*args: Any, **given: Any) -> AsyncIterator[Any]:
            async with aclosing(function(*args, **merged(args, given))) as stream:
                async for item in stream:
                    yield item

        return _named(stream_async, function)

    if inspect.isgeneratorfunction(kind):

        @wraps
        def stream(*args: Any, **given: Any) -> Generator[Any, Any, Any]:
            return (yield from function(*args, **merged(args, given)))

        return _named(stream, function)

    @wraps
    def call(*args: Any, **given: Any) -> Any:
        # As `merged`, without its call and without a copy where nothing is given: each request of a server passes here.
        left = defaults[len(args)] if len(args) < last else fewest
        return function(*args, **(left | given if given else left))

    return _named(call, function)


def _defaults_by_count(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for each number of positional arguments, the defaults that they leave; the last one stands for more."""
    positional = [parameter for parameter in (parameters_of(function) or {}).values() if parameter.kind in POSITIONAL]
    left = dict(kwargs)
    defaults = [dict(left)]
    for parameter in positional:
        # A positional-only parameter leaves its name free for **kwargs.
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            left.pop(parameter.name, None)
        defaults.append(dict(left))
    while len(defaults) > 1 and len(defaults[-1]) == len(defaults[-2]):
        defaults.pop()
    return defaults


def _named(wrapper: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    if not hasattr(function, "__name__"):  # a callable object, or a functools.partial
        wrapper.__name__ = wrapper.__qualname__ = type(function).__name__
    return wrapper
