"""Files of a stranger's that would do something if they were loaded, harmless as it is."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Bait:
    """Contents that make a folder if code in them runs.

    Args:
        folder: where it would be made.
    """

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "taken"

    @property
    def taken(self) -> bool:
        """Whether code in them has run."""
        return self.marker.exists()

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)

    def pickle(self) -> bytes:
        """Return a pickle."""
        return pickle.dumps(self, 2)

    def contents(self, name: str) -> Iterator[bytes]:
        """Yield what may stand in a file of this name, as formats have it that can hold pickles or calls."""
        yield self.pickle()
        ending = Path(name).suffix.lower()
        if ending in (".yaml", ".yml"):
            yield f"!!python/object/apply:os.mkdir [{str(self.marker)!r}]\n".encode()
        if ending in (".npy", ".npz"):
            yield self._array()
        if ending in (".npz", ".pt", ".pth", ".pt2", ".zip"):
            yield self._archive({"archive/data.pkl": self.pickle(), "archive/version": b"3\n", "a.npy": self._array()})

    def _array(self) -> bytes:
        import numpy

        file = io.BytesIO()
        numpy.save(file, numpy.array([self], dtype=object), allow_pickle=True)
        return file.getvalue()

    def _archive(self, members: dict[str, bytes]) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return file.getvalue()
