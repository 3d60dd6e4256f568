"""Attestations in archives: members beside model.yaml that no record lists."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiffin.archives._reader import Reader
from tiffin.archives._writer import Member
from tiffin.exceptions import BadSignatureError
from tiffin.info import ModelInfo, attestation_names, max_attestation_size
from tiffin.places import PIECE
from tiffin.plugins import check_attestation, proves
from tiffin.store import ModelStore


def attestation_members(store: ModelStore, info: ModelInfo, version: Path) -> Iterator[Member]:
    """Yield the attestations of a model's content as members of an archive; as many as there are names for.

    Args:
        store: the store.
        info: the model's record.
        version: the version's folder.
    """
    names, found = attestation_names(info.files), store.attestations(info.compute_digest())
    if len(found) > len(names):
        found.sort(key=lambda data: not proves(info, version, data))
    for name, data in zip(names, found, strict=False):
        yield Member(name, len(data), functools.partial(io.BytesIO, data))


def is_attestation(path: str, info: ModelInfo) -> bool:
    """Tell whether a member is an attestation, and no file of the model."""
    return path in attestation_names(info.files)


def read_attestation(stream: Any, member: str, info: ModelInfo, reader: Reader) -> bytes:
    """Return an attestation from an archive, unless it is not one of the model.

    Raises:
        DamagedArchiveError: it is not. Whoever changes a signed model leaves this trace, so it is told, not passed over.
    """
    data = bytearray()
    while len(data) <= max_attestation_size(info) and (piece := stream.read(PIECE)):
        data += piece
    try:
        check_attestation(info, bytes(data), member)
    except BadSignatureError as error:
        raise reader.damaged(error.what, member) from error
    return bytes(data)
