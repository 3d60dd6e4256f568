"""What the batching service knows of one method: its rules, and what it has learned and counted."""

from __future__ import annotations

import math
from typing import Any

from tiffin.batching._cost import Cost
from tiffin.batching._counters import Counters


class Method:
    """One method of a runnable, as batching sees it.

    Args:
        name: its name.
        max_batch_size: rows in one batch at most, 1 or more.
        max_latency: seconds within which an answer is worth something; `None` for ever.
        idempotent: whether it may run again with the same arguments: bisecting and repeating need that.
        timeout: seconds after which a run of it is given up; `None` for never.

    Attributes:
        cost: what a batch of it costs.
        counters: what happened to its calls.
        waiting: rows that wait in line.
        groups: groups of calls that wait.
        lists_rows: whether its lists are known to hold rows: one was seen that cannot be a list of several outputs.
        place: where it runs, for explanations.
        gate: the error for a call of one row if it would be refused now, else `None`; opens with the next batch.
    """

    __slots__ = (
        "cost",
        "counters",
        "gate",
        "groups",
        "idempotent",
        "lists_rows",
        "max_batch_size",
        "max_latency",
        "name",
        "place",
        "timeout",
        "waiting",
    )

    def __init__(
        self,
        name: str,
        *,
        max_batch_size: int = 100,
        max_latency: float | None = None,
        idempotent: bool = True,
        timeout: float | None = None,
    ) -> None:
        self.name = name
        self.max_batch_size = max_batch_size
        self.max_latency = math.inf if max_latency is None else max_latency
        self.idempotent = idempotent
        self.timeout = timeout
        self.cost = Cost()
        self.counters = Counters()
        self.lists_rows = False
        self.place = ""
        self.waiting = 0
        self.groups = 0
        self.gate: Any = None
