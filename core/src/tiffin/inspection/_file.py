"""Inspection of a file, as the reader that would load it reads it."""

from __future__ import annotations

import contextlib
import mmap
import pickletools
from itertools import islice
from pathlib import Path
from typing import Literal

import attrs

from tiffin.inspection._archive import members
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._parse import parse_pickle
from tiffin.inspection._unpack import Budget, decoder_for, unpack
from tiffin.inspection.tape import Tape, Unfollowable, spell

Reader = Literal["pickle", "joblib", "any"]
"""What reads a file: Python's pickle; joblib; or whatever the file's first bytes look like."""

_MAX_PROBLEMS = 100
_SHOWN = 1 << 16
"""Bytes, and operations, of a stream that cannot be followed, which are looked through for names."""


@attrs.frozen
class Inspection:
    """What was found in a file.

    Attributes:
        format: what the file is, in a few words.
        names: dotted names of all that the file would import, sorted; "module:Outer.name" for what is nested in a class.
        problems: what could not be followed, or what no honest file does, as sentences; a file with a problem is never
            safe.
        tape: what the file says; core builds a stranger's object from it. `None` where it cannot be built: then the file
            needs trust, whatever it names.
    """

    format: str
    names: tuple[str, ...]
    problems: tuple[str, ...] = ()
    tape: Tape | None = attrs.field(default=None, repr=False, eq=False)


def map_for_reading(path: Path) -> memoryview:
    """Return a file's bytes, mapped; writing to them never changes the file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def inspect_file(
    path: Path, reader: Reader = "any", limits: InspectionLimits | None = None, *, view: memoryview | None = None
) -> Inspection:
    """Return what a file says. Imports, calls and builds nothing; time and memory are in proportion to the file.

    Args:
        path: the file.
        reader: how it would be read. One file may be different things to different readers, so what counts is the one that
            its name stands for. "pickle" takes the file for one plain pickle; "joblib" knows the raw arrays in joblib's
            files, and their compression; "any" looks at the first bytes, and knows zip archives too: it tells names, and
            gives no tape.
        limits: how much work to do.
        view: the file's bytes, where they are at hand.

    Raises:
        OSError: the file cannot be read.
    """
    limits = limits or InspectionLimits()
    view = map_for_reading(path) if view is None else view
    inspector = _Inspector(limits, Budget(limits.unpacked(len(view))))
    tape = inspector.stream(view, "the file", reader, 0)
    return Inspection(
        ", ".join(inspector.formats),
        tuple(sorted(inspector.names)),
        tuple(inspector.problems),
        tape if reader != "any" and not inspector.problems else None,
    )


class _Inspector:
    def __init__(self, limits: InspectionLimits, budget: Budget) -> None:
        self.limits = limits
        self.budget = budget
        self.names: set[str] = set()
        self.problems: list[str] = []
        self.formats: dict[str, None] = {}

    def stream(self, view: memoryview, where: str, reader: Reader, depth: int) -> Tape | None:
        """Note what a stream holds; return the tape of a pickle."""
        try:
            if depth > self.limits.max_depth:
                raise Unfollowable(f"it is nested more than {self.limits.max_depth} levels deep")
            start = bytes(view[:8])
            if reader != "pickle" and decoder_for(start) is not None:
                self.formats["compressed"] = None
                unpacked = unpack(view, self.budget)
                if reader == "joblib":  # which unpacks once, and takes what it finds for a pickle
                    return self.pickle(unpacked, reader)
                return self.stream(unpacked, where, reader, depth + 1)
            if reader == "any" and start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                self.formats["zip"] = None
                for name, content in members(view, self.limits.max_members, self.budget):
                    self.stream(content, f"{name[:200]!r} in {where}", reader, depth + 1)
                return None
            return self.pickle(view, reader)
        except Unfollowable as error:
            if len(self.problems) < _MAX_PROBLEMS:
                self.problems.append(f"{where[:1].upper()}{where[1:]} cannot be followed: {error}")
            return None

    def pickle(self, view: memoryview, reader: Reader) -> Tape:
        """Note what a pickle names, also one that cannot be followed to its end."""
        tape = Tape()
        try:
            parse_pickle(tape, view, joblib=reader != "pickle", limits=self.limits)
        except Unfollowable:
            self.names.update(_named(view))
            raise
        finally:
            self.names.update(tape.dotted())
            self.formats["pickle"] = None
            if tape.joblib:
                self.formats["joblib"] = None
        return tape


def _named(view: memoryview) -> set[str]:
    """Return names that the beginning of a refused stream shows on lines, for people to see; there may be others."""
    found: set[str] = set()
    with contextlib.suppress(Exception):  # it may be damaged in any way
        for operation, argument, _ in islice(pickletools.genops(bytes(view[:_SHOWN])), _SHOWN):
            if operation.name in ("GLOBAL", "INST") and isinstance(argument, str):
                found.add(spell(*argument.split(" ", 1)))
    return found
