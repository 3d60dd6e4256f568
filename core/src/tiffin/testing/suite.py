"""The checks as a class of pytest's: derive from it in a test file of the adapter, and override `subject`."""

from __future__ import annotations

from typing import Any

import pytest

from tiffin.testing._bench import Bench
from tiffin.testing._promise import LEVEL, Check, checks
from tiffin.testing._subject import Subject
from tiffin.testing._verdicts import FAILED, NOT_APPLICABLE, OFF, run_check


class AdapterChecks:
    """One test for each check. A class that derives from it is called `Test…`, and has a fixture `subject`.

    A check that does not apply to the subject passes, and stands in the summary with its reason; one that is switched off is
    an expected failure.

    Attributes:
        level: there are no tests of checks that are newer.
    """

    level = LEVEL

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each check of the level."""
        if "check" in metafunc.fixturenames:
            metafunc.parametrize("check", list(checks(self.level)), ids=lambda check: check.name)

    @pytest.fixture
    def subject(self) -> Subject:
        """Return the subject. Must be overridden."""
        pytest.fail("Override the fixture 'subject': return a tiffin.testing.Subject")

    def test_conforms(
        self,
        check: Check,
        subject: Subject,
        record_property: Any,
        request: pytest.FixtureRequest,
    ) -> None:
        """The adapter keeps the promise."""
        verdict = run_check(check, _bench(subject, request))
        if verdict.state == NOT_APPLICABLE:
            record_property("not applicable", verdict.text)
            _Summary.of(request.config).add(f"{subject.framework}: {check.name}: {verdict.text}", subject.name)
        if verdict.state == OFF:
            pytest.xfail(verdict.text)
        assert verdict.state != FAILED, verdict.text


_BENCHES = pytest.StashKey[dict[str, Bench]]()


def _bench(subject: Subject, request: pytest.FixtureRequest) -> Bench:
    """Return what all tests of a class share that are about one subject."""
    node = request.node.getparent(pytest.Class)
    known: dict[str, Bench] = node.stash.setdefault(_BENCHES, {})
    if subject.name not in known:
        known[subject.name] = bench = Bench(subject)
        node.addfinalizer(bench.close)
    return known[subject.name]


class _Summary:
    """Tells at the end of a run which checks had nothing to say, and why."""

    name = "tiffin-conformance"

    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}

    @classmethod
    def of(cls, config: pytest.Config) -> _Summary:
        """Return the one of this run."""
        known = config.pluginmanager.get_plugin(cls.name)
        if known is None:
            known = cls()
            config.pluginmanager.register(known, cls.name)
        assert isinstance(known, cls)
        return known

    def add(self, what: str, subject: str) -> None:
        """Note one, of one subject."""
        self._said.setdefault(what, []).append(subject)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print them."""
        terminalreporter.section("conformance checks that do not apply")
        for what, subjects in self._said.items():
            terminalreporter.line(f"{what} ({', '.join(subjects)})")
