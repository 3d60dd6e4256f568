"""A module of Lightning's, to check the adapter with."""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch import LightningModule
except ModuleNotFoundError:
    from pytorch_lightning import LightningModule

from .conformance import network


class Net(LightningModule):  # type: ignore[misc]
    """A small network."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network()

    def forward(self, rows: Any) -> Any:
        """Return the network's answer."""
        return self.layers(rows)


def make() -> Net:
    """Return a new module; all are equal."""
    return Net()
