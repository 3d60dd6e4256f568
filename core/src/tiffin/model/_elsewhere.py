"""Where versions are on this machine, for handles that were pickled on another one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiffin.model._handle import Model

found: ContextVar[Mapping[str, Model]] = ContextVar("tiffin_found", default={})  # noqa: B039 - nobody changes it
"""Tag, as text → the version here; of `found_here`."""


@contextlib.contextmanager
def found_here(models: Mapping[str, Model]) -> Iterator[None]:
    """Let what is unpickled meanwhile, in this context, find versions where they are on this machine.

    Args:
        models: tag, as text → the version here. Others are looked for in the store that they come from.
    """
    token = found.set(models)
    try:
        yield
    finally:
        found.reset(token)
