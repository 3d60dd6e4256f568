"""Showing text that others wrote: in a terminal, in a decision, in a command that somebody copies.

A stranger's text may move the cursor, turn the direction of writing, fake a line by spaces, or end a command and begin
another. So whatever may come from a model, a remote, a driver or a plugin passes through here before a person reads it.
JSON and YAML output do not: they lose nothing, and have escapes of their own (`is_plain_text` tells for which characters).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

# Printable to Unicode, and yet without a trace on most terminals: fillers, blank symbols, selectors of variants.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SPACES = re.compile(r"^ +| +$|(?<= ) +")
LONG = 200
"""Characters of one text of a stranger's that are shown, where nothing else is said."""


def is_plain_text(text: str) -> bool:
    """Tell whether each character of a text shows as itself, and does nothing else."""
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def shown(text: object, limit: int = LONG, *, spaces: bool = True) -> str:
    r"""Return a text as one line in which nothing is hidden.

    Control characters, line ends, what turns the direction of writing, has no width or leaves no trace, come as Python's
    escapes. So do spaces at the ends and all but the first of several, which could push the rest to where a line begins:
    `\x20`.

    Args:
        text: the text; what is none is written as one.
        limit: characters from which on it is cut, and the cut told; 0 cuts nothing.
        spaces: whether it may have any, as a name of code has not; where not, all of them come as escapes.
    """
    line = _escaped(str(text), "")
    line = _SPACES.sub(lambda found: "\\x20" * len(found[0]), line) if spaces else line.replace(" ", "\\x20")
    return line if not limit or len(line) <= limit else f"{line[:limit]}… ({len(line) - limit} more characters)"


def shown_cells(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Return the texts of a table, each as `shown` gives it, uncut."""
    # Of ten thousand rows, looking at all at once takes two milliseconds, and at each text two hundred.
    whole = f"|{'|'.join(map('|'.join, rows))}|"
    if is_plain_text(whole) and not any(spaces in whole for spaces in ("  ", "| ", " |")):
        return rows
    return [[shown(text, 0) for text in row] for row in rows]


def shown_lines(text: str) -> str:
    """Return a text of several lines as a terminal may get it: line ends and tabs stay, all else is as in `shown`."""
    return text if is_plain_text(text) else _escaped(text, "\n\t")


def command(*words: str) -> str:
    """Return a command to copy, its words quoted for a shell; empty where a word cannot be written visibly.

    A command that cannot be shown as it is must not be offered: nobody could tell what it does.
    """
    return shlex.join(words) if all(map(is_plain_text, words)) else ""


def _escaped(text: str, kept: str) -> str:
    if is_plain_text(text):
        return text
    return "".join(
        character if character in kept or is_plain_text(character) else character.encode("unicode_escape").decode()
        for character in text
    )


def close_names(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return up to `most` of the known names that look like `name`, upper or lower case, the most alike first."""
    import difflib  # only on the way to an error

    by_lower = {one.lower(): one for one in known}
    return [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower, n=most)]
