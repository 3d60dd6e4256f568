"""What the conformance kit checks these adapters with: `tiffin plugins check torch`, and so torchscript and lightning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tiffin.testing import Subject, equal


def subjects() -> list[Subject]:
    """Return modules, stored in both ways, an exported program, weights, what TorchScript compiled, and Lightning's."""
    import torch

    rows = torch.linspace(-1, 1, 20).reshape(5, 4)

    def subject(framework: str, name: str, make: Callable[[], Any], **more: Any) -> Subject:
        more = {"inputs": {"__call__": rows}, "same": same, "close": torch.allclose, **more}
        return Subject(framework=framework, name=name, make=make, **more)

    found = [
        subject("torch", "module", network, parameters=parameters),
        subject("torch", "whole", network, options={"format": "whole"}, parameters=parameters),
        subject("torch", "program", _exported),
        subject("torch", "weights", lambda: network().state_dict(), inputs={}, by_name=True),
        subject("torchscript", "scripted", _scripted),
    ]
    try:
        from ._lightning_module import make
    except ModuleNotFoundError:
        return found
    return [*found, subject("lightning", "lightning", make, parameters=parameters)]


def same(first: Any, second: Any) -> bool:
    """Tell whether two tensors, or what else is compared, are equal."""
    import torch

    return torch.equal(first, second) if isinstance(first, torch.Tensor) else equal(first, second)


def parameters(module: Any) -> dict[str, Any]:
    """Return the mode that a module is in, and of each parameter its type, shape, and whether it is trained."""
    kinds = {name: (str(one.dtype), list(one.shape), one.requires_grad) for name, one in module.named_parameters()}
    return {"training": module.training, **kinds}


def network() -> Any:
    """Return a small module whose evaluation mode differs from its training mode."""
    import torch

    torch.manual_seed(15)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.5))


def _exported() -> Any:
    import torch

    return torch.export.export(network().eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("rows")},))


def _scripted() -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(network())
