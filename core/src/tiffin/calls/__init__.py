"""What runner, workers and clients agree on: interfaces, those who wait for an answer, timers, what happened to a call."""

from __future__ import annotations

from tiffin.calls._call_options import (
    PLAIN,
    CallAbout,
    CallFacts,
    CallOptions,
    RanBatch,
    hand_over,
    handed,
    running_calls,
    take_in_hand,
)
from tiffin.calls._client_limits import ClientLimits
from tiffin.calls._explanation import Explanation
from tiffin.calls._interfaces import (
    METRICS,
    READY,
    Backend,
    CallRequest,
    CallService,
    Deliver,
    MethodTraits,
    Outcome,
    Port,
    ReceivedRequest,
    Worker,
    WorkerSpec,
)
from tiffin.calls._streaming import Event, Items, Stream
from tiffin.calls._timed_out import timed_out
from tiffin.calls._timers import Timer, Timers
from tiffin.calls._waiters import Explained, ThreadWaiter

__all__ = [
    "METRICS",
    "PLAIN",
    "READY",
    "Backend",
    "CallAbout",
    "CallFacts",
    "CallOptions",
    "CallRequest",
    "CallService",
    "ClientLimits",
    "Deliver",
    "Event",
    "Explained",
    "Explanation",
    "Items",
    "MethodTraits",
    "Outcome",
    "Port",
    "RanBatch",
    "ReceivedRequest",
    "Stream",
    "ThreadWaiter",
    "Timer",
    "Timers",
    "Worker",
    "WorkerSpec",
    "hand_over",
    "handed",
    "running_calls",
    "take_in_hand",
    "timed_out",
]
