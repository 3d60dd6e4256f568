"""The engine of a runner: one batching core behind one lock, and the workers that pull from it.

Only threads of the engine's own enter the core: the workers' threads, which pull batches when they are idle or done, and
the desk. A caller's thread leaves its calls at the door (`arrivals`) and rings, or takes a free slot and runs its call
itself. Each of these is one operation that is done or not done, so an exception from a signal handler, wherever it
comes, leaves no lock locked and nothing half noted; and a handler may ask the runner anything. Answers leave from the
thread that ran the batch.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import get_ident
from typing import Any

from tiffin.batching import Batch, Chunk, Core, Method, again
from tiffin.calls import Backend, ThreadWaiter, WorkerSpec, running_in
from tiffin.exceptions import (
    ForkedRunnerError,
    QueueFullError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
)
from tiffin.runners._answers import deliver, presentable, reject
from tiffin.runners._desk import Desk
from tiffin.runners._seats import Seat, Slot

logger = logging.getLogger("tiffin.runners")

NEW, RUNNING, DRAINING, STOPPED, FORKED = "not started", "running", "draining", "stopped", "forked"

FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 15.0
"""Seconds between attempts to start a worker again; doubles with each failure in a row."""

MOST_ARRIVALS = 16
"""Chunks that may lie at the door while every worker is busy, before the desk takes them in."""

NOT_FREE: Any = object()
"""What `Engine.run_inline` returns where no worker is idle."""


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

    Attributes:
        identity: Tells this engine from all others, in other processes too.
        arrivals: Calls that the core has not seen yet.
        unmerged: The open calls that run past the core, with the thread that each runs in, or 0.
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
        self.identity = uuid.uuid4().hex
        self.backend = backend
        self.core = Core(name, methods, max_queue_rows=max_queue_rows)
        self.clock = clock
        self.lock = threading.Lock()
        self.state = NEW
        self.desk = Desk(f"{name}-desk", clock)
        self.seats: list[Seat] = []
        self.arrivals: deque[Chunk] = deque()
        self.unmerged: dict[Any, int] = {}
        self._slots: list[Slot] = []
        self._specs = [replace(spec, runner=self.identity) for spec in specs]
        self._warm_up = warm_up
        self._prompt = any(method.max_latency != math.inf for method in self.core.methods.values())
        self._smallest = min((method.max_batch_size for method in self.core.methods.values()), default=1)
        self._drains: list[tuple[ThreadWaiter, int]] = []
        self._stopping = threading.Event()
        self._sick: BaseException | None = None
        self._armed = math.inf
        _engines.add(self)

    # Life

    def start(self, timeout: float | None = None) -> None:
        """Start every worker, and return when all can be called. Raises what the first failing one raises."""
        if self.state != NEW:
            raise self.refusal()
        self.state = RUNNING
        try:
            self.desk.start()
            self.seats = [Seat(spec, self.backend.create_worker(spec)) for spec in self._specs]
            self._slots = [slot for seat in self.seats for slot in seat.slots]
            starts = [ThreadWaiter() for _ in self.seats]
            for seat, start in zip(self.seats, starts, strict=True):
                self._start_thread(seat.slots[0], start, timeout)
            for start in starts:
                start.wait(None)
            for start in starts:
                if start.error is not None:
                    raise start.error
        except BaseException:
            # Interrupted as well: nobody would end what has been started.
            self.stop(0.0)
            raise

    def _start_thread(self, slot: Slot, start: ThreadWaiter | None, timeout: float | None) -> None:
        slot.thread = threading.Thread(target=self._pull, args=(slot, start, timeout), name=str(slot), daemon=True)
        slot.thread.start()

    def drain(self, timeout: float | None = None) -> bool:
        """Take no more calls; wait until those taken are answered. Return whether they were, within the seconds.

        A call that the calling thread itself is in (it is in a signal handler, or in the method) is not waited for.
        """
        if self.state == RUNNING:
            self.state = DRAINING
        if self.state not in (DRAINING, STOPPED):
            return True
        waiter = ThreadWaiter()
        self._drains.append((waiter, get_ident()))
        self.desk.call_soon(self._look_around)
        return waiter.wait(timeout) if self.state == DRAINING else not self._open_work(get_ident())

    def _open_work(self, asker: int) -> bool:
        """Return whether anything is not answered, but for what the asking thread is in."""
        if self.arrivals or self.core.has_work or any(thread != asker for thread in tuple(self.unmerged.values())):
            return True
        for slot in self._slots:
            batch = slot.batch or slot.pending
            if batch is not None and (batch.thread or _thread_of(slot)) != asker:
                return True
        return False

    def _answer_drains(self) -> None:
        """Tell those who wait for the last answer, if it is there. Under the lock."""
        if self.state == RUNNING:
            return
        for entry in list(self._drains):
            if not self._open_work(entry[1]):
                self._drains.remove(entry)
                entry[0].answer(None, None)

    def stop(self, timeout: float | None = None) -> None:
        """Drain for so many seconds, answer the rest with `RunnerClosedError`, and end the workers. Repeatable."""
        if self.state in (STOPPED, FORKED):
            return
        drained = self.state == NEW or self.drain(timeout)
        self.state = STOPPED
        if not self.desk.thread.is_alive():
            self._shut(drained, timeout, get_ident(), None)
            return
        # At the desk, so that nothing is left half done if this thread is interrupted.
        done = ThreadWaiter()
        asker = get_ident()
        self.desk.call_soon(lambda: self._shut(drained, timeout, asker, done))
        if self.desk.thread is not threading.current_thread():
            done.wait(None)

    def _shut(self, drained: bool, timeout: float | None, asker: int, done: ThreadWaiter | None) -> None:
        try:
            with self.lock:
                self._stopping.set()
                self.core.reject_waiting(self.refusal)
                rejections = self.core.collect()
            reject(rejections)
            self._refuse_arrivals()
            for slot in self._slots:
                slot.inbox.put(None)
            for seat in self.seats:
                if drained:
                    seat.worker.close(timeout)
                else:
                    seat.worker.kill()
            self.desk.close()
            if drained:
                for slot in self._slots:
                    if slot.thread is not None and _thread_of(slot) not in (asker, get_ident()):
                        slot.thread.join()
        finally:
            if done is not None:
                done.answer(None, None)

    def abandon(self) -> None:
        """Stop, because nobody refers to the runner any more. From any thread and at any moment; waits for nothing."""
        if self.state in (RUNNING, DRAINING):
            self.state = STOPPED
            self.desk.call_soon(lambda: self._shut(False, 0.0, 0, None))

    @property
    def ready(self) -> bool:
        """Whether calls are taken and a worker is there to run them."""
        if self.state != RUNNING or self._sick is not None:
            return False
        usable = [seat for seat in self.seats if seat.usable]
        well = [seat for seat in usable if seat.worker.healthy]
        if len(well) < len(usable):
            self.desk.call_soon(self.mend)
        return bool(well)

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
        """Raise the refusal if no call can be taken, or the caller is one of the runner's own methods."""
        if self.state != RUNNING or self._sick is not None:
            raise self.refusal()
        if running_in.get() == self.identity:
            raise own_call(self.name)

    # Calls in

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Leave calls at the door, and ring.

        Raises:
            RunnerError: No call can be taken; none was.
        """
        if self.state != RUNNING or self._sick is not None:
            raise self.refusal()
        now = self.clock()
        for chunk in chunks:
            chunk.arrived = now
        rung = False
        try:
            self.arrivals.extend(chunks)
            self._ring()
            rung = True
        finally:
            if not rung:
                self._ring()

    def _ring(self) -> None:
        """Call the one who is to take in what has arrived; nobody, if all are busy and it can wait for them."""
        core, arrivals = self.core, self.arrivals
        try:
            core.idle[-1].ring()  # type: ignore[attr-defined]
            return
        except IndexError:
            pass
        if self.state != RUNNING:
            self._refuse_arrivals()
            return
        rows = core.waiting_rows + sum(chunk.rows for chunk in tuple(arrivals))
        if self._prompt or rows > core.max_queue_rows or len(arrivals) > MOST_ARRIVALS:
            self.desk.call_soon(self._look_around)
        elif rows >= self._smallest:
            with contextlib.suppress(IndexError):
                core.workforce.ahead[-1].ring()  # type: ignore[attr-defined]

    def _refuse_arrivals(self) -> None:
        while self.arrivals:
            try:
                chunk = self.arrivals.popleft()
            except IndexError:
                return
            chunk.sink.reject(chunk, [self.refusal() for _ in chunk.waiters])

    def run_inline(self, chunk: Chunk, explain: Callable[[Any, Batch], Any] | None = None) -> Any:
        """Run a call in the calling thread and return its result, or `NOT_FREE` if no worker is idle."""
        core = self.core
        if self.state != RUNNING or self.arrivals or core.has_work:
            return NOT_FREE
        if running_in.get() == self.identity:
            raise own_call(self.name)
        for slot in self._slots:
            if slot.batch is None and slot.seat.usable:
                break
        else:
            return NOT_FREE
        batch = core.begin_alone(chunk, slot, self.clock())
        batch.thread = get_ident()
        batch.known = False
        # Interrupted at any place but one, it gives the slot back; twice, so that there is no such place.
        try:
            try:
                if not slot.take(batch):
                    return NOT_FREE
                args, kwargs = batch.merge()
                method = batch.method
                result = batch.split(slot.seat.worker.run(method.name, args, kwargs, slot=slot.number))[0][1][0]
            except BaseException:
                batch.failed = True
                raise
            finally:
                self._give_back(slot, batch)
        finally:
            if not batch.returned:
                self._give_back(slot, batch)
        return result if explain is None else explain(result, batch)

    def _give_back(self, slot: Slot, batch: Batch) -> None:
        """Give back a slot that a caller's thread has used itself. Repeatable."""
        first = slot.batch is batch
        if first:
            batch.finished = self.clock()
            slot.leave(batch)
        waits = batch.known or slot.pending is not None or self.arrivals or self.core.has_work
        if batch.finished and (waits or self.state != RUNNING):
            slot.inbox.put(True)
        batch.returned = True
        if first:
            method = batch.method
            self.core.account(batch)
            if batch.failed:
                method.counters.failed += 1
            else:
                method.cost.learn(batch.rows, batch.finished - batch.started)

    def turn_away(self, method: Method, gate: Any) -> BaseException:
        """Return the error for a call that need not ask: nothing has left since another one was refused."""
        if isinstance(gate, QueueFullError):
            method.counters.overflowed += 1
        else:
            method.counters.refused += 1
        return again(gate)

    # The core. Only in the engine's own threads

    def _take_in(self, now: float) -> None:
        """Let the core know what has arrived, and what callers run themselves. Under the lock."""
        core = self.core
        if self.backend.inline:
            for slot in self._slots:
                batch = slot.batch
                if batch is not None and not batch.known and slot in core.idle:
                    batch.known = True  # from here on it rings when it ends
                    if slot.batch is batch:
                        core.adopt(batch)
        if self.state == STOPPED or self._sick is not None:
            self._refuse_arrivals()
        while self.arrivals:
            try:
                chunk = self.arrivals.popleft()
            except IndexError:  # refused meanwhile
                break
            core.submit(chunk, now)

    def _hand_out(self, now: float) -> None:
        """Give batches to idle workers, until nothing more has arrived. Under the lock."""
        core = self.core
        while True:
            if core.can_dispatch:
                for batch in core.dispatch(now):
                    self._assign(batch.worker, batch)  # type: ignore[arg-type]
            if not self.arrivals:
                break
            self._take_in(now)
        self._answer_drains()

    def _assign(self, slot: Slot, batch: Batch) -> None:
        slot.pending = batch
        slot.inbox.put(True)
        self._watch(batch)

    def _look_around(self, slot: Slot | None = None) -> None:
        """Take in what has arrived, and hand out what can run; for a worker that is free, see what has ended."""
        now = self.clock()
        core = self.core
        with self.lock:
            self._take_in(now)
            running = None if slot is None else core.busy.get(slot)
            if slot is not None and running is not None and running.thread and slot.batch is not running:
                core.release(running, now)
                following = core.take(slot, now)
                if following is not None:
                    self._assign(slot, following)
            self._hand_out(now)
            rejections = core.collect()
        if rejections:
            reject(rejections)

    # Batches

    def _pull(self, slot: Slot, start: ThreadWaiter | None, timeout: float | None) -> None:
        if start is not None:
            try:
                self._open_seat(slot.seat, timeout)
            except BaseException as error:  # noqa: BLE001 - handed to whoever called start()
                start.answer(None, error)
                return
            start.answer(None, None)
            del start
        while slot.inbox.get() is not None:
            batch = slot.pending
            if batch is None:
                self._look_around(slot)
                batch = slot.pending
            if batch is None or not slot.take(batch):
                continue  # whoever has the slot rings again
            slot.pending = None
            following = self._run(slot, batch, True)
            del batch
            while following is not None:
                # Its worker has answered just now, so nobody asks whether it is well: that takes a system call.
                following = self._run(slot, following, False)

    def _open_seat(self, seat: Seat, timeout: float | None) -> None:
        self._bring_up(seat, timeout)
        for slot in seat.slots[1:]:
            self._start_thread(slot, None, None)
        with self.lock:
            if self._stopping.is_set():
                seat.worker.kill()
                raise self.refusal()
            seat.usable = True
            for slot in seat.slots:
                self.core.add_worker(slot, seat.station)

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
        following = self._complete(slot, batch, error)
        error = None
        if answered and not batch.abandoned:
            deliver(answered, batch)
        return following

    def _hand_back(self, slot: Slot, batch: Batch) -> Batch | None:
        """Put a batch back in line, before a worker that died idle has touched it."""
        seat = slot.seat
        with self.lock:
            now = self.clock()
            self.core.put_back(batch, now)
            # Another thread may have replaced it since.
            mine = not seat.worker.healthy and self._give_up(seat)
            following = self._next(slot, batch, now)
        if mine:
            self._replace(seat)
        return following

    def _complete(self, slot: Slot, batch: Batch, error: BaseException | None) -> Batch | None:
        """Note how a batch ended, and return the next one for its slot."""
        core = self.core
        seat = slot.seat
        broken = False
        now = self.clock()
        with self.lock:
            if error is None:
                core.finish(batch, now)
            else:
                core.fail(batch, error, now)
                broken = not seat.worker.healthy
            if batch.abandoned:
                self._returned(slot)
            if broken or not seat.usable:
                broken = self._give_up(seat)
            following = self._next(slot, batch, now)
            rejections = core.collect()
        if rejections:
            reject(rejections)
        if broken:
            self._replace(seat)
        return following

    def _next(self, slot: Slot, batch: Batch, now: float) -> Batch | None:
        """Return the next batch for a slot whose batch has ended; without one the slot is free. Under the lock."""
        self._take_in(now)
        following = self.core.take(slot, now) if slot.seat.usable else None
        if following is None:
            slot.leave(batch)
        else:
            slot.pass_on(following)
            self._watch(following)
        self._hand_out(now)
        return following

    # Workers that hang or die

    def _watch(self, batch: Batch) -> None:
        """See to it that a batch which hangs is noticed. Only where the worker cannot see to it itself."""
        timeout = batch.method.timeout
        if timeout is not None and self.backend.inline:
            end = batch.started + timeout
            if end < self._armed:
                self._armed = end
                self.desk.call_at(end, self._expire)

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
            self._armed = math.inf if following is None else following
        if following is not None:
            self.desk.call_at(following, self._expire)
        reject(rejections)

    def _fall_sick(self, cause: BaseException) -> None:
        self._sick = cause
        self.core.reject_waiting(self.refusal)
        self._refuse_arrivals()

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
                now = self.clock()
                self._take_in(now)
                self._hand_out(now)
                rejections = self.core.collect()
            reject(rejections)
            if self._stopping.is_set():
                worker.kill()
            return

    # Unmerged calls

    def leave(self, call: Any) -> None:
        """Count a call that ran past the core no more. Not in a caller's thread."""
        self.unmerged.pop(call, None)
        if self.state != RUNNING:
            with self.lock:
                self._answer_drains()

    def metrics(self) -> dict[str, Any]:
        """Return what happened so far, as plain values. Takes no lock: signal handlers may ask."""
        core = self.core
        arrived = sum(chunk.rows for chunk in tuple(self.arrivals))
        return {
            "runner": self.name,
            "state": self.state,
            "workers": sum(seat.usable for seat in self.seats),
            "busy": sum((slot.batch or slot.pending) is not None for slot in self._slots),
            "waiting_rows": core.waiting_rows + arrived,
            "methods": {
                name: method.counters.snapshot()
                | {"waiting_rows": method.waiting, "learned_batch_seconds": _learned(method)}
                for name, method in core.methods.items()
            },
        }


def _learned(method: Method) -> Mapping[str, float]:
    return {"fixed": method.cost.intercept, "per_row": method.cost.slope, "batches": method.cost.count}


def _thread_of(slot: Slot) -> int | None:
    return None if slot.thread is None else slot.thread.ident


def own_call(runner: str) -> RunnerError:
    """Return the error for a method that calls the runner which runs it."""
    return RunnerError(
        f"A method of runner {runner!r} calls the runner itself",
        why="It would wait for a worker that waits for it",
        fix="Call the runnable's own method (self.method(…)), or another runner",
        runner=runner,
    )


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _mark_forked() -> None:
    for engine in list(_engines):
        if engine.state != NEW:
            engine.state = FORKED
            # The parent's threads may have held it.
            engine.lock = threading.Lock()


os.register_at_fork(after_in_child=_mark_forked)
