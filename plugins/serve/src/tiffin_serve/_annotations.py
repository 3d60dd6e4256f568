"""What a function takes and gives, as its annotations say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from tiffin_serve._descriptors import JSON, Descriptor, Text
from tiffin_serve._errors import ServeError
from tiffin_serve._flows import ServerSentEvents, Streamed, TextStream
from tiffin_serve._tables import NumpyNdarray, PandasDataFrame, PandasSeries

_BY_NAME: Mapping[str, Callable[[], Descriptor]] = {
    "numpy.ndarray": NumpyNdarray,
    "pandas.DataFrame": PandasDataFrame,
    "pandas.core.frame.DataFrame": PandasDataFrame,
    "pandas.Series": PandasSeries,
    "pandas.core.series.Series": PandasSeries,
    "builtins.str": Text,
}
"""The class that a function is annotated with, by its name, and what stands for it; for all others that is JSON."""


def descriptors_of(
    function: Callable[..., Any], given: Descriptor | None, returned: Descriptor | None
) -> tuple[Descriptor | None, Descriptor]:
    """Return what a function takes and gives: what was said of it, else what its annotations say, else JSON.

    Args:
        function: with one argument, or none.
        given: the descriptor of its argument, if there is one.
        returned: the descriptor of what it returns, if there is one.

    Returns:
        Both descriptors; the first is `None` where it takes nothing.

    Raises:
        ServeError: it takes several arguments, or an annotation names what is not there.
    """
    name = getattr(function, "__name__", repr(function))
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) > 1 or any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
        raise ServeError(
            f"The API {name!r} takes {', '.join(map(str, parameters))}",
            why="A request has one body, which becomes one argument",
            fix="Take a dict with JSON(), or a table with PandasDataFrame()",
        )
    if (parameters and given is None) or returned is None:
        try:
            hints = typing.get_type_hints(function)
        except NameError as error:
            raise ServeError(
                f"The API {name!r} has an annotation that cannot be read: {error}",
                fix="Import what it names, or say input=… and output=…",
            ) from error
        if parameters and given is None:
            given = _of(hints.get(parameters[0].name))
        returned = returned or (_of_items if _yields(function) else _of)(hints.get("return"))
    if _yields(function) and not isinstance(returned, Streamed):
        raise ServeError(
            f"The API {name!r} yields, and its output is {returned!r}",
            fix="Say output=TextStream() or ServerSentEvents()",
        )
    return given if parameters else None, returned


def _yields(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _of_items(hint: Any) -> Descriptor:
    """Return what stands for a generator: texts as they are, anything else as events."""
    return TextStream() if typing.get_args(hint)[:1] == (str,) else ServerSentEvents()


def _of(hint: Any) -> Descriptor:
    name = f"{getattr(typing.get_origin(hint) or hint, '__module__', '')}.{getattr(hint, '__qualname__', '')}"
    if isinstance(origin := typing.get_origin(hint), type):
        name = f"{origin.__module__}.{origin.__qualname__}"  # NDArray[np.float64] is ndarray[…]
    return _BY_NAME.get(name, JSON)()
