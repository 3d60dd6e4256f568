"""What happened to a call, for whoever asks."""

from __future__ import annotations

from typing import Any


class Explanation:
    """What happened to one call on its way.

    Attributes:
        method: the method's name.
        queued_seconds: how long it waited.
        batch: the number of the batch that it joined, counted per runner.
        batch_rows: rows in that batch.
        batch_calls: calls in that batch.
        released: why the batch left when it did, in words.
        compute_seconds: how long the batch ran.
        worker: who ran it.
        backend: the name of the back end; with `backend="auto"` also why it is that one.
    """

    __slots__ = (
        "backend",
        "batch",
        "batch_calls",
        "batch_rows",
        "compute_seconds",
        "method",
        "queued_seconds",
        "released",
        "worker",
    )

    def __init__(
        self,
        *,
        method: str,
        queued_seconds: float,
        batch: int,
        batch_rows: int,
        batch_calls: int,
        released: str,
        compute_seconds: float,
        worker: str,
        backend: str = "",
    ) -> None:
        self.method = method
        self.queued_seconds = queued_seconds
        self.batch = batch
        self.batch_rows = batch_rows
        self.batch_calls = batch_calls
        self.released = released
        self.compute_seconds = compute_seconds
        self.worker = worker
        self.backend = backend

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return (
            f"{self.method}: waited {self.queued_seconds * 1e3:.2f} ms, then ran {self.compute_seconds * 1e3:.2f} ms "
            f"in batch {self.batch} of {self.batch_calls} calls and {self.batch_rows} rows, which left because "
            f"{self.released}"
        )

    __repr__ = __str__
