"""What adapters are told of a model that another tool wrote, and what they answer."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tiffin.exceptions import HookError


@attrs.frozen(kw_only=True)
class ForeignModel:
    """A model that another tool wrote, as its record describes it.

    All of it comes from whoever made the archive. Nothing in it may name a module to import, or be run.

    Attributes:
        tool: the tool, in lower case, as its plugin is called.
        kind: what of the tool wrote the files: a module, a flavor, whatever the tool calls it.
        fields: what the record says of that; the tool's plugin says which fields there are. Plain values.
        files: path, with "/" → size in bytes, of all files that keep their names.
    """

    tool: str
    kind: str
    fields: Mapping[str, Any]
    files: Mapping[str, int]


@attrs.frozen(kw_only=True)
class ForeignReading:
    """How an adapter will read a model that another tool wrote; `read_foreign` returns one, or a dict with these fields.

    Attributes:
        renames: path → path that the file gets, so that the adapter's `load` finds it and its `code_files` and `code_readers`
            fit it. Files that are not named stay where they are.
        options: options to record, which `load` receives.
        versions: distribution → version that wrote the files, where the fields tell it.
        signatures: method → signature, where the adapter knows better than the record.
        not_kept: what is lost, each as a phrase that users read.
        used: names of the record's options that the adapter has mapped to others of its own; of those that are neither here
            nor in `options`, the user is told that they are lost.
    """

    renames: Mapping[str, str] = attrs.field(factory=dict)
    options: Mapping[str, Any] = attrs.field(factory=dict)
    versions: Mapping[str, str] = attrs.field(factory=dict)
    signatures: Mapping[str, Any] | None = None
    not_kept: Sequence[str] = ()
    used: Sequence[str] = ()

    @classmethod
    def from_answer(cls, answer: Any, plugin: str) -> ForeignReading | None:
        """Return what `read_foreign` answered as a `ForeignReading`; `None` stays `None`.

        Raises:
            HookError: it is something else.
        """
        known = [field.name for field in attrs.fields(cls)]
        reading = answer
        if isinstance(answer, Mapping) and all(name in known for name in answer):
            reading = cls(**answer)
        if reading is None or (isinstance(reading, cls) and not isinstance(reading.used, str)):
            return reading
        raise HookError(
            f"The adapter {plugin!r} answers read_foreign with {answer!r}",
            why="Known fields are " + ", ".join(known),
            fix="Return a ForeignReading or a dict with some of its fields, or None",
            plugin=plugin,
        )


def reading_of_file(foreign: ForeignModel, kinds: Mapping[str, str], target: str, **said: Any) -> ForeignReading | None:
    """Return the reading of a model that is one file, the framework's own, under another name.

    Args:
        foreign: what `read_foreign` was given.
        kinds: kind → pattern of the file's path, as `fnmatch` takes it: "saved_model.*".
        target: the name by which `load` finds it.
        said: further fields of the reading.

    Returns:
        The reading; `None` for another kind, and where it is not one file that fits.
    """
    found = fnmatch.filter(foreign.files, kinds.get(foreign.kind, ""))
    return ForeignReading(renames={found[0]: target}, **said) if len(found) == 1 else None
