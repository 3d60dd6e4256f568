"""The adapter for statsmodels keeps what adapters promise."""

from __future__ import annotations

from typing import Any

import pytest

from tiffin.testing import Subject
from tiffin.testing.suite import AdapterChecks
from tiffin_statsmodels.conformance import subjects


class TestConformance(AdapterChecks):
    """Each check, on each of the adapter's models."""

    @pytest.fixture(params=subjects(), ids=lambda subject: subject.name)
    def subject(self, request: Any) -> Subject:
        """Return one of the models that the adapter's package names."""
        return request.param
