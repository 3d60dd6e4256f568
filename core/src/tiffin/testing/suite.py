"""The checks as a class of pytest's: derive from it in a test file of the adapter, and override `subject`."""

from __future__ import annotations

import pytest

from tiffin.testing._promise import LEVEL, Check, checks
from tiffin.testing._subject import Subject
from tiffin.testing._verdicts import FAILED, NOT_APPLICABLE, OFF, run_check


class AdapterChecks:
    """One test for each check. A class that derives from it is called `Test…`, and has a fixture `subject`.

    Attributes:
        level: checks that are newer are skipped.
    """

    level = LEVEL

    @pytest.fixture
    def subject(self) -> Subject:
        """Return the subject. Must be overridden."""
        pytest.fail("Override the fixture 'subject': return a tiffin.testing.Subject")

    @pytest.mark.parametrize("check", list(checks()), ids=lambda check: check.name)
    def test_conforms(self, check: Check, subject: Subject) -> None:
        """The adapter keeps the promise."""
        if check not in checks(self.level):
            pytest.skip(f"newer than the level {self.level}")
        verdict = run_check(check, subject)
        if verdict.state == NOT_APPLICABLE:
            pytest.skip(verdict.text)
        if verdict.state == OFF:
            pytest.xfail(verdict.text)
        assert verdict.state != FAILED, verdict.text
