"""The adapters for PyTorch, TorchScript and Lightning keep what adapters promise."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from tiffin.testing import Subject
from tiffin.testing.suite import AdapterChecks
from tiffin_torch.conformance import subjects


class TestConformance(AdapterChecks):
    """Each check, on each of the adapters' models."""

    @pytest.fixture(params=subjects(), ids=lambda subject: subject.name)
    def subject(self, request: Any) -> Subject:
        """Return one of the models that the package names."""
        return request.param
