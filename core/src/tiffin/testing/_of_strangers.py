"""Checks of what becomes of a stranger's model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from unittest import mock

from tiffin.exceptions import UntrustedModelError
from tiffin.models import inspect
from tiffin.store import ModelStore
from tiffin.testing._bench import Trial
from tiffin.testing._hostile import Bait
from tiffin.testing._promise import check, expect


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    with mock.patch.dict(os.environ, TIFFIN_TRUST_POLICY="ask"):  # whatever the author's own settings say
        yield


@check("2026.11")
def strangers_models_are_built_or_refused(trial: Trial) -> None:
    """A model that nobody trusts is built where its files say only what is allowed, and answers alike, or is refused."""
    model = trial.stranger()
    with _asking():
        found = inspect(model.tag, store=ModelStore(model.path.parents[2]))
        try:
            loaded = model.load()
        except UntrustedModelError as error:
            expect(
                found.verdict == "refused",
                f"The verdict on an untrusted model is {found.verdict!r}, and its load is refused: {error}",
                "Let load read each code file of an untrusted model by `read`, as code_readers say it",
            )
            return
        expect(found.verdict != "refused", "A model that is to be refused was loaded", "Report this to Tiffin")
    trial.expect_same(
        trial.bench.answers(loaded),
        trial.bench.answered,
        "where the model is not trusted",
        "Let load make the same object of what `read` returns",
    )


@check("2026.11")
def hostile_files_run_nothing(trial: Trial) -> None:
    """A stranger's file that holds code in place of the model is refused, or fails, and runs nothing."""
    bait = Bait(trial.folder)
    for name in trial.saved.info.files:
        for content in bait.contents(name):
            model = trial.stranger(**{name: content})
            with _asking(), contextlib.suppress(Exception):
                model.load()
            expect(
                not bait.taken,
                f"A stranger's {name!r} ran code when it was loaded",
                "Name it in code_files, or read it by what runs no code: no pickle, allow_pickle=False, safe loaders",
            )
