"""The runnable of a stored model: core's default, made from the model's signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tiffin.runners._runnable import Runnable
from tiffin.signatures import bind_partial, find_method


class StoredRunnable(Runnable):
    """Loads a model, and offers its methods with its partial keyword arguments merged in."""

    load: ClassVar[Callable[[], Any]]
    partial_kwargs: ClassVar[Mapping[str, Mapping[str, Any]]]

    def __init__(self) -> None:
        self.model = type(self).load()
        # Bound once: looking at a method's signature takes longer than many a call of it.
        self._bound = {
            name: bind_partial(find_method(self.model, name), self.partial_kwargs.get(name, {}))
            for name in self.runnable_methods
        }


def make_runnable(
    load: Callable[[], Any],
    signatures: Mapping[str, Any],
    partial_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    name: str = "StoredRunnable",
    supported_resources: Sequence[str] = ("cpu",),
    supports_cpu_multi_threading: bool = False,
    holds_gil: bool | None = None,
) -> type[Runnable]:
    """Return a runnable class that loads a model when it is instantiated, and offers the methods of its signatures.

    Args:
        load: returns the model; called once for each worker, in the worker. Must go through cloudpickle for back ends
            in other processes.
        signatures: method name to what is known of it: an object with `batchable` and `batch_dim`, and perhaps
            `idempotent`, `thread_affine`, `stream`, `parameters`, `input_spec` and `output_spec`.
        partial_kwargs: method name to keyword arguments that every call gets unless it brings its own.
        name: the class's name.
        supported_resources: what the model can run on.
        supports_cpu_multi_threading: whether it makes good use of several cores, and may be called by several threads.
        holds_gil: whether its methods hold the GIL for long; `None` if nobody says.

    Raises:
        BatchInputError: a signature's batch_dim is none.
    """
    namespace: dict[str, Any] = {
        "__doc__": f"A stored model's methods: {', '.join(signatures)}.",
        "SUPPORTED_RESOURCES": tuple(supported_resources),
        "SUPPORTS_CPU_MULTI_THREADING": supports_cpu_multi_threading,
        "HOLDS_GIL": holds_gil,
        "load": staticmethod(load),
        "partial_kwargs": dict(partial_kwargs or {}),
    }
    made: type[Runnable] = type(name, (StoredRunnable,), namespace)
    for method, signature in signatures.items():
        made.add_method(
            (_forward_stream if getattr(signature, "stream", False) else _forward)(method),
            method,
            batchable=signature.batchable,
            batch_dim=signature.batch_dim,
            idempotent=getattr(signature, "idempotent", True),
            thread_affine=getattr(signature, "thread_affine", False),
            parameters=getattr(signature, "parameters", None),
            input_spec=getattr(signature, "input_spec", None),
            output_spec=getattr(signature, "output_spec", None),
        )
    return made


def _forward(name: str) -> Callable[..., Any]:
    """Return a method that calls the model's method of this name."""

    def forward(self: StoredRunnable, /, *args: Any, **kwargs: Any) -> Any:
        return self._bound[name](*args, **kwargs)

    forward.__name__ = forward.__qualname__ = name
    return forward


def _forward_stream(name: str) -> Callable[..., Any]:
    """Return a generator function that yields the items of the model's method of this name."""

    def forward(self: StoredRunnable, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from self._bound[name](*args, **kwargs)

    forward.__name__ = forward.__qualname__ = name
    return forward
