"""The model card: a text about a model, for people; and its form in Markdown, with what the record says beside it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tiffin.exceptions import MetadataError
from tiffin.info._info import ModelInfo
from tiffin.info._record_limits import MAX_CARD
from tiffin.showing import shown
from tiffin.signatures import describe_spec

_METRICS = 50
"""Numbers of the metadata that are shown."""


def check_card(card: str | None) -> str:
    """Return a card as it is kept: line ends as "\\n"; `None` gives an empty one.

    Raises:
        MetadataError: it is no text, too long, or holds what no text file can hold.
    """
    if card is None:
        return ""
    if not isinstance(card, str):
        raise MetadataError(f"card must be a string of Markdown, not {type(card).__name__}", where="card")
    card = card.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if len(card) > MAX_CARD:
        raise MetadataError(
            f"card has {len(card)} characters",
            why=f"At most {MAX_CARD} are kept, because it is read with every record",
            fix="Keep long texts as files with custom_objects=",
            where="card",
        )
    wrong = [character for character in set(card) - {"\n", "\t"} if unicodedata.category(character) in ("Cc", "Cs")]
    if wrong:
        raise MetadataError(
            f"card holds the character {min(wrong)!r}",
            why="It is no text that people can read",
            fix="Remove it",
            where="card",
        )
    return card


def render_card(info: ModelInfo) -> str:
    """Return a model's card as Markdown: its text, and below it metrics, signatures and record."""
    text = info.card
    parts = [text] if text.startswith("# ") else [f"# {info.tag}", *([text] if text else [])]
    metrics = list(_numbers(info.metadata))
    if metrics:
        rows = [(name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in metrics[:_METRICS]]
        parts += ["## Metrics", _table(("metric", "value"), rows)]
    if info.signatures:
        methods = [
            (
                f"`{shown(method)}`",
                "batchable" if signature.batchable else "one call at a time",
                *(
                    "" if spec is None else describe_spec(spec)
                    for spec in (signature.input_spec, signature.output_spec)
                ),
            )
            for method, signature in info.signatures.items()
        ]
        parts += ["## Signatures", _table(("method", "calls", "input", "output"), methods)]
    parts += ["## Record", _table(("field", "value"), list(_record(info)))]
    return "\n\n".join(parts) + "\n"


def _record(info: ModelInfo) -> Iterator[tuple[str, str]]:
    context = info.context
    versions = {**context.framework_versions, "tiffin": context.tiffin_version, "python": context.python_version}
    yield "tag", str(info.tag)
    yield "framework", info.framework or "- (a raw folder of files)"
    yield "created", info.creation_time.isoformat(timespec="seconds")
    yield "size", f"{info.size} bytes in {len(info.files)} files"
    yield "content", info.content_digest
    if info.labels:
        yield "labels", ", ".join(f"{key}={value}" if value else key for key, value in info.labels.items())
    if info.custom_objects:
        yield "custom objects", ", ".join(info.custom_objects)
    yield "saved with", ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _numbers(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float | int]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{above}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{above}{key}", value


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *((_cell(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    # What is in a record may be a stranger's: it ends no cell, and begins no markup of HTML.
    return shown(text, 0).replace("|", "\\|").replace("<", "&lt;")
