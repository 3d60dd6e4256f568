"""Names of ONNX: types of elements, and those of inputs, which Python may not take for arguments."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

# As the proto and as the runtime call it; bfloat16 and smaller types have no counterpart of numpy's own.
_TYPES = {
    1: ("float", "float32"), 2: ("uint8", "uint8"), 3: ("int8", "int8"), 4: ("uint16", "uint16"), 5: ("int16", "int16"),
    6: ("int32", "int32"), 7: ("int64", "int64"), 9: ("bool", "bool"), 10: ("float16", "float16"),
    11: ("double", "float64"), 12: ("uint32", "uint32"), 13: ("uint64", "uint64"),
}  # fmt: skip
RUNTIME = {f"tensor({name})": dtype for name, dtype in _TYPES.values()}
"""What the runtime calls a tensor → numpy's name of its elements."""


def dtype_of(number: int) -> str | None:
    """Return numpy's name of a proto's type of elements, `None` where it has none."""
    return _TYPES.get(number, (None, None))[1]


def argument_names(names: Iterable[str]) -> list[str]:
    """Return names that Python takes for arguments, in the order of the inputs: "input.1" becomes "input_1"."""
    found: list[str] = []
    for name in names:
        made = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not made.isidentifier() or keyword.iskeyword(made):
            made = f"_{made}"
        while made in found:
            made += "_"
        found.append(made)
    return found
