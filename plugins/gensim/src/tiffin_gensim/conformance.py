"""What the conformance kit checks this adapter with: `tiffin plugins check gensim`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject

TEXTS = [["cat", "sat", "mat"], ["dog", "ate", "cat"], ["mat", "dog", "sat"]] * 4
"""What the models read."""


def subjects() -> list[Subject]:
    """Return vectors, the model that made them, and weights of words."""
    return [
        Subject(
            framework="gensim",
            name="vectors",
            make=lambda: words().wv,
            inputs={"most_similar": "cat"},
            parameters=lambda vectors: vectors.vectors,
            partial_kwargs={"most_similar": {"topn": 2}},
        ),
        Subject(
            framework="gensim",
            name="Word2Vec",
            make=words,
            inputs={"most_similar": "cat"},
            parameters=lambda model: {"window": model.window, "epochs": model.epochs, "size": model.vector_size},
        ),
        Subject(
            framework="gensim",
            name="tf-idf",
            make=weights,
            inputs={"transform": [(0, 1), (3, 2)]},
            parameters=lambda model: model.idfs,
        ),
    ]


def words() -> Any:
    """Return a model of words."""
    from gensim.models import Word2Vec

    # Each word's vector begins with what Python's hash makes of it, unless that is another function.
    return Word2Vec(TEXTS, vector_size=6, min_count=1, epochs=2, seed=15, workers=1, hashfxn=len)


def weights() -> Any:
    """Return a model that weighs words."""
    from gensim.corpora import Dictionary
    from gensim.models import TfidfModel

    known = Dictionary(TEXTS)
    return TfidfModel([known.doc2bow(text) for text in TEXTS])
