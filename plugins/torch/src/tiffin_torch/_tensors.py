"""Tensors as a kind of values: batched along an axis, off the gradient graph, sent as bytes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from tiffin.values import Unsendable, ValueKind

from ._dtypes import SIZES


class TensorKind(ValueKind):
    """Dense tensors and parameters, on any device; in another process they are on the CPU."""

    name = "torch.Tensor"
    types = (torch.Tensor, torch.nn.Parameter)

    def count(self, value: Any, axis: int) -> int | None:
        """Return the length of the axis; a number alone has no rows."""
        if not value.ndim:
            return None
        if not -value.ndim <= axis < value.ndim:
            raise ValueError(f"a tensor of shape {tuple(value.shape)} has no axis {axis}")
        return int(value.shape[axis])

    def key(self, value: Any, axis: int) -> Hashable:
        """Return type, device, layout, and shape without the axis."""
        shape = list(value.shape)
        del shape[axis]
        return value.dtype, str(value.device), str(value.layout), value.ndim, tuple(shape)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one tensor, without gradients."""
        with torch.no_grad():
            return torch.cat(list(values), axis)

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return a view."""
        return value.narrow(axis, start, stop - start)

    def own(self, part: Any) -> Any:
        """Return a copy."""
        return part.detach().clone()

    def settle(self, result: Any) -> Any:
        """Return the tensor off the gradient graph, and as one that its callers may change in place."""
        if result.is_inference():
            return result.clone()
        return result.detach() if result.requires_grad else result

    def send(self, value: Any) -> Any:
        """Return type, shape and bytes."""
        name = str(value.dtype).removeprefix("torch.")
        if value.layout is not torch.strided or name not in SIZES:
            raise Unsendable(f"a tensor of layout {value.layout} and type {name}")
        flat = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
        return [name, list(value.shape), flat.view(torch.uint8).numpy()]

    def receive(self, parts: Any) -> Any:
        """Return the tensor, over the bytes that came where they may be written to."""
        name, shape, data = parts
        if (
            name not in SIZES
            or not all(type(length) is int and length >= 0 for length in shape)
            or type(data) is not np.ndarray
            or data.dtype != np.uint8
            or data.shape != (prod(shape) * SIZES[name],)
        ):
            raise ValueError("parts that are no tensor")
        if not data.size:
            return torch.empty(shape, dtype=getattr(torch, name))
        if not data.flags.writeable or data.ctypes.data % SIZES[name]:
            data = data.copy()
        return torch.from_numpy(data).view(getattr(torch, name)).reshape(shape)

    def spec(self, value: Any, axis: int | None) -> Mapping[str, Any]:
        """Return type and shape."""
        shape: list[int | None] = list(value.shape)
        if axis is not None and -len(shape) <= axis < len(shape):
            shape[axis] = None
        return {"type": "array", "dtype": str(value.dtype).removeprefix("torch."), "shape": shape}

    def from_numpy(self, array: Any, spec: Mapping[str, Any]) -> Any:
        """Return a tensor of the spec's type."""
        made = torch.from_numpy(np.ascontiguousarray(array))
        name = spec.get("dtype")
        return made.to(getattr(torch, name)) if name in SIZES else made
