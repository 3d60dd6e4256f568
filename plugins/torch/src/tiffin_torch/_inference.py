"""A module as runners call it: in evaluation mode, on its device, without gradients."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any

import torch


class Inference:
    """Calls a module's methods without gradients, with tensors moved to its device.

    Args:
        module: the module; changed where a device is given.
        device: "nvidia.com/gpu" or "cpu"; `None` at save: then each call works on a copy, and the module stays as it is.
    """

    def __init__(self, module: Any, device: str | None) -> None:
        self._module = module
        self._device: str | None = None
        if device is not None:
            self._device = "cuda:0" if device == "nvidia.com/gpu" and torch.cuda.is_available() else "cpu"
            _to_evaluation(module).to(self._device)
        self.__signature__ = inspect.signature(getattr(module, "forward", module))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module."""
        return self._run("__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_module"], name)
        if not inspect.ismethod(found):
            return found

        @functools.wraps(found)
        def method(*args: Any, **kwargs: Any) -> Any:
            return self._run(name, args, kwargs)

        return method

    def _run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self._module if self._device is not None else _to_evaluation(copy.deepcopy(self._module))
        with torch.no_grad():
            moved = [self._moved(value) for value in args]
            return getattr(module, name)(*moved, **{key: self._moved(value) for key, value in kwargs.items()})

    def _moved(self, value: Any) -> Any:
        return value.to(self._device) if self._device is not None and isinstance(value, torch.Tensor) else value


def _to_evaluation(module: Any) -> Any:
    return module.eval()
