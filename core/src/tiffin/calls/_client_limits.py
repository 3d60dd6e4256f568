"""What attached clients may take up of a runner: one that means harm, or has lost count, must not take it from the others."""

from __future__ import annotations

from dataclasses import dataclass, field

from tiffin.wire import default_limit


@dataclass(frozen=True)
class ClientLimits:
    """What each attached client may take up at one time.

    Attributes:
        clients: how many clients may be attached; more are turned away.
        calls: open calls of one client; more are turned away with `QueueFullError`.
        bytes: bytes of the arguments of its open calls, and of one call alone. More open calls are turned away with
            `QueueFullError`; a larger call is `UnsendableError`. By default a sixteenth of the machine's memory, at most
            1 GiB.
        rows: rows of its open calls; more are turned away with `QueueFullError`. `None` means three quarters of the runner's
            `max_queue_rows`, and a batch for each worker. A client with no open calls may bring more.
        streams: its async and streaming calls that run at a time; further ones wait. `None` means three quarters of what the
            runner's workers take, at least 1.
        answers: bytes of answers that wait for it to read them; the calls of further ones fail.
    """

    clients: int = 128
    calls: int = 10_000
    bytes: int = field(default_factory=default_limit)
    rows: int | None = None
    streams: int | None = None
    answers: int = 256 << 20
