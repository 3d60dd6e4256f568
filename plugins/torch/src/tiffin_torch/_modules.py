"""Modules: their tensors in a file of safetensors' format, and all else in a pickle that names them.

Whoever has the first file reads the weights without this package and without running code.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tiffin import pickling
from tiffin.exceptions import StoreError

from ._dtypes import IN_SAFETENSORS

WEIGHTS = "weights.safetensors"
_reading: ContextVar[dict[str, torch.Tensor]] = ContextVar("_reading")
_UNNAMED = "."
"""Begins the names of tensors that no state_dict has; none of its own begins so."""
_FORMATS = ("channels_last", "channels_last_3d")


def dump(module: Any, path: Path) -> list[str]:
    """Write a module's two files; returns what they do not keep."""
    tensors = _Tensors(module)
    pickling.dump(module, path, reducers={torch.Tensor: tensors.reduce})
    save_file(tensors.content, path / WEIGHTS, metadata={**tensors.aliases, "format": "pt"})
    return tensors.lost


def load(path: Path) -> Any:
    """Return the module, over weights that are mapped, not read. Runs code that is stored in the pickle."""
    token = _reading.set(load_weights(path / WEIGHTS))
    try:
        return pickling.load(path)
    finally:
        _reading.reset(token)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file of safetensors' format, by name, those that have a second name by both.

    Raises:
        StoreError: it is none, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            aliases = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise StoreError(
            f"The weights in '{path}' cannot be read: {error}",
            why="The file is missing, damaged, or of another format",
            fix="Compare the model's digests (tiffin models verify), or save it again",
            path=str(path),
        ) from error
    return tensors | {alias: tensors[name] for alias, name in aliases.items() if name in tensors}


def take(name: str, parameter: bool, gradient: bool, memory_format: str) -> torch.Tensor:
    """Return the tensor that a pickle names, while its module is loaded.

    Raises:
        LookupError: the file of weights does not have it.
    """
    tensors = _reading.get({})
    if name not in tensors:
        raise LookupError(f"{WEIGHTS} has no tensor {name!r}")
    tensor = tensors[name]
    if memory_format:
        tensor = tensor.contiguous(memory_format=getattr(torch, memory_format))
    return torch.nn.Parameter(tensor, gradient) if parameter else tensor.detach().requires_grad_(gradient)


def give_attributes(tensor: torch.Tensor, attributes: dict[str, Any]) -> None:
    """Give a tensor the attributes that it had."""
    vars(tensor).update(attributes)


class _Tensors:
    """The tensors of a module: each is taken out of the pickle, and kept under the name that its state_dict has for it."""

    def __init__(self, module: Any) -> None:
        self.content: dict[str, torch.Tensor] = {}
        self.aliases: dict[str, str] = {}
        self.lost: list[str] = []
        self._names: dict[int, str] = {}
        self._memory: dict[tuple[Any, ...], str] = {}
        # Tensors that are made while the pickle is written must not be freed before it is: others would get their ids.
        self._alive = [
            *module.named_parameters(remove_duplicate=False),
            *module.named_buffers(remove_duplicate=False),
        ]
        for name, tensor in self._alive:
            first = self._names.setdefault(id(tensor), name)
            if first != name:
                self.aliases[name] = first

    def reduce(self, tensor: torch.Tensor) -> Any:
        """Return how a tensor is pickled: by its name. Kinds that the file of weights does not have are left to torch."""
        plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout is torch.strided
        if not plain or tensor.is_meta or str(tensor.dtype).removeprefix("torch.") not in IN_SAFETENSORS:
            return NotImplemented
        parameter = type(tensor) is torch.nn.Parameter
        arguments = (self._name_of(tensor), parameter, tensor.requires_grad, _format_of(tensor))
        attributes = dict(vars(tensor))
        return (take, arguments, attributes, None, None, give_attributes) if attributes else (take, arguments)

    def _name_of(self, tensor: torch.Tensor) -> str:
        self._alive.append(("", tensor))
        name = self._names.get(id(tensor), f"{_UNNAMED}{len(self.content)}")
        kept = tensor.detach()
        if tensor.numel():
            memory = tensor.untyped_storage().data_ptr(), tensor.device
            region = (*memory, tensor.storage_offset(), tensor.dtype, tensor.shape, tensor.stride())
            if region in self._memory:
                return self._alias(name, self._memory[region])
            if memory in self._memory:
                self.lost.append(f"that the tensors {self._memory[memory]!r} and {name!r} share memory")
                kept = kept.clone()
            self._memory |= {region: name, memory: name}
        self.content[name] = kept.cpu().contiguous()
        return name

    def _alias(self, name: str, first: str) -> str:
        if not name.startswith(_UNNAMED):
            self.aliases[name] = first
        return first


def _format_of(tensor: torch.Tensor) -> str:
    if tensor.is_contiguous():
        return ""
    return next(
        (
            name
            for dimensions, name in enumerate(_FORMATS, 4)
            if tensor.dim() == dimensions and tensor.is_contiguous(memory_format=getattr(torch, name))
        ),
        "",
    )
