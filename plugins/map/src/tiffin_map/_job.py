"""The job's own record beside its output: by it a later run knows that it goes on with the same work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from tiffin_map._defaults import BAD_ROWS, FORMATS
from tiffin_map._errors import MapError
from tiffin_map._parts import BAD_PART, JOB, SUMMARY, Output

_WORDS = {
    "format": "the format",
    "content_digest": "the model",
    "method": "the method",
    "input": "the input",
    "columns": "the columns that the model is given",
    "keep": "the columns that are passed through",
    "types": "the columns' types",
    "as": "the form in which the model is given rows",
    "row_number": "the column with the rows' numbers",
    "batch_rows": "rows of a batch",
    "part_rows": "rows of a part",
}
"""What makes a job this one and no other: what is written in `_job.json`, and what it is for people."""


@attrs.frozen(kw_only=True)
class Summary:
    """What a finished job did.

    Attributes:
        tag: the model's full tag.
        content_digest: the model's.
        method: the method that was called.
        input: the input's digest.
        output: the folder.
        rows: rows of the input.
        scored: those that were scored.
        bad: those that were not.
        parts: files of the output.
        seconds: that the last run took.
    """

    tag: str
    content_digest: str
    method: str
    input: str
    output: str
    rows: int
    scored: int
    bad: int
    parts: int
    seconds: float


def begin(output: Output, job: Mapping[str, Any], tag: str, *, overwrite: bool) -> int | Summary:
    """Write the job's record, or find the one of a run before.

    Args:
        output: the folder.
        job: what makes it this job, by the keys of `_WORDS`.
        tag: the model's full tag, for people.
        overwrite: whether another job's output is removed first.

    Returns:
        how many parts are done; or the summary, where all are.

    Raises:
        MapError: there is the output of another job, or there are files that are no job's.
    """
    names = output.names()
    if overwrite and names:
        output.remove(_own(names))
        names = output.names()
    if JOB not in names:
        if names:
            some = ", ".join(sorted(names)[:3])
            raise MapError(
                f"The output {output.shown!r} holds files already: {some}",
                why="They are not those of a batch job, and what reads the folder would take all for one",
                fix="Give a folder that is empty, or does not exist",
            )
        output.write_json(JOB, {"tag": tag, **job})
        return 0
    before = _read(output, JOB)
    differing = [word for key, word in _WORDS.items() if before.get(key) != job[key]]
    if differing:
        raise MapError(
            f"The output {output.shown!r} is that of another run: {', '.join(differing)} differ",
            why=f"It was begun with {before.get('tag')}, and parts of two runs would be taken for one result",
            fix="Give another folder, or remove what is there by overwrite=True (--overwrite)",
        )
    if SUMMARY in names:
        known = {field.name for field in attrs.fields(Summary)}
        return Summary(**{key: value for key, value in _read(output, SUMMARY).items() if key in known})
    done = 0
    while output.part_name(done) in names:
        done += 1
    return done


def _own(names: set[str]) -> list[str]:
    """Return the files that a job has written; its record last, so that what is left is known until the end."""
    endings = tuple(f".{ending}" for ending in FORMATS)
    found = [name for name in names if name in (SUMMARY, BAD_ROWS) or name.startswith(BAD_PART)]
    found += [name for name in names if name.startswith("part-") and name.endswith(endings)]
    return [*found, *({JOB} & names)]


def _read(output: Output, name: str) -> dict[str, Any]:
    try:
        data = json.loads(output.read(name))
    except ValueError:
        data = None
    if not isinstance(data, dict):
        fix = "Give another folder, or remove what is there by overwrite=True (--overwrite)"
        raise MapError(f"The file {name!r} in {output.shown!r} is not one that a batch job wrote", fix=fix)
    return data
