"""Running checks, and what came of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import attrs

from tiffin.exceptions import ConformanceError
from tiffin.testing._promise import LEVEL, Check, NotApplicable, Trial, checks
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


def run_check(check: Check, subject: Subject) -> Verdict:
    """Try one check on one subject, in a temporary folder. Loads what the adapter saved, and starts processes.

    Args:
        check: the check.
        subject: the subject; where it switches the check off, a failure is what is expected.
    """

    def verdict(state: str, text: str = "") -> Verdict:
        return Verdict(check.name, check.level, subject.name, state, text)

    reason = subject.off.get(check.name)
    try:
        _try(check, subject)
    except NotApplicable as why:
        return verdict(NOT_APPLICABLE, str(why))
    except ConformanceError as error:
        return verdict(FAILED, str(error)) if reason is None else verdict(OFF, reason)
    if reason is not None:
        return verdict(FAILED, f"It passes although it is switched off ({reason}): take it out of the subject's 'off'")
    return verdict(PASSED)


def _try(check: Check, subject: Subject) -> None:
    with tempfile.TemporaryDirectory(prefix="tiffin-check-", ignore_cleanup_errors=True) as folder:
        try:
            check.function(Trial(subject, Path(folder)))
        except (ConformanceError, NotApplicable):
            raise
        # An adapter may fail in any way: that is what is looked for.
        except Exception as error:
            raise ConformanceError(
                f"The check {check.name!r} ended in {type(error).__name__}: {error}",
                why=check.promise,
                check=check.name,
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
    return [run_check(check, subject) for subject in tried for check in checks(level)]
