"""What the conformance kit checks this adapter with: `tiffin plugins check echo`."""

from __future__ import annotations

from tiffin.testing import Subject

from . import Echo


def subjects() -> list[Subject]:
    """Return a model that answers what it is asked, and one that answers what it is told to."""
    asked = {"__call__": "hello", "predict": [1.0, 2.0, 4.0], "stream": ["a", "b"]}
    return [
        Subject(framework="echo", make=lambda: Echo(prefix="> "), inputs=asked, options={"prefix": "> "}),
        Subject(framework="echo", name="told", make=lambda: Echo(answer={"a": [1, 2]}), inputs=asked),
    ]
