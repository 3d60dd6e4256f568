"""Checks of how a stored model runs."""

from __future__ import annotations

import copy
from typing import Any

from tiffin.testing._equality import close, equal
from tiffin.testing._promise import NotApplicable, Trial, check, expect
from tiffin.values import find_kind


def _offered(trial: Trial) -> dict[str, Any]:
    """Return the inputs of the methods that a runner offers and that do not stream."""
    signatures = trial.saved.info.signatures
    offered = {
        method: value
        for method, value in trial.subject.inputs.items()
        if method in signatures and not signatures[method].stream
    }
    if not offered:
        raise NotApplicable("no method of the signatures has an input")
    return offered


@check("2026.11")
def answers_alike_in_another_process(trial: Trial) -> None:
    """A worker process, which has only the stored files, answers as a load here does; values cross and come back."""
    offered = _offered(trial)
    with trial.saved.to_runner(backend="process") as runner:
        answers = {
            method: (runner if method == "__call__" else getattr(runner, method)).run(value)
            for method, value in offered.items()
        }
    trial.expect_same(
        answers,
        trial.answers(trial.saved.load()),
        "in another process",
        "Let save write all that the answers depend on, and give values() for classes of the framework",
    )


@check("2026.11")
def a_batch_equals_its_rows(trial: Trial) -> None:
    """Each batchable method answers a batch as it answers its rows one by one."""
    model = trial.adapter.prepare(trial.saved.load(), trial.saved.info.options, {}, None)
    tried = False
    for method, value in _offered(trial).items():
        signature = trial.saved.info.signatures[method]
        before, after = signature.batch_dim
        if not signature.batchable or not isinstance(before, int):
            continue
        tried = True
        kind = find_kind(value)
        rows = kind.count(value, before) if kind else None
        expect(
            kind is not None and rows is not None and rows > 1,
            f"The input of {method!r} is no batch of two or more rows: {value!r:.200}",
            "Give the Subject a batch as the input of a batchable method",
        )
        assert kind is not None
        assert rows is not None
        whole = getattr(model, method)(copy.deepcopy(value))
        one_by_one = [getattr(model, method)(kind.cut(value, row, row + 1, before)) for row in range(rows)]
        answered = find_kind(whole)
        same = trial.subject.close or (close if trial.subject.same is equal else trial.subject.same)
        expect(
            answered is not None
            and answered.count(whole, after) == rows
            and same(whole, answered.join(one_by_one, after)),
            f"The method {method!r} answers a batch otherwise than its rows: {whole!r:.200} in place of {one_by_one!r:.200}",
            "Declare it as not batchable, or with the batch_dim that it has",
        )
    if not tried:
        raise NotApplicable("no method is batchable along one axis")
