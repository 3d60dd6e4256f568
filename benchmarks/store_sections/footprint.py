"""What an installation brings."""

from __future__ import annotations

from measuring import environments
from measuring.results import Figure

from store_sections.options import Options

TITLE = "Installed by `pip install tiffin`"


def measure(options: Options) -> list[Figure]:
    """Return the section's figures."""
    found = environments.distributions(environments.tiffin())
    beside = None
    if options.bentoml:
        beside = ("BentoML, scikit-learn", [float(len(environments.distributions(options.bentoml)))])
    return [Figure("distributions: " + ", ".join(found), [float(len(found))], "", limit=16, beside=beside)]
