"""Which files a service is made of, for starting it anew when one changes."""

from __future__ import annotations

import os
from pathlib import Path

from tiffin_serve._targets import parse_service

_MOST = 5000
"""Files that are looked at."""


def newest(target: str) -> tuple[int, float]:
    """Return how many Python files lie in and below a service's folder, and when the last one was changed."""
    folder = parse_service(target)[0].resolve().parent
    count, last = 0, 0.0
    for place, folders, files in os.walk(folder):
        # Environments and caches lie in hidden folders, or say what they are.
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__")) and not Path(place, name, "pyvenv.cfg").exists()
        ]
        for name in files:
            if name.endswith(".py") and count < _MOST:
                try:
                    last = max(last, Path(place, name).stat().st_mtime)
                except FileNotFoundError:
                    continue  # an editor puts another in its place
                count += 1
    return count, last
