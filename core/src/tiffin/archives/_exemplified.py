"""Examples in archives: one member beside model.yaml that no record lists."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from typing import Any

from tiffin.archives._reader import Reader
from tiffin.archives._writer import Member
from tiffin.exceptions import ExamplesError
from tiffin.info import MAX_EXAMPLES, ModelInfo, examples_name
from tiffin.places import PIECE
from tiffin.store import ModelStore


def example_members(store: ModelStore, info: ModelInfo) -> Iterator[Member]:
    """Yield the examples of a model's content as a member of an archive, if there are any and a name is free.

    Raises:
        ExamplesError: they are damaged. Whoever imports the archive would refuse it.
    """
    data, name = store.examples(info.content_digest), examples_name(info.files)
    if data is not None and name is not None:
        from tiffin.examples import check_file  # imports numpy

        check_file(data, f"The file of examples of model '{info.tag}'")
        yield Member(name, len(data), functools.partial(io.BytesIO, data))


def is_examples(path: str, info: ModelInfo) -> bool:
    """Tell whether a member holds examples, and is no file of the model."""
    return path == examples_name(info.files)


def read_examples(stream: Any, member: str, reader: Reader) -> bytes:
    """Return the examples from an archive.

    Raises:
        DamagedArchiveError: they are none. As all of an archive, they are in order or it is refused.
    """
    from tiffin.examples import check_file  # imports numpy

    data = bytearray()
    while len(data) <= MAX_EXAMPLES and (piece := stream.read(PIECE)):
        data += piece
    try:
        check_file(bytes(data), member)
    except ExamplesError as error:
        raise reader.damaged(error.what, member) from error
    return bytes(data)
