"""The engine of a runner: one batching core behind one lock, and the workers that pull from it.

There is no dispatcher: whoever brings calls hands a batch to an idle worker, and a worker that is done takes the next
one itself. Answers leave from the thread that ran the batch.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tiffin.batching import Batch, Chunk, Core, Method, again
from tiffin.calls import Backend, WorkerSpec
from tiffin.exceptions import (
    ForkedRunnerError,
    QueueFullError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
)
from tiffin.runners._answers import deliver, presentable, reject
from tiffin.runners._seats import Seat, Slot
from tiffin.runners._timers import Timers

logger = logging.getLogger("tiffin.runners")

NEW, RUNNING, DRAINING, STOPPED, FORKED = "not started", "running", "draining", "stopped", "forked"

FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 15.0
"""Seconds between attempts to start a worker again; doubles with each failure in a row."""


class Engine:
    """Runs what calls bring.

    Args:
        name: The runner's name.
        methods: The methods that go through the core.
        backend: Makes the workers.
        specs: What each worker is made from.
        max_queue_rows: Rows that may wait.
        warm_up: Called with each new worker before it gets any batch.
        clock: A monotonic clock, seconds.
    """

    def __init__(
        self,
        name: str,
        methods: Iterable[Method],
        backend: Backend,
        specs: Sequence[WorkerSpec],
        *,
        max_queue_rows: int,
        warm_up: Callable[[Any], None] = lambda worker: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.backend = backend
        self.core = Core(name, methods, max_queue_rows=max_queue_rows)
        self.clock = clock
        self.lock = threading.Lock()
        self.state = NEW
        self.timers = Timers(f"{name}-timers", clock)
        self.seats: list[Seat] = []
        self.unmerged = 0
        self._specs = specs
        self._warm_up = warm_up
        self._quiet = threading.Condition(self.lock)
        self._stopping = threading.Event()
        self._sick: BaseException | None = None
        self._armed = float("inf")
        _engines.add(self)

    # Life

    def start(self, timeout: float | None = None) -> None:
        """Start every worker, and return when all can be called. Raises what the first failing one raises."""
        with self.lock:
            if self.state != NEW:
                raise self.refusal()
            self.state = RUNNING
        self.seats = [Seat(spec, self.backend.create_worker(spec)) for spec in self._specs]
        starts = [_Start() for _ in self.seats]
        for seat, start in zip(self.seats, starts, strict=True):
            self._start_thread(seat.slots[0], start, timeout)
        for start in starts:
            start.done.wait()
        for start in starts:
            if start.error is not None:
                self.stop(0.0)
                raise start.error
        for seat in self.seats:
            for slot in seat.slots[1:]:
                self._start_thread(slot, None, None)
        with self.lock:
            for seat in self.seats:
                seat.usable = True
                for slot in seat.slots:
                    self.core.add_worker(slot, seat.station)

    def _start_thread(self, slot: Slot, start: _Start | None, timeout: float | None) -> None:
        slot.thread = threading.Thread(target=self._pull, args=(slot, start, timeout), name=str(slot), daemon=True)
        slot.thread.start()

    def drain(self, timeout: float | None = None) -> bool:
        """Take no more calls; wait until those taken are answered. Return whether they were, within the seconds."""
        with self._quiet:
            if self.state == RUNNING:
                self.state = DRAINING
            return self._quiet.wait_for(lambda: not self._open_work(), timeout)

    def _open_work(self) -> bool:
        return bool(self.unmerged or self.core.busy or self.core.has_work)

    def stop(self, timeout: float | None = None) -> None:
        """Drain for so many seconds, answer the rest with `RunnerClosedError`, and end the workers. Repeatable."""
        if self.state in (STOPPED, FORKED):
            return
        drained = self.state == NEW or self.drain(timeout)
        with self.lock:
            self.state = STOPPED
            self._stopping.set()
            self.core.reject_waiting(self.refusal)
            rejections = self.core.collect()
        reject(rejections)
        self.timers.close()
        for seat in self.seats:
            for slot in seat.slots:
                slot.inbox.put(None)
            if drained:
                seat.worker.close(timeout)
            else:
                seat.worker.kill()
        if drained:
            for slot in (slot for seat in self.seats for slot in seat.slots):
                if slot.thread is not None and slot.thread is not threading.current_thread():
                    slot.thread.join()

    @property
    def ready(self) -> bool:
        """Whether calls are taken and a worker is there to run them."""
        if self.state != RUNNING:
            return False
        self.mend()
        return self._sick is None and any(seat.usable for seat in self.seats)

    def refusal(self) -> RunnerError:
        """Return the error for a call that cannot be taken in the present state."""
        name = self.name
        if self.state == FORKED:
            return ForkedRunnerError(
                f"Runner {name!r} was started before this process was forked",
                why="Its threads and workers stayed with the parent",
                fix="Make a runner in the child, or let it attach to the parent's (runner.listen, Runner.attach)",
                runner=name,
            )
        if self.state == NEW:
            return RunnerNotReadyError(
                f"Runner {name!r} is not started",
                fix="Call runner.start() or runner.init_local(), or use it in a with statement",
                runner=name,
            )
        if self._sick is not None and self.state == RUNNING:
            error = RunnerNotReadyError(
                f"Runner {name!r} has no healthy worker",
                why=str(self._sick),
                fix="See the log; it takes calls again as soon as a worker is well",
                runner=name,
            )
            error.__cause__ = self._sick
            return error
        return RunnerClosedError(f"Runner {name!r} is {self.state}", fix="Start a new one", runner=name)

    def check_open(self) -> None:
        """Raise the refusal if no call can be taken."""
        if self.state != RUNNING or self._sick is not None:
            raise self.refusal()

    # Calls in

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Queue calls, and hand batches to idle workers.

        Raises:
            RunnerError: No call can be taken; none was.
        """
        core = self.core
        with self.lock:
            if self.state != RUNNING or self._sick is not None:
                raise self.refusal()
            now = self.clock()
            for chunk in chunks:
                core.submit(chunk, now)
            batches = core.dispatch(now) if core.can_dispatch else ()
            rejections = core.collect()
        self._send(batches)
        if rejections:
            reject(rejections)

    def begin_inline(self, chunk: Chunk) -> Batch | None:
        """Return a batch of this one call for the calling thread to run, or `None` if no worker is idle."""
        core = self.core
        with self.lock:
            if not core.idle:
                return None
            return core.begin_alone(chunk, core.idle[-1], self.clock())

    def turn_away(self, method: Method, gate: Any) -> BaseException:
        """Return the error for a call that need not ask: nothing has left since another one was refused."""
        with self.lock:
            if isinstance(gate, QueueFullError):
                method.counters.overflowed += 1
            else:
                method.counters.refused += 1
        return again(gate)

    # Batches

    def _pull(self, slot: Slot, start: _Start | None, timeout: float | None) -> None:
        if start is not None:
            try:
                self._bring_up(slot.seat, timeout)
            except BaseException as error:  # noqa: BLE001 - handed to whoever called start()
                start.error = error
                return
            finally:
                start.done.set()
            del start
        while True:
            batch = slot.inbox.get()
            if batch is None:
                return
            batch = self._run(slot, batch, True)
            while batch is not None:
                # Its worker has answered just now, so nobody asks whether it is well: that takes a system call.
                batch = self._run(slot, batch, False)

    def _bring_up(self, seat: Seat, timeout: float | None) -> None:
        seat.worker.start(timeout)
        self._warm_up(seat.worker)

    def _run(self, slot: Slot, batch: Batch, fresh: bool) -> Batch | None:
        answered: Sequence[tuple[Chunk, Sequence[Any]]] = ()
        error: BaseException | None = None
        method = batch.method
        worker = slot.seat.worker
        if fresh and not worker.healthy:
            return self._hand_back(slot, batch)
        timeout = method.timeout
        if timeout is not None and batch.ahead:
            timeout *= 2  # it waits for another run, which may take as long
        try:
            args, kwargs = batch.merge()
            result = worker.run(method.name, args, kwargs, timeout=timeout, slot=slot.number)
            answered = batch.split(result)
        except BaseException as caught:  # noqa: BLE001 - whatever a method raises is for its callers
            error = presentable(caught, method.name, self.name)
        following = self.complete(slot, batch, error)
        error = None
        if answered and not batch.abandoned:
            deliver(answered, batch)
        return following

    def _hand_back(self, slot: Slot, batch: Batch) -> Batch | None:
        """Put a batch back in line, before a worker that died idle has touched it."""
        seat = slot.seat
        following = None
        with self.lock:
            self.core.put_back(batch, self.clock())
            # Another thread may have replaced it since.
            mine = not seat.worker.healthy and self._give_up(seat)
            now = self.clock()
            if seat.usable:
                following = self.core.take(slot, now)
            others = self.core.dispatch(now)
        self._send(others)
        if mine:
            self._replace(seat)
        return following

    def _send(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            batch.worker.inbox.put(batch)  # type: ignore[attr-defined]
            self._watch(batch)

    def complete(self, slot: Slot, batch: Batch, error: BaseException | None) -> Batch | None:
        """Note how a batch ended, and return the next one for its slot."""
        core = self.core
        others: Sequence[Batch] = ()
        following = None
        broken = False
        now = self.clock()
        with self.lock:
            if error is None:
                core.finish(batch, now)
            else:
                core.fail(batch, error, now)
                broken = not slot.seat.worker.healthy
            if batch.abandoned:
                self._returned(slot)
            if broken or not slot.seat.usable:
                broken = self._give_up(slot.seat)
            else:
                following = core.take(slot, now)
            if core.can_dispatch:
                others = core.dispatch(now)
            rejections = core.collect()
            if self.state != RUNNING and not self._open_work():
                self._quiet.notify_all()
        if rejections:
            reject(rejections)
        self._send(others)
        if broken:
            self._replace(slot.seat)
        if following is not None:
            self._watch(following)
        return following

    # Workers that hang or die

    def _watch(self, batch: Batch) -> None:
        """See to it that a batch which hangs is noticed. Only where the worker cannot see to it itself."""
        timeout = batch.method.timeout
        if timeout is not None and self.backend.inline:
            end = batch.started + timeout
            if end < self._armed:
                self._armed = end
                self.timers.call_at(end, self._expire)

    def _expire(self) -> None:
        with self.lock:
            for batch in self.core.expire(self.clock()):
                slot: Any = batch.worker
                slot.seat.usable = False
                for other in slot.seat.slots:
                    self.core.remove_worker(other)
                logger.error("Worker %s of runner %r hangs in %r and is given up", slot, self.name, batch.method.name)
                if not any(seat.usable for seat in self.seats):
                    self._fall_sick(RunnerNotReadyError(f"Worker {slot} hangs in {batch.method.name!r}"))
            rejections = self.core.collect()
            following = self.core.next_timer()
            self._armed = float("inf") if following is None else following
        if following is not None:
            self.timers.call_at(following, self._expire)
        reject(rejections)

    def _fall_sick(self, cause: BaseException) -> None:
        self._sick = cause
        self.core.reject_waiting(self.refusal)

    def _returned(self, slot: Slot) -> None:
        """Take back a worker of this process that hung and did come back."""
        seat = slot.seat
        if self.backend.inline and not seat.usable:
            seat.usable = True
            self._sick = None
            for other in seat.slots:
                if other is not slot and not self.core.workforce.knows(other):
                    self.core.add_worker(other, seat.station)
            logger.warning("Worker %s of runner %r came back", seat.spec.name, self.name)

    def _give_up(self, seat: Seat) -> bool:
        """Stop counting on a worker that died or hangs; return whether the caller is the one to replace it."""
        seat.usable = False
        for slot in seat.slots:
            self.core.remove_worker(slot)
        if self.backend.inline or seat.restarting or self.state == STOPPED:
            return False
        seat.restarting = True
        return True

    def mend(self) -> None:
        """Replace workers that died while no batch was in them. Does not wait for it."""
        for seat in self.seats:
            if seat.usable and not seat.worker.healthy:
                with self.lock:
                    mine = self.state == RUNNING and not seat.worker.healthy and self._give_up(seat)
                if mine:
                    name = f"{seat.spec.name}-mend"
                    threading.Thread(target=self._replace, args=(seat,), name=name, daemon=True).start()

    def _replace(self, seat: Seat) -> None:
        """Start another worker in place of one that is gone. Runs in the thread of one of its slots."""
        old = seat.worker
        logger.warning("Worker %s of runner %r is gone; starting another", old.name, self.name)
        old.kill()
        while not self._stopping.is_set():
            worker = self.backend.create_worker(seat.spec)
            seat.worker = worker
            try:
                self._bring_up(seat, None)
            except Exception as error:  # noqa: BLE001 - whatever a model's class raises, starting is tried again
                worker.kill()
                seat.failures += 1
                wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (seat.failures - 1))
                logger.error("Worker %s does not start, next attempt in %.1f s: %s", seat.spec.name, wait, error)
                with self.lock:
                    if self.state != STOPPED and not any(other.usable for other in self.seats):
                        self._fall_sick(error)
                    rejections = self.core.collect()
                reject(rejections)
                self._stopping.wait(wait)
                continue
            with self.lock:
                seat.usable, seat.restarting, seat.failures = True, False, 0
                self._sick = None
                for slot in seat.slots:
                    if not self.core.workforce.knows(slot):
                        self.core.add_worker(slot, seat.station)
                batches = self.core.dispatch(self.clock())
                rejections = self.core.collect()
            self._send(batches)
            reject(rejections)
            if self._stopping.is_set():
                worker.kill()
            return

    # Unmerged calls

    def enter(self) -> None:
        """Count a call that runs past the core. Raises if no call can be taken."""
        with self.lock:
            self.check_open()
            self.unmerged += 1

    def leave(self) -> None:
        """Count it no more."""
        with self.lock:
            self.unmerged -= 1
            if self.state != RUNNING and not self._open_work():
                self._quiet.notify_all()

    def metrics(self) -> dict[str, Any]:
        """Return what happened so far, as plain values."""
        core = self.core
        with self.lock:
            return {
                "runner": self.name,
                "state": self.state,
                "workers": sum(seat.usable for seat in self.seats),
                "busy": len(core.busy),
                "waiting_rows": core.waiting_rows,
                "methods": {
                    name: method.counters.snapshot()
                    | {"waiting_rows": method.waiting, "learned_batch_seconds": _learned(method)}
                    for name, method in core.methods.items()
                },
            }


def _learned(method: Method) -> Mapping[str, float]:
    return {"fixed": method.cost.intercept, "per_row": method.cost.slope, "batches": method.cost.count}


class _Start:
    """How the start of one worker went."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: BaseException | None = None


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _mark_forked() -> None:
    for engine in list(_engines):
        if engine.state != NEW:
            engine.state = FORKED
            # The parent's threads may have held it.
            engine.lock = threading.Lock()


os.register_at_fork(after_in_child=_mark_forked)
