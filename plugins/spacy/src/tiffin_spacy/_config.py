"""A pipeline's folder, and what its configuration names: spaCy calls that when it reads the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import spacy
from thinc.api import Config

from tiffin.exceptions import StoreError

_FACTORIES = frozenset({
    "attribute_ruler", "beam_ner", "beam_parser", "entity_ruler", "future_entity_ruler", "lemmatizer", "merge_entities",
    "merge_noun_chunks", "merge_subtokens", "morphologizer", "ner", "parser", "senter", "sentencizer", "span_finder",
    "span_ruler", "spancat", "spancat_singlelabel", "tagger", "textcat", "textcat_multilabel", "tok2vec", "token_splitter",
    "trainable_lemmatizer",
})  # fmt: skip
"""Components that read no more than their own folder, by spaCy's own readers."""
_FUNCTIONS = {
    "@architectures": ("spacy.", "spacy-legacy."),
    "@layers": ("spacy.StaticVectors.", "spacy.FeatureExtractor."),
    "@misc": ("spacy.ngram_", "spacy.preset_spans_", "spacy.levenshtein_", "spacy.prioritize_", "spacy.first_longest_"),
    "@scorers": ("spacy.", "spacy-legacy."),
    "@tokenizers": ("spacy.Tokenizer.",),
    "@vectors": ("spacy.Vectors.",),
}
"""Registry → how names of functions there begin that only build parts; those that other packages register have their own."""
_NOT = ("spacy.TorchBiLSTMEncoder.", "spacy.EntityLinker.", "spacy-legacy.EntityLinker.")
"""Those among them that read by torch, or files of other places."""


def unknown(config: Mapping[str, Any]) -> list[str]:
    """Return what a configuration names, and the list does not, each as "key = value".

    Args:
        config: what config.cfg says. Of its sections only `nlp` and `components` are looked at when a folder is read.
    """
    found = [f"{key} = {value}" for key in ("nlp", "components") for key, value in _names(config.get(key))]
    for name, component in dict(config.get("components") or {}).items():
        factory = component.get("factory") if isinstance(component, Mapping) else None
        if factory not in _FACTORIES:
            found.append(f"factory = {factory}")
        if isinstance(component, Mapping) and "source" in component:
            found.append(f"source of {name}")
    language = dict(config.get("nlp") or {}).get("lang")
    if not (isinstance(language, str) and language.isidentifier()):
        found.append(f"lang = {language}")
    return sorted(set(found))


def _names(section: Any) -> Iterator[tuple[str, Any]]:
    for key, value in section.items() if isinstance(section, Mapping) else enumerate(section):
        if isinstance(value, (Mapping, list, tuple)):
            yield from _names(value)
        elif isinstance(key, str) and key.startswith("@"):
            known = isinstance(value, str) and value.startswith(_FUNCTIONS.get(key, ())) and not value.startswith(_NOT)
            if not known:
                yield key, value


def write(model: Any, folder: Path, others: Path) -> None:
    """Write a pipeline, or copy its folder, and list what is not known, where there is any."""
    if isinstance(model, Path):
        shutil.copytree(model, folder)
    else:
        model.to_disk(folder)
    found = unknown(_config(folder))
    if found:
        others.write_text(json.dumps(found, indent=1), encoding="utf-8")


def read(folder: Path, others: Path, exclude: str) -> Any:
    """Return the pipeline.

    Args:
        folder: its folder.
        others: where there is such a file, the model is trusted.
        exclude: names of components that are left out, with commas between them.

    Raises:
        StoreError: a file is missing or damaged, or the configuration names what is not known and was not said to be there.
    """
    found = unknown(_config(folder))
    if found and not others.exists():
        raise _unreadable(folder, "its config.cfg names " + ", ".join(found[:5]) + ", and its record does not say so")
    try:
        return spacy.load(folder, exclude=[name.strip() for name in exclude.split(",") if name.strip()])
    except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        raise _unreadable(folder, f"{type(error).__name__}: {str(error).strip()[:500]}") from error


def _config(folder: Path) -> Any:
    try:
        return Config().from_disk(folder / "config.cfg", interpolate=False)
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(folder, f"{type(error).__name__}: {str(error).strip()[:500]}") from error


def _unreadable(folder: Path, what: str) -> StoreError:
    return StoreError(
        f"spaCy cannot read '{folder}': {what}",
        why="A file is missing or damaged, a component of another package is not registered in this program, or it is of "
        f"another version of spaCy than {spacy.__version__}",
        fix="Import what registers the pipeline's components first; compare the model's digests (tiffin models verify)",
        path=str(folder),
    )
