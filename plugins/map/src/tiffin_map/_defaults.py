"""What the command line says of batch jobs, without what they need: it is loaded with every command of Tiffin's."""

from __future__ import annotations

FORMS = ("array", "frame", "list", "arrow")
"""What a method may be given: a numpy array, a pandas frame, a list (of values, or of dicts), an Arrow table."""

FORMATS = ("parquet", "csv", "jsonl", "arrow")
"""What the output may be written as."""

PART_ROWS = 1 << 18
ROW_NUMBER = "row"
BAD_ROWS = "_bad_rows.jsonl"
