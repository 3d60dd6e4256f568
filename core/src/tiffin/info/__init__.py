"""What is known of a stored model: its record (model.yaml), read, checked and written."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tiffin.info._attestation_bounds import (
    ATTESTATION_NAMES,
    MAX_ATTESTATION,
    MAX_ATTESTATIONS,
    MAX_EXAMPLES,
    attestation_names,
    examples_name,
    max_attestation_size,
)
from tiffin.info._context import ModelContext
from tiffin.info._distributions import distributions, entry_points, installed_version, name_and_version
from tiffin.info._file_paths import Paths, is_system_file
from tiffin.info._info import FileEntry, ModelInfo, ObjectEntry
from tiffin.info._labels import check_labels, make_labels
from tiffin.info._options import RESERVED_OPTIONS, ModelOptions, option_names, options_from, options_to_dict
from tiffin.info._plain import plain, plain_mapping
from tiffin.info._record import RECORD_NAME, decode_cached, encode_cached, parse_record, render_record

if TYPE_CHECKING:
    from tiffin.info._card import check_card, render_card
    from tiffin.info._difference import Difference, compare
    from tiffin.info._json_file import MAX_JSON, read_json
    from tiffin.info._metadata import MAX_METADATA, check_metadata
    from tiffin.info._query import Field, parse_query, select
    from tiffin.info._record_limits import check_limits
    from tiffin.info._untrusted_record import MAX_RECORD, check_yaml, read_foreign_record

__all__ = [
    "ATTESTATION_NAMES",
    "MAX_ATTESTATION",
    "MAX_ATTESTATIONS",
    "MAX_EXAMPLES",
    "MAX_JSON",
    "MAX_METADATA",
    "MAX_RECORD",
    "RECORD_NAME",
    "RESERVED_OPTIONS",
    "Difference",
    "Field",
    "FileEntry",
    "ModelContext",
    "ModelInfo",
    "ModelOptions",
    "ObjectEntry",
    "Paths",
    "attestation_names",
    "check_card",
    "check_labels",
    "check_limits",
    "check_metadata",
    "check_yaml",
    "compare",
    "decode_cached",
    "distributions",
    "encode_cached",
    "entry_points",
    "examples_name",
    "installed_version",
    "is_system_file",
    "make_labels",
    "max_attestation_size",
    "name_and_version",
    "option_names",
    "options_from",
    "options_to_dict",
    "parse_query",
    "parse_record",
    "plain",
    "plain_mapping",
    "read_foreign_record",
    "read_json",
    "render_card",
    "render_record",
    "select",
]

_MODULES = {
    "Difference": "tiffin.info._difference",
    "Field": "tiffin.info._query",
    "MAX_JSON": "tiffin.info._json_file",
    "MAX_METADATA": "tiffin.info._metadata",
    "MAX_RECORD": "tiffin.info._untrusted_record",
    "check_card": "tiffin.info._card",
    "check_limits": "tiffin.info._record_limits",
    "check_metadata": "tiffin.info._metadata",
    "check_yaml": "tiffin.info._untrusted_record",
    "compare": "tiffin.info._difference",
    "parse_query": "tiffin.info._query",
    "read_foreign_record": "tiffin.info._untrusted_record",
    "read_json": "tiffin.info._json_file",
    "render_card": "tiffin.info._card",
    "select": "tiffin.info._query",
}
"""Where each name is that a load of what was saved here does without."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
