"""What runs in a worker: a pipeline whose answers are plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Running:
    """A pipeline that answers with what its documents say, as spaCy's own JSON has it.

    Args:
        nlp: the pipeline.
    """

    def __init__(self, nlp: Any) -> None:
        self.nlp = nlp

    def __call__(self, text: str, disable: Sequence[str] = ()) -> dict[str, Any]:
        """Return the entities, sentences, categories and tokens of a text.

        Args:
            text: one text.
            disable: names of components that are not asked.
        """
        return dict(self.nlp(text, disable=list(disable)).to_json())

    def pipe(self, texts: Sequence[str], disable: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the same of several texts, a dict for each.

        Args:
            texts: the texts; a list of them is a batch.
            disable: names of components that are not asked.
        """
        return [dict(document.to_json()) for document in self.nlp.pipe(texts, disable=list(disable))]
