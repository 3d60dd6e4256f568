"""Checks of how a stored model runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from tiffin.testing._bench import Trial
from tiffin.testing._promise import NotApplicable, check, expect

_THREADS = 4


def _ask(trial: Trial, runner: Any) -> dict[str, Any]:
    """Return what each method of a runner answers."""
    inputs = trial.offered() if not trial.subject.refuses else trial.subject.inputs
    return {
        method: trial.bench.ask((runner if method == "__call__" else getattr(runner, method)).run, value)
        for method, value in inputs.items()
    }


@check("2026.11")
def answers_alike_in_a_runner(trial: Trial) -> None:
    """A runner in this process answers as the model does."""
    if not trial.subject.inputs:
        raise NotApplicable("the subject has no inputs")
    with trial.bench.served.to_runner() as runner:
        trial.expect_same(
            _ask(trial, runner),
            trial.bench.answered,
            "in a runner",
            "Let prepare change nothing that answers depend on",
        )


@check("2026.11")
def answers_alike_in_another_process(trial: Trial) -> None:
    """A worker process, which has only the stored files, answers all methods alike; to attached programs, too."""
    if not trial.subject.inputs:
        raise NotApplicable("the subject has no inputs")
    for runner, where in ((trial.bench.runner, "in another process"), (trial.bench.client, "to an attached program")):
        trial.expect_same(
            _ask(trial, runner),
            trial.bench.answered,
            where,
            "Let save write all that the answers depend on, and give values() for classes of the framework",
        )


@check("2026.11")
def answers_alike_from_several_threads(trial: Trial) -> None:
    """Several threads at once get what each would get alone: of a runner, and of the model where that is declared."""
    trial.offered()
    _expect_alike(trial, lambda: _ask(trial, trial.bench.runner), "a runner")
    if trial.adapter.info.cpu_multi_threading:
        model = trial.saved.load()
        _expect_alike(trial, lambda: trial.bench.answers(model), "the model")


def _expect_alike(trial: Trial, ask: Callable[[], dict[str, Any]], whom: str) -> None:
    alone, together = ask(), Barrier(_THREADS)

    def one() -> dict[str, Any]:
        together.wait(60)
        return ask()

    with ThreadPoolExecutor(_THREADS) as pool:
        answers = [future.result() for future in [pool.submit(one) for _ in range(_THREADS)]]
    for answer in answers:
        trial.expect_same(
            answer,
            alone,
            f"where several threads ask {whom}",
            "Leave out cpu_multi_threading, or say thread_affine in the signatures",
        )


@check("2026.11")
def partial_kwargs_reach_the_method(trial: Trial) -> None:
    """Keyword arguments that are saved with a model are given to each call that does not bring its own."""
    given = trial.subject.partial_kwargs
    if not given:
        raise NotApplicable("the subject has no partial_kwargs")
    inputs = trial.offered()
    unasked = sorted(given.keys() - inputs.keys())
    expect(not unasked, f"partial_kwargs name {unasked}, which have no input", "Give the Subject an input for them")
    saved = trial.save(trial.subject.make(), partial_kwargs=given)
    with_kwargs, without = saved.to_runnable()(), trial.bench.served.to_runnable()()
    for method, kwargs in given.items():
        trial.expect_same(
            {method: trial.bench.ask(getattr(with_kwargs, method), inputs[method])},
            {method: trial.bench.ask(getattr(without, method), inputs[method], **kwargs)},
            "with partial_kwargs",
            "Return from save the options that it was given, partial_kwargs among them",
        )
