"""The conformance kit: named checks that an adapter passes or not, with pytest (`tiffin.testing.suite`) or without."""

from __future__ import annotations

from tiffin.testing._bench import Bench, Trial
from tiffin.testing._equality import close, equal
from tiffin.testing._promise import LEVEL, Check, NotApplicable, checks
from tiffin.testing._subject import Subject
from tiffin.testing._verdicts import Verdict, check_adapter, run_check

__all__ = [
    "LEVEL",
    "Bench",
    "Check",
    "NotApplicable",
    "Subject",
    "Trial",
    "Verdict",
    "check_adapter",
    "checks",
    "close",
    "equal",
    "run_check",
]
