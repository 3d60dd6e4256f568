"""Where files come from and go to: this machine, what fsspec opens, SFTP; digests and progress on the way, errors told."""

from __future__ import annotations

from tiffin.places._digest import PIECE, Digest
from tiffin.places._driver_errors import exists_error, lacks_credentials, told
from tiffin.places._fsspec import file_system, open_remote, parts, quietly, uploads
from tiffin.places._local_files import WRITEBACK, Unnamed, parents, write_all
from tiffin.places._opening import compose, open_source, open_target
from tiffin.places._progress import Progress, Silent
from tiffin.places._urls import is_url, redact, to_path

__all__ = [
    "PIECE",
    "WRITEBACK",
    "Digest",
    "Progress",
    "Silent",
    "Unnamed",
    "compose",
    "exists_error",
    "file_system",
    "is_url",
    "lacks_credentials",
    "open_remote",
    "open_source",
    "open_target",
    "parents",
    "parts",
    "quietly",
    "redact",
    "to_path",
    "told",
    "uploads",
    "write_all",
]
