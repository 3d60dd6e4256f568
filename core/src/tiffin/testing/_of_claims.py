"""Checks of what an adapter claims and says of itself."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions

from tiffin.exceptions import ModelTypeError
from tiffin.plugins import registry
from tiffin.testing._bench import Trial
from tiffin.testing._promise import NotApplicable, check, expect


class _Stranger:
    """An object of nobody's framework."""


@check("2026.11")
def claims_its_models(trial: Trial) -> None:
    """Saving without naming an adapter finds this one, unless it takes the model only by name."""
    if trial.subject.by_name:
        raise NotApplicable("the adapter takes the model only by name")
    made = trial.subject.make()
    found = registry().adapter_for(made).name
    expect(
        found == trial.subject.framework,
        f"The adapter {found!r} is found for an object of type {type(made).__qualname__}",
        "Name the class, or one that it derives from, in the field 'types' of context_info",
    )


@check("2026.11")
def claims_no_others(trial: Trial) -> None:
    """An adapter of some classes does not take dicts, texts, numbers and objects of classes that it does not know."""
    if "builtins.object" in (*trial.adapter.info.types, *trial.adapter.info.types_by_name):
        raise NotApplicable("the adapter claims every object")
    others: tuple[object, ...] = ({}, [], "text", 1, _Stranger())
    for value in others:
        with contextlib.suppress(ModelTypeError):
            trial.adapter.check_type(value)
            expect(
                (isinstance(value, str) and trial.adapter.info.paths) or _claimed_by_name(trial, value),
                f"The adapter takes an object of type {type(value).__qualname__}",
                "Name only classes of the framework in the field 'types' of context_info",
            )


def _claimed_by_name(trial: Trial, value: object) -> bool:
    # Plain data may be a framework's models too, as a dict of weights, where somebody says so.
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}" in trial.adapter.info.types_by_name


@check("2026.11")
def every_method_has_an_input(trial: Trial) -> None:
    """The subject has an input for each method that the adapter offers, so that all of them are tried."""
    asked = trial.saved.info.signatures.keys() - trial.subject.inputs.keys()
    expect(
        not asked,
        f"Nothing is known of {', '.join(sorted(asked))}, which the saved model offers",
        "Give the Subject an input for it: inputs={'method': value}",
    )


@check("2026.11")
def records_versions(trial: Trial) -> None:
    """The record has the version of each distribution that the adapter names, or of a twin, and of its framework's own."""
    recorded = {_normal(name) for name in trial.saved.info.context.framework_versions}
    for named in trial.adapter.info.distributions:
        twins = [named] if isinstance(named, str) else list(named)
        expect(
            bool(recorded.intersection(map(_normal, twins))),
            f"No version is recorded of {' or '.join(twins)}, which is not installed under this name",
            "Name the framework's distribution in context_info, twins in a list of their own",
        )
    owners = _distributions(trial)
    if not owners and not recorded:
        raise NotApplicable("the framework comes with Python, or with no distribution")
    expect(
        not owners or bool(recorded.intersection(map(_normal, owners))),
        f"No version is recorded of {' or '.join(sorted(owners))}, which brings the class of the model",
        "Name it in the field 'distributions' of context_info, so that a load under another version can warn",
    )


def _distributions(trial: Trial) -> set[str]:
    """Return the distributions that bring the claimed class of the subject's model."""
    claimed = {
        dotted.partition(".")[0] for dotted in (*trial.adapter.info.types, *trial.adapter.info.types_by_name)
    } - sys.stdlib_module_names
    owners = _installed()
    tops = {ancestor.__module__.partition(".")[0] for ancestor in type(trial.subject.make()).__mro__}
    return {owner for top in claimed & tops for owner in owners.get(top, ())}


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()  # reads the files of all that is installed


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
