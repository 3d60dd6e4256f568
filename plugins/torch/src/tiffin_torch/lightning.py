"""Tiffin's adapter for Lightning: its modules, stored as those of PyTorch are, without the trainer.

Loading runs code that is stored in the pickle.
"""

from __future__ import annotations

import attrs

import tiffin_torch
from tiffin import AdapterInfo, hookimpl

save, load, prepare = tiffin_torch.save, tiffin_torch.load, tiffin_torch.prepare


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores Lightning's modules, by both of its distributions."""
    return attrs.evolve(
        tiffin_torch.context_info(),
        types=["lightning.pytorch.LightningModule", "pytorch_lightning.LightningModule"],
        types_by_name=[],
        paths=False,
        distributions=["torch", ["lightning", "pytorch-lightning"]],
        makers={},
    )
