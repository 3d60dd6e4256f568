"""Explanations: what happened to one call, as a view onto its batch."""

from __future__ import annotations

from tiffin.batching._chunks import Batch, Chunk
from tiffin.calls import Explanation


def explain(chunk: Chunk, batch: Batch) -> Explanation:
    """Return what happened to each call of a chunk in its finished batch."""
    return Explanation(
        method=batch.method.name,
        queued_seconds=max(0.0, batch.started - chunk.arrived),
        batch=batch.number,
        batch_rows=batch.rows,
        batch_calls=batch.calls,
        released=batch.reason,
        compute_seconds=max(0.0, batch.finished - batch.started),
        worker=str(batch.worker),
        backend=batch.method.place,
    )
