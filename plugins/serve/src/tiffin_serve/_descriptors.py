"""What every descriptor is, and those of plain values: JSON and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin_serve._description import example_of
from tiffin_serve._errors import RequestError
from tiffin_serve._json_forms import read_json, write_json
from tiffin_serve._structures import schema_of_hint, structured


class Descriptor:
    """Reads and writes JSON of any form. Base class of all others; one of your own says `read` and `write`.

    Attributes:
        media_type: what its bodies are.
        schema: what they hold, as JSON Schema; empty for anything.
        several: whether `read` returns a dict of arguments.
        kind: what its answers are to a `Client`: json, text, array, frame, series, bytes, texts or events.
    """

    media_type = "application/json"
    schema: Mapping[str, Any] = {}
    several = False
    kind = "json"

    def read(self, body: bytes) -> Any:
        """Return the value that a request's body stands for.

        Raises:
            RequestError: it is not what is expected here.
        """
        return self.value(read_json(body), body)

    def take(self, body: bytes, media_type: str) -> Any:
        """Return the value that a body stands for, given what it says it is, too. Without parameters that is not needed."""
        return self.read(body)

    def value(self, value: Any, text: bytes) -> Any:
        """Return what a value of JSON stands for.

        Args:
            value: as JSON has it.
            text: the body that it stands in.

        Raises:
            RequestError: it is not what is expected here.
        """
        return value

    @property
    def in_json(self) -> bool:
        """Whether it can be one field of an object: it says what a value of JSON stands for, or takes any."""
        kind = type(self)
        return kind.value is not Descriptor.value or kind.read is Descriptor.read

    def write(self, value: Any) -> bytes:
        """Return the body that stands for a value.

        Raises:
            RequestError: the value has no such form.
        """
        return write_json(value)

    def example(self) -> Any:
        """Return a value for people to begin with."""
        return example_of(self.schema)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JSON(Descriptor):
    """Any value that JSON has, or what a class makes of it.

    Args:
        kind: an annotation: a class of pydantic's or attrs', a dataclass, or one such as `list[int]`; what it does not
            allow is refused. `None` for anything.
    """

    def __init__(self, kind: Any = None) -> None:
        self._kind = Any if kind is None else kind
        self.schema = schema_of_hint(self._kind)

    def value(self, value: Any, text: bytes) -> Any:
        """Return what the class makes of a value."""
        return structured(self._kind, value)


class Text(Descriptor):
    """Text in UTF-8."""

    media_type = "text/plain; charset=utf-8"
    kind = "text"
    schema: Mapping[str, Any] = {"type": "string"}

    def read(self, body: bytes) -> str:
        """Return the text."""
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise RequestError(400, f"The body is not text in UTF-8: {error.reason}") from None

    def value(self, value: Any, text: bytes) -> str:
        """Return a text of JSON."""
        return str(structured(str, value))

    def write(self, value: Any) -> bytes:
        """Return the text as bytes."""
        return str(value).encode()
