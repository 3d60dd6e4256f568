"""The command line. Commands hold no logic that the Python API lacks.

For plugins that add commands there is what core's own are made with: `complete_tag` completes a tag, `output_option` is `-o`,
`progress_bar` draws how far something is, `say`, `show_table`, `show_data` and `show_vouchers` print.
"""

from __future__ import annotations

import os
import signal

if "_TIFFIN_COMPLETE" in os.environ:
    # Before anything else is imported: whoever presses Ctrl-C while a shell completes wants no traceback in the line.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from tiffin.cli._completion import complete_tag
from tiffin.cli._main import cli, main
from tiffin.cli._output import output_option, say, show_data, show_table
from tiffin.cli._progress_bar import progress_bar
from tiffin.cli._vouchers import show_vouchers

__all__ = [
    "cli",
    "complete_tag",
    "main",
    "output_option",
    "progress_bar",
    "say",
    "show_data",
    "show_table",
    "show_vouchers",
]
