"""Tiffin's adapter that only answers: models for tests of what stores, runs and serves models, without a framework.

Stored as JSON. Loading runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tiffin import AdapterInfo, ModelOptions, hookimpl
from tiffin.exceptions import StoreError
from tiffin.info import MAX_JSON, read_json

_FILE = "echo.json"


class EchoError(Exception):
    """What an `Echo` raises that is told to."""


@attrs.frozen
class Echo:
    """A model that answers what it is asked, or what it is told to answer.

    Attributes:
        answer: plain data, as JSON has it; `None` stands for what is asked.
        error: where it is not empty, each call raises an `EchoError` of this text.
        prefix: stands before each text that is answered; the option of the same name replaces it.
    """

    answer: Any = None
    error: str = ""
    prefix: str = ""

    def __call__(self, value: Any, suffix: str = "") -> Any:
        """Return the answer; where it is a text, with the prefix before and `suffix` behind it."""
        if self.error:
            raise EchoError(self.error)
        answer = value if self.answer is None else self.answer
        return f"{self.prefix}{answer}{suffix}" if isinstance(answer, str) else answer

    def predict(self, rows: Any) -> Any:
        """Return the answer to each row: the batch itself, or a list of the one answer."""
        return self(rows) if self.answer is None else [self(row) for row in rows]

    def stream(self, value: Any) -> Iterator[Any]:
        """Yield the answer item by item: a text's letters, a list's items."""
        yield from self(value)


@attrs.frozen(kw_only=True)
class EchoOptions(ModelOptions):
    """The adapter's options.

    Attributes:
        prefix: what a loaded model puts before each text that it answers; `None` leaves it to the model.
    """

    prefix: str | None = None


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores an `Echo`."""
    return AdapterInfo(
        types=["tiffin_echo.Echo"],
        distributions=["tiffin-echo"],
        signatures={
            "__call__": {"batchable": False},
            "predict": {"batchable": True},
            "stream": {"batchable": False, "stream": True},
        },
        options=EchoOptions,
        code_files=(),
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Echo, path: Path) -> None:
    """Write what the model answers."""
    fields = attrs.asdict(model, recurse=False)
    text = json.dumps(fields)
    if json.loads(text) != fields:
        raise TypeError(f"JSON does not keep the answer {model.answer!r} as it is")
    if len(text) > MAX_JSON:
        raise ValueError(f"The answer has {len(text)} bytes as JSON, more than the {MAX_JSON} that are read")
    (path / _FILE).write_text(text, encoding="utf-8")


@hookimpl
def load(path: Path, options: EchoOptions) -> Echo:
    """Read it back, with the prefix that the options give."""
    fields = read_json(path / _FILE)
    prefix = {} if options.prefix is None else {"prefix": options.prefix}
    try:
        return Echo(**{**fields, **prefix})
    except TypeError as error:
        raise StoreError(
            f"The file '{path / _FILE}' holds no Echo: {error}", fix="Save the model again", path=str(path / _FILE)
        ) from error
