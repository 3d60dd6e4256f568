"""What is taken from inside `tiffin.cli`."""

from __future__ import annotations

from tiffin.cli._commands import Commands
from tiffin.cli._drawing import draw
from tiffin.cli._main import EXIT_CODES, show_error
from tiffin.cli._maintenance import DAMAGE_FOUND
from tiffin.cli._output import count, read_labels, read_size, read_time
from tiffin.cli._predictions import ANSWERS_DIFFER
from tiffin.cli._trust import _show

__all__ = [
    "ANSWERS_DIFFER",
    "DAMAGE_FOUND",
    "EXIT_CODES",
    "Commands",
    "_show",
    "count",
    "draw",
    "read_labels",
    "read_size",
    "read_time",
    "show_error",
]
