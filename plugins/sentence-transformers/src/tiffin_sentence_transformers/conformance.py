"""What the conformance kit checks this adapter with: `tiffin plugins check sentence_transformers`. No hub is reached."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject

_WORDS = ("[UNK]", "[PAD]", "a", "small", "model", "reads", "words")


def subjects() -> list[Subject]:
    """Return a model that embeds texts."""
    return [
        Subject(
            framework="sentence_transformers",
            name="embeddings",
            make=embeddings,
            inputs={"encode": ["a model", "reads small words", "words"]},
            partial_kwargs={"encode": {"normalize_embeddings": True}},
            same=_same,
        )
    ]


def tokenizer() -> Any:
    """Return a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return words


def embeddings() -> Any:
    """Return a model that takes the mean of its words' vectors."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, StaticEmbedding

    torch.manual_seed(15)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer(), embedding_dim=8), Dense(8, 4)], device="cpu")


def _same(one: Any, other: Any) -> bool:
    import numpy

    if type(one) is not type(other) or isinstance(one, list):
        return bool(one == other)
    return one.dtype == other.dtype and bool(numpy.allclose(one, other, 1e-5, 1e-6))
