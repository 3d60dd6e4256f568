"""A module as runners call it: in evaluation mode, on its device, off the gradient graph."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ._placing import device_for, dtype_of, out_of_memory


class Inference:
    """Calls a module's methods in inference mode, with tensors moved to its device.

    The module itself also takes numpy's arrays, as tensors; its other methods get what they are given.

    Args:
        module: the module, or a function of TorchScript's; changed where a device is given.
        device: "nvidia.com/gpu" or "cpu"; `None` at save: then it works on a copy, and the module stays as it is.
        options: the adapter's: `device` goes before what the runner has, `dtype`, and `gradients` for modules that
            need them in their own methods.
    """

    def __init__(self, module: Any, device: str | None, options: Mapping[str, Any]) -> None:
        self._module = module
        self._gradients = bool(options.get("gradients"))
        self._device = self._dtype = None
        self._is_copy = device is not None
        if device is not None:
            self._dtype = dtype_of(options)
            self._device = device_for(device, options)
            if isinstance(module, torch.nn.Module):
                with out_of_memory(self._device):
                    self._module = _to_evaluation(module).to(self._device)
        self.__signature__ = _signature(getattr(module, "forward", module))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module."""
        return self._run("__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_module"], name)
        if not (inspect.ismethod(found) or isinstance(found, torch.ScriptMethod)):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._run(name, args, kwargs)

        functools.update_wrapper(method, found)
        method.__signature__ = _signature(found)  # type: ignore[attr-defined]
        return method

    def _run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._is_copy:
            self._module, self._is_copy = _copy_of(self._module), True
        arrays = name in ("__call__", "forward")
        with contextlib.nullcontext() if self._gradients else torch.inference_mode():
            return getattr(self._module, name)(*self._moved(args, arrays), **self._moved(kwargs, arrays))

    def _moved(self, value: Any, arrays: bool) -> Any:
        if type(value) in (list, tuple):
            return type(value)(self._moved(item, arrays) for item in value)
        if type(value) is dict:
            return {key: self._moved(item, arrays) for key, item in value.items()}
        if arrays and isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            value = torch.from_numpy(value if value.flags.writeable else value.copy())
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(self._device, self._dtype if value.is_floating_point() else None)


def _copy_of(module: Any) -> Any:
    if not isinstance(module, torch.nn.Module):
        return module
    # Weights are not copied: they may fill half the memory, and nothing that infers changes them.
    return _to_evaluation(copy.deepcopy(module, {id(weight): weight for weight in module.parameters()}))


def _to_evaluation(module: Any) -> Any:
    # What torch.export made has its mode within its graph, and refuses to be asked.
    with contextlib.suppress(NotImplementedError):
        module.eval()
    return module


def _signature(function: Any) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        kinds = {False: inspect.Parameter.POSITIONAL_OR_KEYWORD, True: inspect.Parameter.KEYWORD_ONLY}
        return inspect.Signature(
            [
                inspect.Parameter(
                    argument.name,
                    kinds[argument.kwarg_only],
                    default=argument.default_value if argument.has_default_value() else inspect.Parameter.empty,
                )
                for argument in function.schema.arguments
                if argument.name != "self"
            ]
        )
