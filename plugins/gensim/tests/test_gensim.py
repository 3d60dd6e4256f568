"""Vectors and models come back; a stranger's vectors are built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import UntrustedModelError

pytestmark = pytest.mark.slow
pytest.importorskip("gensim")


def texts() -> list[list[str]]:
    from tiffin_gensim.conformance import TEXTS

    return TEXTS


def words(**more: Any) -> Any:
    from gensim.models import Word2Vec

    return Word2Vec(texts(), vector_size=6, min_count=1, epochs=2, seed=15, workers=1, **more)


def elsewhere(saved: tiffin.Model, folder: Path) -> tiffin.Model:
    """Return the model as a store gets it that does not know it."""
    store = models.ModelStore(folder / "store")
    return models.import_model(models.export_model(saved.tag, folder / "m.tiffin"), store=store)


def test_a_stranger_s_vectors_are_built(tmp_path: Path) -> None:
    """They are what they were, counts of words included."""
    vectors = words().wv
    loaded = elsewhere(tiffin.save("m", vectors), tmp_path).load()
    assert type(loaded) is type(vectors)
    assert loaded.most_similar("cat") == vectors.most_similar("cat")
    assert loaded.get_vecattr("cat", "count") == vectors.get_vecattr("cat", "count")


def test_a_stranger_s_model_needs_trust(tmp_path: Path) -> None:
    """It names functions, and is trained by compiled code."""
    model = words()
    moved = elsewhere(tiffin.save("m", model), tmp_path)
    with pytest.raises(UntrustedModelError):
        moved.load()
    np.testing.assert_array_equal(moved.load(trust=True).wv.vectors, model.wv.vectors)


def test_a_loaded_model_is_trained_further() -> None:
    """And answers, in a runner, as its vectors."""
    saved = tiffin.save("m", words(sample=0))
    loaded = saved.load()
    before = loaded.wv["cat"].copy()
    loaded.train(texts(), total_examples=len(texts()), epochs=3)
    assert (loaded.wv["cat"] != before).any()
    with saved.to_runner(backend="process") as runner:
        assert runner.run("cat", topn=1) == saved.load().wv.most_similar("cat", topn=1)


def test_each_kind_is_asked_by_its_own_method() -> None:
    """Topics of a bag of words, that bag itself, a document's vector, vectors of parts of words."""
    from gensim.corpora import Dictionary
    from gensim.models import Doc2Vec, FastText, LsiModel
    from gensim.models.doc2vec import TaggedDocument

    known = Dictionary(texts())
    topics = LsiModel([known.doc2bow(text) for text in texts()], num_topics=2, id2word=known)
    documents = [TaggedDocument(text, [number]) for number, text in enumerate(texts())]
    for model, method, asked in (
        (known, "doc2bow", ["cat", "cat"]),
        (topics, "transform", known.doc2bow(["cat"])),
        (Doc2Vec(documents, vector_size=4, min_count=1, epochs=1), "infer_vector", ["cat"]),
        (FastText(texts(), vector_size=4, min_count=1, epochs=1, bucket=40), "most_similar", "cats"),
    ):
        saved = tiffin.save("m", model)
        assert list(saved.info.signatures) == [method]
        with saved.to_runner() as runner:
            answer = runner.run(asked)
        if method != "infer_vector":  # which draws by chance
            asked_here = model.__getitem__ if method == "transform" else getattr(getattr(model, "wv", model), method)
            assert answer == asked_here(asked)
