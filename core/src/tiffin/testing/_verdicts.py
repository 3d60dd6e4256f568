"""Running checks, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from tiffin.exceptions import ConformanceError
from tiffin.testing._bench import Bench
from tiffin.testing._promise import LEVEL, Check, NotApplicable, checks
from tiffin.testing._subject import Subject

PASSED, FAILED, OFF, NOT_APPLICABLE = "passed", "failed", "off", "not applicable"


@attrs.frozen
class Verdict:
    """What came of one check of one subject.

    Attributes:
        check: the check's name.
        level: its level.
        subject: the subject's name.
        state: "passed", "failed", "off" (it fails, and is switched off with a reason), or "not applicable".
        text: why.
    """

    check: str
    level: str
    subject: str
    state: str
    text: str = ""


def run_check(check: Check, bench: Bench) -> Verdict:
    """Try one check on one subject. Loads what the adapter saved, and starts processes.

    Args:
        check: the check.
        bench: of the subject; where that switches the check off, a failure is what is expected.
    """
    subject = bench.subject

    def verdict(state: str, text: str = "") -> Verdict:
        return Verdict(check.name, check.level, subject.name, state, text)

    reason = subject.off.get(check.name)
    try:
        _try(check, bench)
    except NotApplicable as why:
        return verdict(NOT_APPLICABLE, str(why))
    except ConformanceError as error:
        return verdict(FAILED, str(error)) if reason is None else verdict(OFF, reason)
    if reason is not None:
        return verdict(FAILED, f"It passes although it is switched off ({reason}): take it out of the subject's 'off'")
    return verdict(PASSED)


def _try(check: Check, bench: Bench) -> None:
    try:
        check.function(bench.trial())
    except (ConformanceError, NotApplicable):
        raise
    # An adapter may fail in any way: that is what is looked for.
    except Exception as error:
        raise ConformanceError(
            f"The check {check.name!r} ended in {type(error).__name__}: {error}", why=check.promise, check=check.name
        ) from error


def check_adapter(subjects: Subject | Iterable[Subject], *, level: str = LEVEL) -> list[Verdict]:
    """Try every check of a level on every subject.

    Args:
        subjects: one or more.
        level: see `checks`.

    Returns:
        A verdict for each; the adapter passes where none is "failed".

    Raises:
        ConformanceError: a subject switches off what is no check, or there is no subject.
    """
    tried = [subjects] if isinstance(subjects, Subject) else list(subjects)
    if not tried:
        raise ConformanceError("There is no subject to check", fix="Give at least one tiffin.testing.Subject", check="")
    for subject in tried:
        unknown = sorted(subject.off.keys() - {check.name for check in checks()})
        if unknown:
            raise ConformanceError(
                f"The subject {subject.name!r} switches off {', '.join(unknown)}, which is no check",
                why="The checks are " + ", ".join(check.name for check in checks()),
                check=unknown[0],
            )
    verdicts = []
    for subject in tried:
        with Bench(subject) as bench:
            verdicts += [run_check(check, bench) for check in checks(level)]
    return verdicts
