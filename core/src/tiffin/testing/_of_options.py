"""Checks of an adapter's options."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

import attrs

from tiffin.testing._bench import Trial
from tiffin.testing._hostile import Bait
from tiffin.testing._promise import NotApplicable, check, expect

_WRONG: Mapping[type, tuple[Any, ...]] = {
    str: (7, ["a"]),
    bool: ("os.system", 7),
    int: ("os.system", [1]),
    float: ("os.system", [1]),
    list: ("os.system", 7),
    tuple: ("os.system", 7),
    dict: ("os.system", 7),
}
"""What no option of a type takes."""


@check("2026.11")
def options_are_kept(trial: Trial) -> None:
    """Options that a user gives are recorded as they were given."""
    if not trial.subject.options:
        raise NotApplicable("the subject has no options")
    recorded = trial.saved.info.options
    lost = {name: value for name, value in trial.subject.options.items() if recorded.get(name) != value}
    expect(not lost, f"The options {lost!r} are recorded as {dict(recorded)!r}", "Return from save what it was given")


@check("2026.11")
def wrong_options_are_refused(trial: Trial) -> None:
    """Options that the adapter does not have, or that are of another type than it declares, are refused at save."""
    declared = _declared(trial)
    tried = [("no_such_option", 1)]
    tried += [(name, wrong) for name, value in declared.items() for wrong in _WRONG.get(type(value), ())]
    model = trial.subject.make()
    for name, wrong in tried:
        try:
            trial.save(model, **{name: wrong})
        # In which way it is refused is the adapter's affair.
        except Exception:  # noqa: BLE001
            continue
        expect(
            False,
            f"A save takes the option {name}={wrong!r}",
            "Declare options as a subclass of tiffin.ModelOptions: what its annotations say is kept to",
        )


@check("2026.11")
def options_run_nothing(trial: Trial) -> None:
    """An option that is a text, and names a module or a file, makes nothing of theirs run: others write the records."""
    texts = [name for name, value in _declared(trial).items() if value is None or isinstance(value, str)]
    if not texts:
        raise NotApplicable("the adapter has no option that takes a text")
    bait = Bait(trial.folder)
    (trial.folder / "tiffin_bait.py").write_text(f"import os\nos.mkdir({str(bait.marker)!r})\nrun = print\n")
    (trial.folder / "bait.pkl").write_bytes(bait.pickle())
    model = trial.subject.make()
    sys.path.insert(0, str(trial.folder))
    try:
        for name in texts:
            for value in ("tiffin_bait", "tiffin_bait.run", str(trial.folder / "bait.pkl")):
                with contextlib.suppress(Exception):
                    trial.bench.answers(trial.save(model, **{name: value}).load())
                sys.modules.pop("tiffin_bait", None)
                expect(
                    not bait.taken,
                    f"The option {name}={value!r} ran what it names",
                    "Choose by a list of the adapter's own: MODES[options.mode], never by import or getattr",
                )
    finally:
        sys.path.remove(str(trial.folder))


def _declared(trial: Trial) -> dict[str, Any]:
    """Return the options with their defaults, or what the subject gives for them."""
    declared = trial.adapter.info.options
    if declared is None:
        raise NotApplicable("the adapter has no options")
    if isinstance(declared, type):
        fields = (field for field in attrs.fields(declared) if field.init)
        defaults = {field.alias or field.name: field.default for field in fields}
    else:
        defaults = dict(declared)
    defaults.pop("partial_kwargs", None)
    return {**defaults, **trial.subject.options}
