"""What the conformance kit checks this adapter with: `tiffin plugins check echo`."""

from __future__ import annotations

import attrs

from tiffin.testing import Subject

from . import Echo


def subjects() -> list[Subject]:
    """Return a model that answers what it is asked, one that answers what it is told to, and one that refuses."""
    asked = {"__call__": "hello", "predict": [1.0, 2.0, 4.0], "stream": ["a", "b"]}
    return [
        Subject(
            framework="echo",
            make=lambda: Echo(prefix="> "),
            inputs=asked,
            options={"prefix": "> "},
            parameters=attrs.asdict,
            partial_kwargs={"__call__": {"suffix": "!"}},
        ),
        Subject(
            framework="echo",
            name="told",
            make=lambda: Echo(answer={"a": [1, 2]}),
            inputs=asked,
            parameters=attrs.asdict,
        ),
        Subject(
            framework="echo",
            name="refuses",
            make=lambda: Echo(error="not now"),
            inputs=asked,
            parameters=attrs.asdict,
            refuses=True,
        ),
    ]
