"""Images of PIL: no rows, but items of lists, and they cross. Known by name: nothing here imports PIL."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any

from tiffin.values._kind import Unsendable, ValueKind
from tiffin.values._kind_registry import registry

_MODES = frozenset(
    {"1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX", "RGBa", "La"}
    | {"I;16", "I;16L", "I;16B", "I;16N"}
)
_LARGEST = 1 << 30
"""Pixels of an image from a peer at most."""


class ImageKind(ValueKind):
    """Images, read from files or made: pixels, mode, palette and transparency; what else a file says stays behind."""

    name = "PIL.Image.Image"
    types = ("PIL.Image.Image",)
    subclasses = True

    def key(self, value: Any, axis: int) -> Hashable:
        """Return mode and size: images alike in both may stand in one list."""
        return value.mode, value.size

    def send(self, value: Any) -> Any:
        """Return mode, size, pixels, the palette with its mode, and the transparency."""
        if value.mode not in _MODES:
            raise Unsendable(f"an image of mode {value.mode!r}")
        value.load()
        palette = None
        if value.palette is not None and value.mode in ("P", "PA"):
            palette = [value.palette.mode, bytes(value.getpalette(value.palette.mode))]
        return [value.mode, list(value.size), value.tobytes(), palette, value.info.get("transparency")]

    def receive(self, parts: Any) -> Any:
        """Return the image of these parts."""
        mode, size, pixels, palette, transparency = parts
        width, height = size
        if mode not in _MODES or not 0 <= width * height <= _LARGEST or min(width, height) < 0:
            raise ValueError(f"there is no image of mode {str(mode)[:20]!r} and size {str(size)[:40]}")
        images = sys.modules["PIL.Image"]
        # PIL takes no pixels for an image that has none.
        image = (
            images.frombytes(mode, (width, height), pixels) if width and height else images.new(mode, (width, height))
        )
        if palette is not None:
            rawmode, colors = palette
            image.putpalette(colors, rawmode)
        if transparency is not None:
            image.info["transparency"] = transparency
        return image

    def from_numpy(self, array: Any, spec: Any) -> Any:
        """Return the image of these pixels."""
        return sys.modules["PIL.Image"].fromarray(array)


registry.register(ImageKind())
