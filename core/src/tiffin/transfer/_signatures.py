"""Signatures in archives: members beside model.yaml that no record lists."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

from tiffin.exceptions import BadSignatureError
from tiffin.info import ModelInfo
from tiffin.signing import SIGNATURE_NAMES, check_fits, max_size, signature_names
from tiffin.store import ModelStore
from tiffin.transfer._read import Reader
from tiffin.transfer._write import Member


def signature_members(store: ModelStore, info: ModelInfo) -> Iterator[Member]:
    """Yield the signatures of a model's content as members of an archive."""
    for name, data in zip(signature_names(info.files), store.signatures(info.compute_digest()), strict=False):
        yield Member(name, len(data), lambda data=data: io.BytesIO(data))  # type: ignore[misc]


def may_be_signature(path: str) -> bool:
    """Tell whether a member is a signature, unless the model has a file of that name."""
    return path in SIGNATURE_NAMES


def size_limit(path: str, info: ModelInfo) -> int | None:
    """Return how many bytes a member may have that is a signature; `None` if it is none."""
    return max_size(info) if path in signature_names(info.files) else None


def read_signature(file: str, member: str, info: ModelInfo, reader: Reader) -> bytes:
    """Take an unpacked signature out of the staging folder and return it.

    Raises:
        DamagedArchiveError: it is not a signature of the model. Whoever changes a signed model leaves this trace, so it is
            told rather than passed over.
    """
    with open(file, "rb") as opened:
        data = opened.read(max_size(info) + 1)
    os.unlink(file)
    try:
        check_fits(info, data, member)
    except BadSignatureError as error:
        raise reader.damaged(error.what, member) from error
    return data
