"""Makers: tensors of a stranger's file, over bytes that are there, and nothing else."""

from __future__ import annotations

import collections
from math import prod
from typing import Any

import numpy as np
import torch

from tiffin.building import Maker, Name, require

from ._dtypes import SIZES, STORAGES

_MAX_DIMENSIONS = 64
_SAID = "it makes a tensor otherwise than torch.save does"


def _tensor(arguments: tuple[Any, ...], state: Any) -> torch.Tensor:
    require(state is None and len(arguments) in (6, 7), _SAID)
    return _over(arguments[0], "", *arguments[1:6], metadata=arguments[6:])


def _tensor_of_dtype(arguments: tuple[Any, ...], state: Any) -> torch.Tensor:
    require(state is None and len(arguments) in (7, 8), _SAID)
    dtype = arguments[6]
    require(isinstance(dtype, Name) and dtype.module == "torch" and dtype.name in SIZES, _SAID)
    return _over(arguments[0], dtype.name, *arguments[1:6], metadata=arguments[7:])


def _over(
    storage: Any, name: str, offset: Any, size: Any, stride: Any, needs_gradient: Any, hooks: Any, *, metadata: Any
) -> torch.Tensor:
    require(type(storage) is tuple and len(storage) == 2, _SAID)
    kind, data = storage
    require(type(data) is np.ndarray and data.dtype == np.uint8 and data.ndim == 1 and data.flags.writeable, _SAID)
    require(type(kind) is str and (kind or name) in SIZES and not (kind and name), _SAID)
    dtype: torch.dtype = getattr(torch, kind or name)
    require(type(hooks) is collections.OrderedDict and not hooks, _SAID)
    require(all(part is None or (type(part) is dict and not part) for part in metadata), _SAID)
    require(type(needs_gradient) is bool and (not needs_gradient or dtype.is_floating_point or dtype.is_complex), _SAID)
    width = SIZES[kind or name]
    require(len(data) % width == 0, "it has a storage of another size than its elements")
    # Other bytes than 0 and 1 are no truth values, whatever reads them.
    require(dtype is not torch.bool or not len(data) or data.max() <= 1, "it has truth values that are none")
    count = len(data) // width
    numbers = (offset, *size, *stride) if type(size) is tuple and type(stride) is tuple else (None,)
    require(all(type(number) is int and 0 <= number < 1 << 62 for number in numbers), _SAID)
    require(len(size) == len(stride) <= _MAX_DIMENSIONS, _SAID)
    require(prod(size) <= count and prod(n or 1 for n in size) < 1 << 62, "it has a tensor larger than its storage")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    require(offset <= count if 0 in size else last < count, "it has a tensor that reaches outside of its storage")
    flat = torch.from_numpy(data).view(dtype) if count else torch.empty(0, dtype=dtype)
    made = torch.as_strided(flat, size, stride, offset)
    return made.requires_grad_() if needs_gradient else made


def _parameter(arguments: tuple[Any, ...], state: Any) -> torch.nn.Parameter:
    data, needs_gradient, hooks = arguments
    require(state is None and type(data) is torch.Tensor and type(needs_gradient) is bool, _SAID)
    require(type(hooks) is collections.OrderedDict and not hooks, _SAID)
    require(not needs_gradient or data.is_floating_point() or data.is_complex(), _SAID)
    return torch.nn.Parameter(data, needs_gradient)


def _size(arguments: tuple[Any, ...], state: Any) -> torch.Size:
    (lengths,) = arguments
    require(
        state is None and type(lengths) is tuple and all(type(n) is int and 0 <= n < 1 << 62 for n in lengths), _SAID
    )
    return torch.Size(lengths)


def makers() -> dict[str, Maker]:
    """Return the names that torch's pickles call, and how what they stand for is made."""
    storages = frozenset({*(f"torch.{name}" for name in STORAGES), "torch.storage.UntypedStorage"})
    return {
        "torch._utils._rebuild_tensor_v2": Maker(_tensor, storages),
        "torch._utils._rebuild_tensor_v3": Maker(_tensor_of_dtype, frozenset(f"torch.{name}" for name in SIZES)),
        "torch._utils._rebuild_parameter": Maker(_parameter),
        "torch.Size": Maker(_size),
    }
