"""Tensors as a kind of values: batched along an axis, off the gradient graph, sent as bytes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tiffin.values import DenseKind, Unsendable

from ._dtypes import SIZES


class TensorKind(DenseKind):
    """Dense tensors and parameters, on any device; in another process they are on the CPU."""

    name = "torch.Tensor"
    types = (torch.Tensor, torch.nn.Parameter)
    sizes = SIZES

    def dtype_of(self, value: Any) -> str:
        """Return the name, without that of the package."""
        return str(value.dtype).removeprefix("torch.")

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the layout, too."""
        return super().key(value, axis), str(value.layout)

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

    def to_bytes(self, value: Any) -> Any:
        """Return the elements, off the device."""
        if value.layout is not torch.strided:
            raise Unsendable(f"a tensor of layout {value.layout}")
        flat = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy()

    def from_bytes(self, data: Any, dtype: str, shape: list[int]) -> Any:
        """Return the tensor, over the bytes that came where they may be written to."""
        if not data.size:
            return torch.empty(shape, dtype=getattr(torch, dtype))
        if not data.flags.writeable or data.ctypes.data % SIZES[dtype]:
            data = data.copy()
        return torch.from_numpy(data).view(getattr(torch, dtype)).reshape(shape)

    def from_numpy(self, array: Any, spec: Mapping[str, Any]) -> Any:
        """Return a tensor of the spec's type."""
        made = torch.from_numpy(np.ascontiguousarray(array))
        name = spec.get("dtype")
        return made.to(getattr(torch, name)) if name in SIZES else made
