"""What an API of a service takes and gives: descriptors, one for each kind of value.

A descriptor reads a request's body, checks it, and writes the answer's. `Descriptor` is what one of your own derives from.
"""

from __future__ import annotations

from tiffin_serve._descriptors import JSON, Descriptor, Text
from tiffin_serve._files import Fields, File, Image, Multipart
from tiffin_serve._flows import Event, ServerSentEvents, Streamed, TextStream
from tiffin_serve._tables import NumpyNdarray, PandasDataFrame, PandasSeries

__all__ = [
    "JSON",
    "Descriptor",
    "Event",
    "Fields",
    "File",
    "Image",
    "Multipart",
    "NumpyNdarray",
    "PandasDataFrame",
    "PandasSeries",
    "ServerSentEvents",
    "Streamed",
    "Text",
    "TextStream",
]
