"""Checking: a version's examples are replayed, here or in an environment of other versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.models._replaying import CheckReport

LABEL = "check"
"""The label that a verdict is kept as."""


def check(
    tag: str | Tag,
    *,
    with_versions: Iterable[str] = (),
    tolerances: Mapping[str, float] | None = None,
    keep: bool = False,
    store: ModelStore | None = None,
) -> CheckReport:
    """Load a version, replay the examples that it was saved with, and return how near its answers are to those of then.

    Loading runs code where `load` would, and refuses what that refuses.

    Args:
        tag: which version.
        with_versions: requirements, as "kvlib==2.0": the replay runs in a fresh environment with these. It is
            made with venv and pip, from the package index that pip uses here, and removed afterwards. That takes a minute or
            more.
        tolerances: kind of number ("float16", "float32", "float64") → how far two may be apart and be close, relative to
            the larger; default: 1e-2, 1e-4 and 1e-9.
        keep: whether the verdict becomes the version's label `check`.
        store: another store than the default one.

    Returns:
        The report; its `verdict` is "equal", "close" or "different".

    Raises:
        ModelNotFoundError: there is no such version.
        ExamplesError: it has no examples, or they cannot be read.
        UntrustedModelError: it comes from elsewhere, could run code, and is not trusted.
        FreshEnvironmentError: the environment cannot be made, or the model cannot be checked in it.
    """
    from tiffin.models._replaying import replay

    store = store or default_store()
    model = store.get(tag)
    versions = tuple(with_versions)
    if versions:
        from tiffin.models._fresh_environment import replay_with

        report = replay_with(versions, model, store, tolerances)
    else:
        report = replay(model, store.examples(model.info.content_digest), tolerances)
    if keep:
        store.edit(model.tag, labels={LABEL: report.verdict})
    return report
