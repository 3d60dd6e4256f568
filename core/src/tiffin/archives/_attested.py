"""Signatures in archives: members beside model.yaml that no record lists."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from typing import Any

from tiffin.archives._reader import Reader
from tiffin.archives._writer import Member
from tiffin.exceptions import BadSignatureError
from tiffin.info import ModelInfo
from tiffin.places import PIECE
from tiffin.signing import check_fits, max_size, signature_names
from tiffin.store import ModelStore


def signature_members(store: ModelStore, info: ModelInfo) -> Iterator[Member]:
    """Yield the signatures of a model's content as members of an archive; as many as there are names for."""
    for name, bundle in zip(signature_names(info.files), store.signatures(info.compute_digest()), strict=False):
        yield Member(name, len(bundle), functools.partial(io.BytesIO, bundle))


def is_signature(path: str, info: ModelInfo) -> bool:
    """Tell whether a member is a signature, and no file of the model."""
    return path in signature_names(info.files)


def read_bounded(stream: Any, info: ModelInfo) -> bytes:
    """Return a member's content, or a little more of it than a signature may have."""
    data = bytearray()
    while len(data) <= max_size(info) and (piece := stream.read(PIECE)):
        data += piece
    return bytes(data)


def check_signature(data: bytes, member: str, info: ModelInfo, reader: Reader) -> bytes:
    """Return a signature from an archive, if it is one of the model.

    Raises:
        DamagedArchiveError: it is not. Whoever changes a signed model leaves this trace, so it is told, not passed over.
    """
    try:
        check_fits(info, data, member)
    except BadSignatureError as error:
        raise reader.damaged(error.what, member) from error
    return data
