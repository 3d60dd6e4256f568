"""Runnable: the class whose object a worker holds, and whose methods a runner calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar, overload

from tiffin.exceptions import SignatureError

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__tiffin_method__"


@dataclass(frozen=True)
class RunnableMethod:
    """What a runnable declares of one method.

    Attributes:
        batchable: whether calls may be merged: the method takes many rows and answers with one row for each.
        batch_dim: where the rows lie: a number for all, a pair (inputs, output), or a mapping from the arguments' names
            to axes, `None` for what is not batched.
        idempotent: whether it may run again with the same arguments. If not, a failed batch is not searched for the
            call to blame, and a call is not repeated when its worker dies.
        thread_affine: whether it must run in the thread that made the runnable.
        kind: "call", "async" (a coroutine function), "stream" or "async_stream" (generator functions).
        parameters: names of its positional parameters in order, `self` left out; `None` if they are not known.
        input_spec: what it takes, for documentation and for clients.
        output_spec: what it returns.
    """

    __module__ = "tiffin.runners"  # pickles hold the public name, wherever the file is

    batchable: bool = False
    batch_dim: Any = 0
    idempotent: bool = True
    thread_affine: bool = False
    kind: str = "call"
    parameters: tuple[str, ...] | None = None
    input_spec: Any = field(default=None, compare=False)
    output_spec: Any = field(default=None, compare=False)


class Runnable:
    """Base class of what runners run. Decorate the methods that callers may use with `Runnable.method`.

    Attributes:
        SUPPORTED_RESOURCES: what it can run on, such as ("cpu",) or ("nvidia.com/gpu", "cpu").
        SUPPORTS_CPU_MULTI_THREADING: whether it makes good use of several cores itself, and its methods may be called
            from several threads at once. Decides how many threads BLAS and OpenMP get in a worker.
        HOLDS_GIL: whether its methods hold Python's GIL for long, so that callers in the same process slow them down.
            `backend="auto"` gives such a runnable processes of its own.
    """

    __module__ = "tiffin"  # pickles hold the public name, wherever the file is

    SUPPORTED_RESOURCES: ClassVar[Sequence[str]] = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING: ClassVar[bool] = False
    HOLDS_GIL: ClassVar[bool | None] = None
    runnable_methods: ClassVar[Mapping[str, RunnableMethod]] = {}
    """The methods that runners offer, by name. Filled in for each subclass."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        methods = dict(cls.runnable_methods)
        for name, value in vars(cls).items():
            declared = getattr(value, _MARK, None)
            if declared is not None:
                methods[name] = declared
            elif name in methods and name not in ("runnable_methods",):
                # Overridden without a decorator: still offered, under the declaration that it overrides.
                methods[name] = replace(methods[name], kind=_kind_of(value), parameters=_parameters_of(value))
        cls.runnable_methods = methods

    @overload
    @staticmethod
    def method(function: F, /) -> F: ...

    @overload
    @staticmethod
    def method(
        *,
        batchable: bool = ...,
        batch_dim: Any = ...,
        idempotent: bool = ...,
        thread_affine: bool = ...,
        input_spec: Any = ...,
        output_spec: Any = ...,
    ) -> Callable[[F], F]: ...

    @staticmethod
    def method(
        function: Any = None,
        /,
        *,
        batchable: bool = False,
        batch_dim: Any = 0,
        idempotent: bool = True,
        thread_affine: bool = False,
        input_spec: Any = None,
        output_spec: Any = None,
    ) -> Any:
        """Offer the decorated method to callers of a runner.

        Args:
            function: the method, when used without parentheses.
            batchable: whether calls may be merged.
            batch_dim: where the rows lie: a number, a pair (inputs, output), or a mapping from names to axes.
            idempotent: whether it may run again with the same arguments.
            thread_affine: whether it must run in the thread that made the runnable.
            input_spec: what it takes; not looked at by the runner.
            output_spec: what it returns; not looked at by the runner.

        Raises:
            SignatureError: a coroutine or generator function is declared batchable or thread-affine.
        """

        def declare(target: F) -> F:
            setattr(
                target,
                _MARK,
                declare_method(
                    target,
                    batchable=batchable,
                    batch_dim=batch_dim,
                    idempotent=idempotent,
                    thread_affine=thread_affine,
                    input_spec=input_spec,
                    output_spec=output_spec,
                ),
            )
            return target

        return declare if function is None else declare(function)

    @classmethod
    def add_method(
        cls,
        method: Callable[..., Any],
        name: str,
        *,
        batchable: bool = False,
        batch_dim: Any = 0,
        idempotent: bool = True,
        thread_affine: bool = False,
        parameters: Sequence[str] | None = None,
        input_spec: Any = None,
        output_spec: Any = None,
    ) -> None:
        """Add a method to the class, and offer it to callers of a runner.

        Args:
            method: a function whose first argument is the runnable.
            name: the name to add it under.
            batchable: whether calls may be merged.
            batch_dim: where the rows lie: a number, a pair (inputs, output), or a mapping from names to axes.
            idempotent: whether it may run again with the same arguments.
            thread_affine: whether it must run in the thread that made the runnable.
            parameters: names of its positional parameters, if its own signature does not tell.
            input_spec: what it takes.
            output_spec: what it returns.

        Raises:
            SignatureError: a coroutine or generator function is declared batchable or thread-affine.
        """
        declared = declare_method(
            method,
            batchable=batchable,
            batch_dim=batch_dim,
            idempotent=idempotent,
            thread_affine=thread_affine,
            input_spec=input_spec,
            output_spec=output_spec,
        )
        if parameters is not None:
            declared = replace(declared, parameters=tuple(parameters))
        setattr(cls, name, method)
        cls.runnable_methods = {**cls.runnable_methods, name: declared}


def declare_method(function: Callable[..., Any], **declared: Any) -> RunnableMethod:
    """Return what is declared of a function, with what it says of itself: its kind and its parameters.

    Raises:
        SignatureError: a coroutine or generator function is declared batchable or thread-affine.
    """
    kind = _kind_of(function)
    name = getattr(function, "__name__", repr(function))
    if kind != "call" and (declared.get("batchable") or declared.get("thread_affine")):
        what = "batchable" if declared.get("batchable") else "thread-affine"
        raise SignatureError(
            f"{name!r} is a coroutine or generator function, and declared {what}",
            why="Such methods run unmerged, several at a time",
            fix="Make it an ordinary method, or leave that out",
            method=name,
        )
    from tiffin.batching import BatchAxes  # a worker process makes its runnable without

    BatchAxes.parse(declared.get("batch_dim", 0))
    return RunnableMethod(kind=kind, parameters=_parameters_of(function), **declared)


def _kind_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    # What a decorator made is what is called; `functools.wraps` says only how it is called.
    if inspect.isasyncgenfunction(function):
        return "async_stream"
    if inspect.iscoroutinefunction(function):
        return "async"
    if inspect.isgeneratorfunction(function):
        return "stream"
    return "call"


def _parameters_of(function: Any) -> tuple[str, ...] | None:
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return None  # built in, and tells nothing
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in positional)
