"""The adapter for Flax keeps what adapters promise."""

from __future__ import annotations

from typing import Any

import pytest

from tiffin.testing import Subject
from tiffin.testing.suite import AdapterChecks

pytestmark = pytest.mark.slow


def subjects() -> list[Subject]:
    """Return those of the package, where its framework is there."""
    pytest.importorskip("flax")
    from tiffin_flax import conformance

    return conformance.subjects()


class TestConformance(AdapterChecks):
    """Each check, on each of the adapter's models."""

    @pytest.fixture(params=subjects(), ids=lambda subject: subject.name)
    def subject(self, request: Any) -> Subject:
        """Return one of the models that the package names."""
        return request.param
