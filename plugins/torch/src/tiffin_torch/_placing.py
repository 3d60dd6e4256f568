"""Devices and types of elements that options name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from tiffin.exceptions import RunnerError, SignatureError


def device_of(options: Mapping[str, Any]) -> torch.device | None:
    """Return the device that the options name, `None` where they name none.

    Raises:
        SignatureError: there is no such device here.
    """
    name = options.get("device")
    if not name:
        return None
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:  # the second where torch was built without it
        raise SignatureError(
            f"device={name!r} is no device that is here: {str(error).splitlines()[0]}",
            fix="Give 'cpu', or leave it out: then a load is on the CPU, and a runner on what its worker has",
            method="",
        ) from error
    return device


def device_for(resource: str, options: Mapping[str, Any]) -> torch.device:
    """Return where a runner's model runs: where the options say, else on the one GPU that the worker sees, or on the CPU.

    Args:
        resource: "nvidia.com/gpu" or "cpu", what the worker has.
        options: the adapter's.
    """
    gpu = resource == "nvidia.com/gpu" and torch.cuda.is_available()
    return device_of(options) or torch.device("cuda:0" if gpu else "cpu")


@contextlib.contextmanager
def out_of_memory(device: torch.device | None) -> Iterator[None]:
    """Tell of memory that is not there, within the block, as one of Tiffin's errors.

    Raises:
        RunnerError: the model does not fit.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunnerError(
            f"The model does not fit into the memory of {device or 'the device'}: {str(error).splitlines()[0]}",
            why="Its weights, and what other workers and programs have there, are larger than that",
            fix="Give device='cpu', dtype='bfloat16', or fewer workers",
            runner="",
        ) from error


def dtype_of(options: Mapping[str, Any]) -> torch.dtype | None:
    """Return the type of elements that the options name for weights and inputs, `None` where they name none.

    Raises:
        SignatureError: it is none of torch's for floating-point numbers.
    """
    name = options.get("dtype")
    if not name:
        return None
    dtype = getattr(torch, name, None) if isinstance(name, str) else None
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise SignatureError(
            f"dtype={name!r} is no type of floating-point numbers",
            fix="Give one such as 'float32', 'bfloat16' or 'float16', or leave it out",
            method="",
        )
    return dtype


def placed(obj: Any, options: Mapping[str, Any]) -> Any:
    """Return what was loaded, on the device and of the type that the options name: a module, or weights in dicts."""
    device, dtype = device_of(options), dtype_of(options)
    if device is None and dtype is None:
        return obj
    with out_of_memory(device):
        return _placed(obj, device, dtype)


def _placed(obj: Any, device: torch.device | None, dtype: torch.dtype | None) -> Any:
    if isinstance(obj, torch.nn.Module):
        return obj.to(device=device, dtype=dtype)
    if isinstance(obj, torch.Tensor):
        return obj.to(device=device, dtype=dtype if obj.is_floating_point() else None)
    if isinstance(obj, dict):
        for key, value in obj.items():  # in place: it is this load's own, and may be of a class with attributes
            obj[key] = _placed(value, device, dtype)
    return obj
