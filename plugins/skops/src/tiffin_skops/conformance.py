"""What the conformance kit checks this adapter with: `tiffin plugins check skops`."""

from __future__ import annotations

import attrs

from tiffin.testing import Subject
from tiffin_sklearn import conformance


def subjects() -> list[Subject]:
    """Return the models that scikit-learn's own adapter is checked with, taken by name."""
    return [attrs.evolve(subject, framework="skops", by_name=True) for subject in conformance.subjects()]
