"""What the conformance kit checks these adapters with: `tiffin plugins check torch`, and so torchscript and lightning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return modules, stored in both ways, an exported program, weights, what TorchScript compiled, and Lightning's."""
    import torch

    rows = torch.linspace(-1, 1, 20).reshape(5, 4)

    def subject(framework: str, name: str, make: Callable[[], Any], **more: Any) -> Subject:
        more = {"inputs": {"__call__": rows}, "same": torch.equal, "close": torch.allclose, **more}
        return Subject(framework=framework, name=name, make=make, **more)

    found = [
        subject("torch", "module", network),
        subject("torch", "whole", network, options={"format": "whole"}),
        subject("torch", "program", _exported),
        subject("torch", "weights", lambda: network().state_dict(), inputs={}, by_name=True),
        subject("torchscript", "scripted", _scripted),
    ]
    try:
        from ._lightning_module import make
    except ModuleNotFoundError:
        return found
    return [*found, subject("lightning", "lightning", make)]


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
