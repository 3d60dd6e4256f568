"""What a function takes and gives, as its annotations say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tiffin_serve._context import Context
from tiffin_serve._descriptors import JSON, Descriptor, Text
from tiffin_serve._errors import ServeError
from tiffin_serve._files import Fields, File, Image, Multipart
from tiffin_serve._flows import ServerSentEvents, Streamed, TextStream
from tiffin_serve._tables import NumpyNdarray, PandasDataFrame, PandasSeries

_BY_NAME: Mapping[str, Callable[[], Descriptor]] = {
    "numpy.ndarray": NumpyNdarray,
    "pandas.DataFrame": PandasDataFrame,
    "pandas.core.frame.DataFrame": PandasDataFrame,
    "pandas.Series": PandasSeries,
    "pandas.core.series.Series": PandasSeries,
    "PIL.Image.Image": Image,
    "builtins.str": Text,
    "builtins.bytes": lambda: File(as_bytes=True),
    "_io.BytesIO": File,
    "typing.BinaryIO": File,
}
"""The class that a function is annotated with, by its name, and what stands for it; for all others that is JSON."""


class Described(NamedTuple):
    """What a function takes and gives.

    Attributes:
        given: the descriptor of its arguments; `None` where it takes nothing of the body.
        returned: the descriptor of what it returns, or yields.
        context: the argument that gets the request's context; `None` where there is none.
    """

    given: Descriptor | None
    returned: Descriptor
    context: str | None


def describe(function: Callable[..., Any], given: Descriptor | None, returned: Descriptor | None) -> Described:
    """Return what a function takes and gives: what was said of it, else what its annotations say, else JSON.

    Args:
        function: with one argument for the body or none; with several, they are fields of an object, or parts. An
            argument that is annotated `Context` gets the request's context besides.
        given: the descriptor of its arguments, if there is one.
        returned: the descriptor of what it returns, if there is one.

    Raises:
        ServeError: its arguments do not fit the descriptor, or an annotation names what is not there.
    """
    name = getattr(function, "__name__", repr(function))
    hints = _hints(function, name, needed=given is None or returned is None)
    parameters = dict(inspect.signature(function).parameters)
    context = next((key for key in parameters if hints.get(key) is Context), None)
    parameters.pop(context or "", None)
    if returned is None:
        returned = (_of_items if _yields(function) else _of)(hints.get("return"))
    if _yields(function) and not isinstance(returned, Streamed):
        raise ServeError(
            f"The API {name!r} yields, and its output is {returned!r}",
            fix="Say output=TextStream() or ServerSentEvents()",
        )
    return Described(_given(name, parameters, hints, given), returned, context)


def _hints(function: Callable[..., Any], name: str, *, needed: bool) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as error:
        if not needed:
            return getattr(function, "__annotations__", {})
        raise ServeError(
            f"The API {name!r} has an annotation that cannot be read: {error}",
            fix="Import what it names, or say input=… and output=…",
        ) from error


def _given(
    name: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], given: Descriptor | None
) -> Descriptor | None:
    if not parameters:
        return None
    if given is not None and not given.several and len(parameters) == 1:
        return given
    if any(one.kind in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY) for one in parameters.values()):
        raise ServeError(
            f"The API {name!r} takes {', '.join(map(str, parameters.values()))}",
            why="What a body has are arguments with names",
            fix="Name them, as in def api(left, right)",
        )
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    optional = [key for key, one in parameters.items() if one.default is not one.empty]
    if isinstance(given, (Fields, Multipart)):
        missing = [key for key in parameters if key not in (*given.descriptors, *optional)]
        added = [key for key in given.descriptors if key not in parameters]
        if (missing or added) and not open_ended:
            raise ServeError(
                f"The API {name!r} takes {', '.join(parameters)}, and its input has {', '.join(given.descriptors)}",
                fix="Use the same names in both",
            )
        return given
    if given is not None or open_ended:
        raise ServeError(
            f"The API {name!r} takes {', '.join(map(str, parameters.values()))}",
            why="A request has one body, which becomes one argument here",
            fix="Say input=Fields(…) or input=Multipart(…), with a descriptor for each, or annotate them",
        )
    if len(parameters) == 1:
        return _of(next(iter(hints.get(key) for key in parameters)))
    found = {key: _of(hints.get(key)) for key in parameters}
    kind = Fields if all(one.in_json for one in found.values()) else Multipart
    return kind(optional, **found)


def _yields(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _of_items(hint: Any) -> Descriptor:
    """Return what stands for a generator: texts as they are, anything else as events."""
    return TextStream() if typing.get_args(hint)[:1] == (str,) else ServerSentEvents()


def _of(hint: Any) -> Descriptor:
    made = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Descriptor)]
    if made:
        return made[0]  # Annotated[np.ndarray, NumpyNdarray(shape=(-1, 4))]
    name = f"{getattr(hint, '__module__', '')}.{getattr(hint, '__qualname__', '')}"
    if isinstance(origin := typing.get_origin(hint), type):
        name = f"{origin.__module__}.{origin.__qualname__}"  # NDArray[np.float64] is ndarray[…]
    return _BY_NAME.get(name, lambda: JSON(hint))()
