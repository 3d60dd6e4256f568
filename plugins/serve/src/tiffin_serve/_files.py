"""Descriptors of files, images, and bodies of several parts."""

from __future__ import annotations

import io
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tiffin_serve._descriptors import Descriptor
from tiffin_serve._errors import RequestError, ServeError
from tiffin_serve._json_forms import read_json
from tiffin_serve._multipart import Part, read_parts, write_parts

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}


class File(Descriptor):
    """Bytes, whatever they are: the function gets a file to read, and returns one, or bytes.

    Args:
        media_type: what its bodies are said to be.
        as_bytes: whether the function gets bytes in place of a file.
    """

    schema = _BINARY
    kind = "bytes"

    def __init__(self, media_type: str = "application/octet-stream", *, as_bytes: bool = False) -> None:
        self.media_type = media_type
        self._as_bytes = as_bytes

    def read(self, body: bytes) -> Any:
        """Return the bytes, or a file of them."""
        return body if self._as_bytes else io.BytesIO(body)

    def write(self, value: Any) -> bytes:
        """Return the bytes of a file, or the bytes."""
        return bytes(value.read() if hasattr(value, "read") else value)


class Image(Descriptor):
    """An image of pillow's. Needs the extra `tiffin-serve[image]`.

    Args:
        mode: the mode that images are converted to, such as "RGB"; `None` for the one they have.
        media_type: what images that are returned are written as.
        formats: names of formats that are read, as pillow has them.
        pixels: an image may have at most. A small file can stand for a very large one.

    Raises:
        ServeError: pillow is not installed.
    """

    schema = _BINARY
    kind = "bytes"

    def __init__(
        self,
        mode: str | None = None,
        media_type: str = "image/png",
        *,
        formats: Sequence[str] = _FORMATS,
        pixels: int = 50_000_000,
    ) -> None:
        try:
            import PIL.Image
        except ImportError as error:
            raise ServeError(
                "Images need pillow, which is not installed", fix="Try: pip install 'tiffin-serve[image]'"
            ) from error
        self._pillow = PIL.Image
        self.media_type = media_type
        self._mode, self._formats, self._pixels = mode, list(formats), pixels

    def read(self, body: bytes) -> Any:
        """Return the image."""
        try:
            image = self._pillow.open(io.BytesIO(body), formats=self._formats)
            if image.width * image.height <= self._pixels:
                image.load()
                return image if self._mode is None else image.convert(self._mode)
        # What a broken file makes a decoder raise is of many classes.
        except Exception as error:  # noqa: BLE001
            what = f"The body is no image of {', '.join(self._formats)}, or a broken one"
            raise RequestError(400, what, why=type(error).__name__) from None
        raise RequestError(
            413, f"The image has {image.width} x {image.height} pixels", why=f"{self._pixels} are allowed"
        )

    def write(self, value: Any) -> bytes:
        """Return an image, or an array of one, as the bytes of a file."""
        image = value if hasattr(value, "save") else self._pillow.fromarray(value)
        into = io.BytesIO()
        image.save(into, format=self.media_type.partition("/")[2])
        return into.getvalue()


class _Several(Descriptor):
    """Several values with names, which become the arguments of these names."""

    several = True

    def __init__(self, descriptors: Mapping[str, Descriptor], optional: Collection[str]) -> None:
        self.descriptors = dict(descriptors)
        self.optional = frozenset(optional)
        self.schema = {
            "type": "object",
            "properties": {name: dict(one.schema) for name, one in self.descriptors.items()},
            "required": [name for name in self.descriptors if name not in self.optional],
            "additionalProperties": False,
        }

    def _check(self, given: Collection[str]) -> None:
        for name in given:
            if name not in self.descriptors:
                there = ", ".join(self.descriptors)
                raise RequestError(422, f"There is no {name[:80]!r}", fix=f"Send {there}")
        missing = [name for name in self.schema["required"] if name not in given]
        if missing:
            raise RequestError(422, f"The body lacks {', '.join(map(repr, missing))[:300]}")

    def _within(self, name: str, error: RequestError) -> RequestError:
        return RequestError(error.status, f"{name}: {error.what}", why=error.why, fix=error.fix)


class Fields(_Several):
    """An object of JSON, whose values are the arguments of a function with several.

    Args:
        optional: names that may be missing.
        **descriptors: name → what its value is; of those that JSON has a form for.
    """

    def __init__(self, optional: Collection[str] = (), /, **descriptors: Descriptor) -> None:
        for name, one in descriptors.items():
            if not one.in_json:
                raise ServeError(f"{name!r} is {one!r}, which has no form in JSON", fix="Use Multipart")
        super().__init__(descriptors, optional)

    def read(self, body: bytes) -> dict[str, Any]:
        """Return the arguments."""
        found = read_json(body)
        if type(found) is not dict:
            raise RequestError(422, "The body is no object", fix=f"Send an object with {', '.join(self.descriptors)}")
        self._check(found)
        made = {}
        for name, value in found.items():
            try:
                made[name] = self.descriptors[name].value(value, body)
            except RequestError as error:
                raise self._within(name, error) from None
        return made


class Multipart(_Several):
    """Parts with names, multipart/form-data, which become the arguments of these names; or a dict of them, returned.

    Args:
        optional: names that may be missing.
        **descriptors: name → what its part is.
    """

    def __init__(self, optional: Collection[str] = (), /, **descriptors: Descriptor) -> None:
        super().__init__(descriptors, optional)
        self._boundary = secrets.token_hex(16)  # of 128 random bits: nobody puts it into a part
        self.media_type = f"multipart/form-data; boundary={self._boundary}"

    def read(self, body: bytes) -> Any:
        """Refuse a body of which nothing else is known: its type says what is between the parts."""
        return self.take(body, "")

    def take(self, body: bytes, media_type: str) -> dict[str, Any]:
        """Return the arguments."""
        found: dict[str, Part] = {}
        for part in read_parts(body, media_type):
            if part.name in found:
                raise RequestError(422, f"There are two parts {part.name[:80]!r}")
            found[part.name] = part
        self._check(found)
        made = {}
        for name, part in found.items():
            try:
                made[name] = self.descriptors[name].take(part.body, part.media_type)
            except RequestError as error:
                raise self._within(name, error) from None
        return made

    def write(self, value: Any) -> bytes:
        """Return the parts of a dict."""
        made = [
            Part(name, one.media_type, one.write(value[name]))
            for name, one in self.descriptors.items()
            if name in value
        ]
        return write_parts(made, self._boundary)
