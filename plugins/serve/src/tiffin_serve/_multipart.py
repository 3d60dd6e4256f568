"""Bodies of several parts, multipart/form-data: RFC 7578 and RFC 2046."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from tiffin_serve._errors import RequestError

MOST_PARTS = 256
_LONGEST_HEAD = 8192
"""Bytes of a part's headers."""

_BOUNDARY = re.compile(r""";\s*boundary=(?:"([^"\r\n]{1,70})"|([\w'()+,./:=?-]{1,70}))\s*(?:;|$)""", re.I | re.A)
_NAME = re.compile(r""";\s*name="((?:[^"\\\r\n]|\\.)*)\"""", re.I)


class Part(NamedTuple):
    """One part of a body: its name, its media type (empty where it says none), and its bytes."""

    name: str
    media_type: str
    body: bytes


def read_parts(body: bytes, media_type: str) -> list[Part]:
    """Return the parts of a body.

    Args:
        body: all of it.
        media_type: the header Content-Type, which says what is between the parts.

    Raises:
        RequestError: it is no body of parts, has too many, or one without a name.
    """
    if not media_type.lower().startswith("multipart/form-data"):
        raise RequestError(415, f"The body is {media_type[:80] or 'of no type'!r}", fix="Send multipart/form-data")
    found = _BOUNDARY.search(media_type)
    if found is None:
        raise RequestError(400, "The header Content-Type has no boundary", why="It says what is between the parts")
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
    pieces = (b"\r\n" + body).split(mark, MOST_PARTS + 2)
    if len(pieces) > MOST_PARTS + 2:
        raise RequestError(413, f"The body has more than {MOST_PARTS} parts")
    if len(pieces) < 2 or pieces[0] not in (b"", b"\r\n") or not pieces[-1].startswith(b"--"):
        raise RequestError(400, "The body is not complete", why="It does not begin and end with its boundary")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, between, body = piece.partition(b"\r\n\r\n")
    if not between or len(head) > _LONGEST_HEAD or not head.startswith(b"\r\n"):
        raise RequestError(400, "A part of the body has no headers, or very long ones")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    found = _NAME.search(headers.get("content-disposition", ""))
    if found is None:
        raise RequestError(400, "A part of the body has no name", fix='Send Content-Disposition: form-data; name="…"')
    return Part(re.sub(r"\\(.)", r"\1", found[1]), headers.get("content-type", ""), body)


def write_parts(parts: Iterable[Part], boundary: str) -> bytes:
    """Return a body of parts.

    Args:
        parts: names need no escapes.
        boundary: what stands between them; it is in no part.
    """
    pieces = []
    for part in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"\r\nContent-Type: {part.media_type}'
        pieces.append(head.encode() + b"\r\n\r\n" + part.body + b"\r\n")
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
