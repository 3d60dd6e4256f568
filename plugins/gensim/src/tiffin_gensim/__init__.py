"""Tiffin's adapter for gensim: word vectors and topic models, which gensim itself writes as pickles with arrays beside them.

So does this, with large arrays mapped when they are loaded. Loading runs code that is stored in the file; of a stranger's,
core builds word vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling

_VECTORS = "gensim.models.keyedvectors.KeyedVectors"


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores vectors, models that make such, transformations, and dictionaries."""
    return AdapterInfo(
        types=[_VECTORS, "gensim.models.Word2Vec", "gensim.interfaces.TransformationABC", "gensim.corpora.Dictionary"],
        distributions=["gensim"],
        signatures=default_signatures,
        code_files=pickling.CODE_FILES,
        classes=[_VECTORS],  # numpy alone works on what they hold; models are trained by compiled code
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Pickle the model, what it needs to be trained further included."""
    pickling.dump(model, path)


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Unpickle the model; word vectors that are not trusted are built."""
    return pickling.load(path) if trusted else read("model.pkl")


@hookimpl
def prepare(obj: Any) -> Any:
    """Return the vectors of a model that makes some, which is what is asked; a transformation with a name for its call."""
    if hasattr(obj, "wv") and not hasattr(obj, "dv"):
        return obj.wv
    return Transformation(obj) if default_signatures(obj).keys() == {"transform"} else obj


class Transformation:
    """A transformation whose call has a name, beside its other methods: `model[document]` has none.

    Args:
        model: the transformation.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def transform(self, document: Any) -> Any:
        """Return what the model makes of a document: a bag of words, or the words themselves, as it takes them."""
        return self._model[document]


def default_signatures(model: Any) -> dict[str, dict[str, bool]]:
    """Return the signature of the method that such a model is for. Calls do not merge."""
    from gensim.corpora import Dictionary
    from gensim.interfaces import TransformationABC

    kinds = {Dictionary: "doc2bow", TransformationABC: "transform"}
    other = "infer_vector" if hasattr(model, "dv") else "most_similar"
    return {next((name for kind, name in kinds.items() if isinstance(model, kind)), other): {"batchable": False}}
