"""Golden examples: inputs and what a model answered, kept without pickle; and how near other answers come to these."""

from __future__ import annotations

from tiffin.examples._example_file import Example, Recording, check_file, read_file
from tiffin.examples._nearness import CLOSE, DIFFERENT, EQUAL, TOLERANCES, Nearness, compare, read_tolerances, worst
from tiffin.examples._packing import Packed, pack, unpack, unpack_inert
from tiffin.examples._recording import Examples, device_of, record

__all__ = [
    "CLOSE",
    "DIFFERENT",
    "EQUAL",
    "TOLERANCES",
    "Example",
    "Examples",
    "Nearness",
    "Packed",
    "Recording",
    "check_file",
    "compare",
    "device_of",
    "pack",
    "read_file",
    "read_tolerances",
    "record",
    "unpack",
    "unpack_inert",
    "worst",
]
