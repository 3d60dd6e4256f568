"""For adapters of frameworks on top of PyTorch: devices, types of elements, and modules as runners call them.

Imports PyTorch.
"""

from __future__ import annotations

from ._inference import Inference
from ._placing import device_for, device_of, dtype_of, out_of_memory, placed

__all__ = ["Inference", "device_for", "device_of", "dtype_of", "out_of_memory", "placed"]
