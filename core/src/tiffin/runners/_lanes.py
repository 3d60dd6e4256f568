"""Lanes: where async and streaming calls run past the batching core, several at a time under a limit.

A caller's thread makes a call and puts it in the line, which is one operation that is done or not done; it may be
interrupted anywhere else. All the rest is done by the lanes' threads and by the engine's desk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from tiffin.calls import PLAIN, CallOptions, Explained, Explanation, RanBatch, hand_over
from tiffin.exceptions import QueueFullError, RunnerClosedError, RunnerNotReadyError
from tiffin.runners._engine import Engine
from tiffin.runners._seats import Seat
from tiffin.runners._states import STOPPED

logger = logging.getLogger("tiffin.runners")

Emit = Callable[[Any, BaseException | None, bool], None]
"""Called from a lane's thread with (item or result, error, whether more follows)."""


class Share:
    """What one client may have of the lanes.

    Args:
        limit: calls at one time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.parked: deque[LaneCall] = deque()


class Lanes:
    """The extra slots of all workers of a runner, and the threads that use them. Threads are made as calls come.

    Args:
        engine: the runner's engine.
        per_worker: calls at one time in one worker.
        queue: calls that may wait for a lane.
    """

    def __init__(self, engine: Engine, per_worker: int, queue: int) -> None:
        self.engine = engine
        self._per_worker = per_worker
        self._queue = queue
        self._line: SimpleQueue[LaneCall | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free: dict[Seat, list[int]] = {}
        self._threads = 0
        self._busy = 0
        engine.crew.in_lanes = self.taken

    def enter(self, call: LaneCall) -> None:
        """Run a call as soon as a lane is free.

        Raises:
            RunnerError: the runner takes no calls.
            QueueFullError: too many wait already.
        """
        engine = self.engine
        if engine.heir is not None:
            call.lanes = engine.heir.lanes
            call.lanes.enter(call)
            return
        engine.check_open()
        lanes = len(engine.seats) * self._per_worker
        if len(engine.unmerged) >= lanes + self._queue:
            raise QueueFullError(
                f"Runner {engine.name!r} has {len(engine.unmerged)} unmerged calls open, as many as it may",
                why=f"{lanes} run at a time, {self._queue} may wait",
                fix="Try again later, or raise max_concurrency",
                runner=engine.name,
                retry_after=0.1,
            )
        engine.unmerged[call] = 0
        self._line.put(call)
        if self._threads < lanes:
            engine.desk.call_soon(self._hire)
        if engine.state == STOPPED:
            call.end(engine.refusal())
            engine.unmerged.pop(call, None)

    def taken(self) -> list[Seat]:
        """Return the seats in whose workers calls run."""
        with self._lock:
            return [seat for seat, free in self._free.items() if len(free) < self._per_worker]

    def _hire(self) -> None:
        """Start threads, up to the lanes there are, for the calls that wait. At the desk."""
        engine = self.engine
        with self._lock:
            if not self._free:
                first = engine.seats[0].spec.threads
                self._free = {seat: list(range(first, first + self._per_worker)) for seat in engine.seats}
            lanes = len(engine.seats) * self._per_worker
            wanted = min(lanes, self._busy + self._line.qsize())
        while self._threads < wanted:
            thread = threading.Thread(target=self._serve, name=f"{engine.name}-lane-{self._threads}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The interpreter is about to end, or the system has no more threads. Those that are there go on.
                logger.warning("no thread for another call of runner %r: %s", engine.name, error)
                if not self._threads:
                    self._refuse_line(error)
                return
            self._threads += 1

    def _refuse_line(self, cause: BaseException) -> None:
        while not self._line.empty():
            call = self._line.get()
            if call is not None:
                error = RunnerNotReadyError(
                    f"Runner {self.engine.name!r} can start no thread for an async or streaming call",
                    why=str(cause),
                    fix="Make such calls before the program ends",
                    runner=self.engine.name,
                )
                call.end(error)
                self.engine.leave(call)

    def _serve(self) -> None:
        while True:
            call = self._line.get()
            if call is None:
                self._line.put(None)  # for the next thread
                return
            following = self._admit(call)
            del call
            while following is not None:
                following = self._finish(following)

    def _admit(self, call: LaneCall) -> LaneCall | None:
        """Return the call if it may run now; else it waits for another one of its client to end."""
        with self._lock:
            share = call.share
            if share is not None:
                if share.running >= share.limit:
                    share.parked.append(call)
                    return None
                share.running += 1
            self._busy += 1
        return call

    def _finish(self, call: LaneCall) -> LaneCall | None:
        """Run a call, and return another one of its client that waits for that."""
        try:
            if not call.closed:
                self._work(call)
        finally:
            following = None
            with self._lock:
                share = call.share
                if share is not None and share.parked:
                    following = share.parked.popleft()
                else:
                    self._busy -= 1
                    if share is not None:
                        share.running -= 1
            self.engine.leave(call)
        return following

    @property
    def places(self) -> int:
        """How many calls run at a time in all workers."""
        return self.engine.workers * self._per_worker

    def _work(self, call: LaneCall) -> None:
        engine = self.engine
        with self._lock:
            usable = [seat for seat in self._free if seat.usable and self._free[seat]]
            seat = max(usable, key=lambda candidate: len(self._free[candidate]), default=None)
            slot = -1 if seat is None else self._free[seat].pop()
        if seat is None:
            call.end(
                RunnerNotReadyError(
                    f"No worker of runner {engine.name!r} is healthy", fix="Try again", runner=engine.name
                )
            )
            return
        engine.unmerged[call] = threading.get_ident()
        abouts = [] if call.options.about is None else [call.options.about]
        started, failure = engine.clock(), None
        try:
            hand_over(abouts, call.work, seat, slot)
        except BaseException as error:  # noqa: BLE001 - whatever a method raises is for its caller
            call.end(error)
            failure = error
        finally:
            with self._lock:
                self._free[seat].append(slot)
            engine.crew.mend()
            if engine.on_ran is not None:
                times = started, engine.clock(), failure, tuple(abouts), (call.arrived,) * len(abouts)
                engine.tell(RanBatch(engine.name, call.method, f"{seat.spec.name}.{slot}", 0, 1, 1, *times))
            failure = None

    def end_streams(self) -> None:
        """End all open streams; their consumers are told."""
        for call in tuple(self.engine.unmerged):
            if isinstance(call, StreamCall):
                call.end(
                    RunnerClosedError(
                        f"Runner {self.engine.name!r} ends its streams: it is about to stop",
                        fix="Start a new one",
                        runner=self.engine.name,
                    )
                )
                call.abandon()

    def close(self) -> None:
        """End the open calls and the threads."""
        for call in tuple(self.engine.unmerged):
            call.end(self.engine.refusal())
            call.abandon()
        self._line.put(None)


class LaneCall:
    """One call of an async method.

    Args:
        lanes: where it runs.
        method: the method's name.
        args: positional arguments.
        kwargs: keyword arguments.
        timeout: seconds that a worker may take for it; of a stream, for one item.
        emit: gets the result or the error.
        options: what its caller says of it.
        share: its client's share of the lanes; `None` for callers in this process.
    """

    def __init__(
        self,
        lanes: Lanes,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        timeout: float | None,
        emit: Emit,
        options: CallOptions = PLAIN,
        share: Share | None = None,
    ) -> None:
        self.lanes = lanes
        self.share = share
        self.method = method
        self._args, self._kwargs = args, kwargs
        self._timeout = timeout
        self._emit = emit
        self.options = options
        self.arrived = time.monotonic()
        self._last: dict[int, int] = {}
        self._at: tuple[Seat, int] | None = None
        self.closed = False

    def start(self) -> None:
        """Have it run. Raises as `Lanes.enter`."""
        self.lanes.enter(self)

    def abandon(self) -> None:
        """Nobody waits any more: it is not begun, or its worker is told. From any thread, repeatable."""
        self.closed = True
        # At the desk: telling a worker takes locks, and this thread may be interrupted.
        self.lanes.engine.desk.call_soon(self._tell)

    def _tell(self) -> None:
        at = self._at
        if at is None:
            # Ended, or not begun: perhaps interrupted before it was in the line, where nobody would find it.
            self.lanes.engine.leave(self)
        else:
            cancel = getattr(at[0].worker, "cancel", None)
            if cancel is not None:
                cancel(at[1])

    def end(self, error: BaseException | None, result: Any = None) -> None:
        """Give the last answer, unless one was given."""
        mine = threading.get_ident()
        if not self._last and self._last.setdefault(0, mine) == mine:
            self._emit(result, error, False)

    def work(self, seat: Seat, slot: int) -> None:
        """Run it in a worker's slot."""
        started = time.monotonic()
        self._at = seat, slot
        try:
            if self.closed:
                return
            result = seat.worker.run(self.method, self._args, self._kwargs, timeout=self._timeout, slot=slot)
        finally:
            self._at = None
        if self.options.explain:
            record = Explanation(
                method=self.method,
                queued_seconds=started - self.arrived,
                batch=0,
                batch_rows=1,
                batch_calls=1,
                released="it runs unmerged",
                compute_seconds=time.monotonic() - started,
                worker=f"{seat.spec.name}.{slot}",
                backend=self.lanes.engine.place,
            )
            result = Explained(result, record)
        self.end(None, result)


class StreamCall(LaneCall):
    """One call of a generator method. Makes an item only when one is asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._credits: SimpleQueue[int] = SimpleQueue()

    def request(self, count: int) -> None:
        """Ask for so many more items."""
        self._credits.put(count)

    def abandon(self) -> None:
        """Make no more items, and close the method's generator."""
        super().abandon()
        self._credits.put(0)

    def work(self, seat: Seat, slot: int) -> None:
        """Make items in a worker's slot."""
        self._at = seat, slot
        items = seat.worker.stream(self.method, self._args, self._kwargs, timeout=self._timeout, slot=slot)
        try:
            granted = 0
            while not self.closed:
                if not granted:
                    granted = self._credits.get()
                    continue
                granted -= 1
                try:
                    item = next(items)
                except StopIteration:
                    break
                if not self.closed:
                    self._emit(item, None, True)
                del item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            self._at = None
        self.end(None)
