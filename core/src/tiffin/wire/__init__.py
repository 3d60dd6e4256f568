"""What crosses between processes: frames, the codec of values, shared memory, the channel, errors of the other side."""

from __future__ import annotations

from tiffin.wire._agreement import Agreement
from tiffin.wire._alike import is_stackable, joins, stack, unstack
from tiffin.wire._channel import Channel, ExpiredError, Link, close_in_forks
from tiffin.wire._codec import decode_call, decode_value, encode_call, encode_value
from tiffin.wire._frames import (
    CALL,
    CALLS,
    CANCEL,
    CREDIT,
    END,
    ERROR,
    EXPLAIN,
    HELLO,
    ITEM,
    LIMITS,
    NEWS,
    RELEASE,
    RESULT,
    RESULTS,
    Frame,
    Limits,
    pass_descriptors,
    unsent,
)
from tiffin.wire._remote_errors import describe_error, rebuild_error
from tiffin.wire._shared_memory import Allowance, SegmentPool, default_limit

__all__ = [
    "CALL",
    "CALLS",
    "CANCEL",
    "CREDIT",
    "END",
    "ERROR",
    "EXPLAIN",
    "HELLO",
    "ITEM",
    "LIMITS",
    "NEWS",
    "RELEASE",
    "RESULT",
    "RESULTS",
    "Agreement",
    "Allowance",
    "Channel",
    "ExpiredError",
    "Frame",
    "Limits",
    "Link",
    "SegmentPool",
    "close_in_forks",
    "decode_call",
    "decode_value",
    "default_limit",
    "describe_error",
    "encode_call",
    "encode_value",
    "is_stackable",
    "joins",
    "pass_descriptors",
    "rebuild_error",
    "stack",
    "unsent",
    "unstack",
]
