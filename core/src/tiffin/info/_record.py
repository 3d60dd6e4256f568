"""The record as text: model.yaml, which ends in its own digest, and JSON for the catalog."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from typing import Any

from tiffin.exceptions import RecordError
from tiffin.info._info import ModelInfo
from tiffin.info._plain import check_plain
from tiffin.info._strict_yaml import load_yaml

RECORD_NAME = "model.yaml"
MAX_RECORD = 64 << 20
"""Bytes beyond which a record is not read: no honest one comes near."""

_PREFIX = b"digest: sha256:"


def render_record(info: ModelInfo) -> bytes:
    """Return model.yaml for `info`: YAML whose last line is the sha256 of all that stands before it."""
    import yaml

    dumper = _dumper()
    data = info.to_dict()
    if info.card:
        data["card"] = _Text(info.card)
    body = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120).encode()
    return body + _PREFIX + hashlib.sha256(body).hexdigest().encode() + b"\n"


def parse_record(text: bytes, path: str) -> ModelInfo:
    """Return the info that model.yaml holds; `edited` is set where its own digest does not fit.

    Args:
        text: the file's content.
        path: its path, for errors.

    Raises:
        RecordError: it is not YAML, or not a record.
    """
    import yaml

    if len(text) > MAX_RECORD:
        raise RecordError(f"The record {path} has {len(text)} bytes", why=f"At most {MAX_RECORD} are read", path=path)
    try:
        data = load_yaml(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise RecordError(
            f"The record {path} is not YAML: {' '.join(str(error).split())}",
            why="Without its record a model cannot be loaded",
            fix="Restore the file, or delete the version",
            path=path,
        ) from error
    if not isinstance(data, dict):
        raise RecordError(
            f"The record {path} is not valid: it holds {type(data).__name__}, not fields",
            why="Without its record a model cannot be loaded",
            fix="Restore the file, or delete the version",
            path=path,
        )
    try:
        check_plain(data)
    except ValueError as error:
        raise RecordError(
            f"The record {path} is not valid: {error}",
            why="Records hold plain values only",
            fix="Restore the file, or delete the version",
            path=path,
        ) from error
    return ModelInfo.from_dict(data, edited=not _sealed(text), path=path)


def _sealed(text: bytes) -> bool:
    body, found, rest = text.rpartition(_PREFIX)
    return bool(found) and rest == hashlib.sha256(body).hexdigest().encode() + b"\n"


class _Text(str):
    """A text of several lines, which stands in the record as such."""

    __slots__ = ()


_STR, _MAP = "tag:yaml.org,2002:str", "tag:yaml.org,2002:map"
_SHORT = 64
"""Characters of a text up to which it is remembered whether it would be read as one."""
_dumpers: list[Any] = []


def _dumper() -> Any:
    if not _dumpers:
        import yaml

        class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
            # A value that stands in two places is written twice: no anchors, which people misread.
            def ignore_aliases(self, data: Any) -> bool:
                return True

            # Most of a record, without a look for aliases and along the MRO: in a third of the time.
            def represent_data(self, data: Any) -> Any:
                kind = type(data)
                if kind is str:
                    return yaml.ScalarNode(_STR, data)
                if kind is dict:
                    pairs = [(self.represent_data(key), self.represent_data(value)) for key, value in data.items()]
                    return yaml.MappingNode(_MAP, pairs, flow_style=False)
                return super().represent_data(data)

            # Asked twice for each text, most of which stand in every record.
            def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
                if kind is yaml.ScalarNode and len(value) <= _SHORT:
                    return resolved(value) if implicit[0] else _STR
                return super().resolve(kind, value, implicit)

        resolver: Any = yaml.resolver.Resolver()

        @functools.lru_cache(maxsize=512)
        def resolved(value: str) -> Any:
            return resolver.resolve(yaml.ScalarNode, value, (True, False))

        def text(dumper: Any, value: str) -> Any:
            return dumper.represent_scalar(_STR, str(value), style="|")

        Dumper.add_representer(_Text, text)
        _dumpers.append(Dumper)
    return _dumpers[0]


def encode_cached(info: ModelInfo) -> str:
    """Return `info` as JSON for the catalog; dates are marked, so that they come back as dates."""
    return json.dumps({**info.to_dict(), "$edited": info.edited}, separators=(",", ":"), default=_mark_date)


def decode_cached(text: str) -> ModelInfo:
    """Return the info that `encode_cached` wrote.

    Raises:
        RecordError: the text holds something else.
    """
    data = json.loads(text, object_hook=_unmark_date if _ESCAPED in text else None)
    edited = data.pop("$edited", False)
    return ModelInfo.from_dict(data, edited=edited)


# Half of a surrogate pair, which no metadata holds: nothing that a user passes looks like a marked date.
_MARK = "\ud800"
_ESCAPED = json.dumps(_MARK)[1:-1]


def _mark_date(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return {_MARK: value.isoformat(), "time": isinstance(value, datetime.datetime)}
    raise TypeError(f"{type(value).__name__} is not plain")


def _unmark_date(data: dict[str, Any]) -> Any:
    if data.keys() == {_MARK, "time"}:
        kind = datetime.datetime if data["time"] else datetime.date
        return kind.fromisoformat(data[_MARK])
    return data
