"""Finding out which tool wrote an archive, and reading its record: bounded, as data, nothing of it imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from tiffin.archives import _bentoml, _mlflow
from tiffin.archives._description import Description
from tiffin.archives._rules import Checks
from tiffin.exceptions import RecordError
from tiffin.info import MAX_RECORD, check_yaml

_EXPANDED = 16 << 20
"""Characters that a record may stand for: PyYAML writes what stands in it twice as a reference."""


@attrs.frozen
class Found:
    """A foreign model that was found in an archive.

    Attributes:
        description: what its record says.
        root: the folder that holds it, with "/" at its end; empty where that is the archive itself.
    """

    description: Description
    root: str


def is_foreign_record(text: bytes, path: str) -> bool:
    """Tell whether this is another tool's model.yaml. One that cannot be read is not.

    Args:
        text: the file.
        path: where it is from, for errors.
    """
    if b"module" not in text:
        return False  # so that a long record of Tiffin's is not read twice
    try:
        return _bentoml.is_record(_read(text, path))
    except RecordError:
        return False


def find_foreign(folder: str, files: Mapping[str, int], checks: Checks) -> Found | None:
    """Return the foreign model that was unpacked, `None` where there is none.

    It may lie in the archive itself, or in the one folder that the archive holds.

    Args:
        folder: where the files were unpacked to.
        files: path → bytes, of all that was unpacked.
        checks: names the archive in errors.

    Raises:
        DamagedArchiveError: there is a record that cannot be read.
    """
    root = ""
    tops = {path.split("/", 1)[0] for path in files}
    if len(tops) == 1 and all("/" in path for path in files):
        root = f"{tops.pop()}/"
    inner = {path[len(root) :]: size for path, size in files.items()}

    def read(name: str) -> Any:
        return _parse(_load(Path(folder, root + name), root + name, checks), root + name, checks)

    if _bentoml.RECORD in inner:
        data = read(_bentoml.RECORD)
        return Found(_bentoml.describe(data, inner), root) if _bentoml.is_record(data) else None
    if _mlflow.RECORD in inner:
        data = read(_mlflow.RECORD)
        if not _mlflow.is_record(data):
            raise checks.damaged("it names no flavors", root + _mlflow.RECORD)
        registered = read(_mlflow.REGISTERED) if _mlflow.REGISTERED in inner else {}
        return Found(_mlflow.describe(data, inner, registered if isinstance(registered, dict) else {}), root)
    return None


def _load(path: Path, member: str, checks: Checks) -> bytes:
    with path.open("rb") as file:
        text = file.read(MAX_RECORD + 1)
    if len(text) > MAX_RECORD:
        raise checks.refuse(member, f"it is longer than {MAX_RECORD} bytes")
    return text


_TAGS = frozenset({"tag:yaml.org,2002:binary"})
"""Types that other tools' records name, and that take no more time than the text is long."""


def _parse(text: bytes, member: str, checks: Checks) -> Any:
    try:
        return _read(text, f"{member} of {checks.path}")
    except RecordError as error:
        raise checks.damaged(error.what, member) from error


def _read(text: bytes, path: str) -> Any:
    import yaml

    check_yaml(text, path, expands_to=_EXPANDED, tags=_TAGS)
    load: Callable[..., Any] = yaml.load
    try:
        # The safe loaders build plain data only; nothing in the file can name code to run.
        return load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RecordError(f"The record {path} is not YAML: {' '.join(str(error).split())}", path=path) from error
