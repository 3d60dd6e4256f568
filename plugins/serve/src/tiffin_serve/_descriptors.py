"""What every descriptor is, and those of plain values: JSON and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin_serve._errors import RequestError
from tiffin_serve._json_forms import read_json, write_json


class Descriptor:
    """Reads and writes JSON of any form. Base class of all others.

    Attributes:
        media_type: what its bodies are.
        schema: what they hold, as JSON Schema; empty for anything.
    """

    media_type = "application/json"
    schema: Mapping[str, Any] = {}

    def read(self, body: bytes) -> Any:
        """Return the value that a request's body stands for.

        Raises:
            RequestError: it is not what is expected here.
        """
        return read_json(body)

    def write(self, value: Any) -> bytes:
        """Return the body that stands for a value.

        Raises:
            RequestError: the value has no such form.
        """
        return write_json(value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JSON(Descriptor):
    """Any value that JSON has."""


class Text(Descriptor):
    """Text in UTF-8."""

    media_type = "text/plain; charset=utf-8"
    schema: Mapping[str, Any] = {"type": "string"}

    def read(self, body: bytes) -> str:
        """Return the text."""
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise RequestError(400, f"The body is not text in UTF-8: {error.reason}") from None

    def write(self, value: Any) -> bytes:
        """Return the text as bytes."""
        return str(value).encode()
