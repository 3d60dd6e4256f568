"""What is taken from inside `tiffin.wire`."""

from __future__ import annotations

from tiffin.wire import _channel, _codec, _shared_memory
from tiffin.wire._frames import PREFIX, SEGMENT, SMALL, FrameReader, Shared, frame_parts
from tiffin.wire._shared_memory import IDLE, THRESHOLD, SegmentMap, create_segment

__all__ = [
    "IDLE",
    "PREFIX",
    "SEGMENT",
    "SMALL",
    "THRESHOLD",
    "FrameReader",
    "SegmentMap",
    "Shared",
    "_channel",
    "_codec",
    "_shared_memory",
    "create_segment",
    "frame_parts",
]
