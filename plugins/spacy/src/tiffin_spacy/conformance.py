"""What the conformance kit checks this adapter with: `tiffin plugins check spacy`. Nothing is fetched."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a pipeline with a model of categories, and rules."""
    texts = ["Tiffin is a good thing. Yes.", "a bad thing", "good"]
    return [
        Subject(
            framework="spacy",
            make=pipeline,
            inputs={"__call__": texts[0], "pipe": texts},
            partial_kwargs={"pipe": {"disable": ["textcat"]}},
            parameters=lambda nlp: list(nlp.pipe_names),
            off={
                "split_then_join_is_the_identity": "Inputs are texts and merge; answers are dicts with as many tokens and "
                "entities as their text has, and lists of such count as alike only where these are, which no answer needs."
            },
        )
    ]


def pipeline() -> Any:
    """Return a pipeline that was trained on two texts."""
    import spacy
    from spacy.training import Example
    from spacy.util import fix_random_seed

    fix_random_seed(15)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    small = {"@architectures": "spacy.TextCatBOW.v3", "length": 1024, "ngram_size": 1, "no_output_layer": False}
    nlp.add_pipe("textcat", config={"model": {**small, "exclusive_classes": True}})
    told = [("a good thing", {"GOOD": 1.0, "BAD": 0.0}), ("a bad thing", {"GOOD": 0.0, "BAD": 1.0})]
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": kinds}) for text, kinds in told]
    nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ORG", "pattern": "Tiffin"}])
    return nlp
