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
from tiffin.calls import Backend, RanBatch, ThreadWaiter, WorkerSpec, hand_over
from tiffin.exceptions import (
    ForkedRunnerError,
    QueueFullError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
)
from tiffin.runners._answers import reject
from tiffin.runners._crew import Crew
from tiffin.runners._desk import Desk
from tiffin.runners._heirs import Heir
from tiffin.runners._seats import Seat, Slot
from tiffin.runners._spares import Spares
from tiffin.runners._states import DRAINING, FORKED, NEW, RUNNING, STOPPED
from tiffin.surroundings import running_in

logger = logging.getLogger("tiffin.runners")

MOST_ARRIVALS = 16
"""Chunks that may lie at the door while every worker is busy, before the desk takes them in."""

NOT_FREE: Any = object()
"""What `Engine.run_inline` returns where no worker is idle."""


class Engine:
    """Runs what calls bring.

    Args:
        name: the runner's name.
        methods: the methods that go through the core.
        backend: makes the workers.
        specs: what each worker is made from.
        max_queue_rows: rows that may wait.
        warm_up: called with each new worker before it gets any batch.
        spares: workers that wait, started and warmed up, for another one to die.
        least: workers to begin with; `None` for all.
        clock: a monotonic clock, seconds.

    Attributes:
        identity: tells this engine from all others, in other processes too.
        arrivals: calls that the core has not seen yet.
        unmerged: the open calls that run past the core, with the thread that each runs in, or 0.
        on_ran: called after each run in a worker; `None` where nobody wants to know.
        place: the back end, and why it is that one if nobody chose it.
        watchers: called, from any thread, when other methods than before turn callers away.
        heir: who takes what comes to this engine from here on; `None` as long as it was not handed over.
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
        spares: int = 0,
        least: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.identity = uuid.uuid4().hex
        self.backend = backend
        self.core = Core(name, methods, max_queue_rows=max_queue_rows, in_place=backend.inline)
        self.clock = clock
        self.lock = threading.Lock()
        self.state = NEW
        self.desk = Desk(f"{name}-desk", clock)
        self.seats: list[Seat] = []
        self.arrivals: deque[Chunk] = deque()
        self.unmerged: dict[Any, int] = {}
        self.slots: list[Slot] = []
        self._specs = [replace(spec, runner=self.identity) for spec in specs]
        self.stopping = threading.Event()
        self.spares = Spares(name, backend, self._specs, spares, warm_up, self.stopping)
        self._least = len(specs) if least is None else least
        self.crew = Crew(self, warm_up, self.spares)
        self._prompt = any(method.max_latency != math.inf for method in self.core.methods.values())
        self._smallest = min((method.max_batch_size for method in self.core.methods.values()), default=1)
        self._drains: list[tuple[ThreadWaiter, int]] = []
        self.sick: BaseException | None = None
        self.on_ran: Callable[..., Any] | None = None
        self.place = ""
        self.watchers: dict[object, Callable[[], None]] = {}
        self.heir: Heir | None = None
        _engines.add(self)

    # Life

    def start(self, timeout: float | None = None) -> None:
        """Start every worker, and return when all can be called. Raises what the first failing one raises."""
        if self.state == RUNNING:
            raise RunnerError(
                f"Runner {self.name!r} has been started already",
                fix="Call start() or init_local() once, or use the runner in a with statement",
                runner=self.name,
            )
        if self.state != NEW:
            raise self.refusal()
        self.state = RUNNING
        try:
            self.desk.start()
            self.seats = [Seat(spec, self.backend.create_worker(spec)) for spec in self._specs]
            self.slots = [slot for seat in self.seats for slot in seat.slots]
            starts = [ThreadWaiter() for _ in self.seats[: self._least]]
            for seat in self.seats[self._least :]:
                seat.resting = True
            for seat, start in zip(self.seats, starts, strict=False):
                self.crew.start_thread(seat.slots[0], start, timeout)
                if self.backend.inline:
                    start.wait(None)  # of two threads that import a framework at once, one may find half of it
            for start in () if self.backend.inline else starts:
                start.wait(None)
            for start in starts:
                if start.error is not None:
                    raise start.error
            self.spares.fill()
        except BaseException:
            # Interrupted as well: nobody would end what has been started.
            self.stop(0.0)
            raise

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
        self.desk.call_soon(self.crew.look_around)
        return waiter.wait(timeout) if self.state == DRAINING else not self._open_work(get_ident())

    def _open_work(self, asker: int) -> bool:
        """Return whether anything is not answered, but for what the asking thread is in."""
        if self.arrivals or self.core.has_work or any(thread != asker for thread in tuple(self.unmerged.values())):
            return True
        for slot in self.slots:
            batch = slot.batch or slot.pending
            if batch is not None and (batch.thread or _thread_of(slot)) != asker:
                return True
        return False

    def answer_drains(self) -> None:
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
                self.stopping.set()
                self.core.reject_waiting(self.refusal)
                rejections = self.core.collect()
            reject(rejections)
            self.refuse_arrivals()
            for slot in self.slots:
                slot.inbox.put(None)
            self.spares.close()
            for seat in self.seats:
                if drained:
                    seat.worker.close(timeout)
                else:
                    seat.worker.kill()
                    seat.worker.close(0)
            self.desk.close()
            if drained:
                for slot in self.slots:
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
        if self.state != RUNNING or self.sick is not None:
            return False
        usable = [seat for seat in self.seats if seat.usable]
        well = [seat for seat in usable if seat.worker.healthy]
        if len(well) < len(usable):
            self.desk.call_soon(self.crew.mend)
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
        if self.sick is not None and self.state == RUNNING:
            error = RunnerNotReadyError(
                f"Runner {name!r} has no healthy worker",
                why=str(self.sick),
                fix="See the log; it takes calls again as soon as a worker is well",
                runner=name,
            )
            error.__cause__ = self.sick
            return error
        return RunnerClosedError(
            f"Runner {name!r} is {self.state}",
            why="A runner starts once, and has ended for good when it has stopped",
            fix="Make a new one, as this one was made (model.to_runner(…), tiffin.Runner(…)), and start that",
            runner=name,
        )

    def check_open(self) -> None:
        """Raise the refusal if no call can be taken, or the caller is one of the runner's own methods."""
        if self.heir is not None:
            self.heir.engine.check_open()
        elif self.state != RUNNING or self.sick is not None:
            raise self.refusal()
        if running_in.get() == self.identity:
            raise own_call(self.name)

    # Calls in

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Leave calls at the door, and ring.

        Raises:
            RunnerError: no call can be taken; none was.
        """
        if self.state != RUNNING or self.sick is not None:
            if self.heir is None:
                raise self.refusal()
            self.heir.submit(chunks, self.refusal)
            return
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
            self.refuse_arrivals()
            return
        rows = core.waiting_rows + sum(chunk.rows for chunk in tuple(arrivals))
        if self._prompt or rows > core.max_queue_rows or len(arrivals) > MOST_ARRIVALS:
            self.desk.call_soon(self.crew.look_around)
        elif rows >= self._smallest:
            with contextlib.suppress(IndexError):
                core.workforce.ahead[-1].ring()  # type: ignore[attr-defined]

    def refuse_arrivals(self) -> None:
        while self.arrivals:
            try:
                chunk = self.arrivals.popleft()
            except IndexError:
                return
            try:
                if self.heir is None:
                    raise self.refusal()
                self.heir.submit([chunk], self.refusal)
            except RunnerError:
                chunk.sink.reject(chunk, [self.refusal() for _ in chunk.waiters])

    def run_inline(self, chunk: Chunk, explain: Callable[[Any, Batch], Any] | None = None) -> Any:
        """Run a call in the calling thread and return its result, or `NOT_FREE` if no worker is idle."""
        core = self.core
        if self.heir is not None:
            return self.heir.run_inline(chunk, explain, NOT_FREE)
        if self.state != RUNNING or self.arrivals or core.has_work:
            return NOT_FREE
        if running_in.get() == self.identity:
            raise own_call(self.name)
        for slot in self.slots:
            if slot.batch is None and slot.seat.usable:
                break
        else:
            return NOT_FREE
        batch = core.begin_alone(chunk, slot, self.clock())
        batch.thread = get_ident()
        batch.known = False
        failure: BaseException | None = None
        # Interrupted at any place but one, it gives the slot back; twice, so that there is no such place.
        try:
            try:
                if not slot.take(batch):
                    return NOT_FREE
                args, kwargs = batch.merge()
                method = batch.method
                made = hand_over(batch.abouts, slot.seat.worker.run, method.name, args, kwargs, slot=slot.number)
                result = batch.split(made)[0][1][0]
            except BaseException as error:
                batch.failed = True
                failure = error
                raise
            finally:
                self._give_back(slot, batch)
        finally:
            if not batch.returned:
                self._give_back(slot, batch)
            if self.on_ran is not None and batch.finished:
                self.tell_ran(batch, failure)
            failure = None
        return result if explain is None else explain(result, batch)

    def _give_back(self, slot: Slot, batch: Batch) -> None:
        """Give back a slot that a caller's thread has used itself. Repeatable."""
        first = slot.batch is batch
        if first:
            batch.finished = slot.freed = self.clock()
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

    @property
    def workers(self) -> int:
        """How many workers it was made for."""
        return len(self._specs)

    def tell_ran(self, batch: Batch, error: BaseException | None) -> None:
        """Tell those who want to know of it that a batch has run."""
        told = [chunk for chunk in batch.chunks if chunk.about is not None]
        self.tell(
            RanBatch(
                *(self.name, batch.method.name, str(batch.worker), batch.number, batch.calls, batch.rows),
                *(batch.started, batch.finished or self.clock(), error),
                abouts=tuple(batch.abouts),
                arrived=tuple(chunk.arrived for chunk in told),
            )
        )

    def tell(self, ran: RanBatch) -> None:
        """Tell those who want to know of a run."""
        if self.on_ran is None:
            return
        try:
            self.on_ran(batch=ran)
        except Exception:  # the answers are not to suffer from who watches them
            logger.exception("a plugin fails to take note of a batch of runner %r", self.name)

    # Unmerged calls

    def leave(self, call: Any) -> None:
        """Count a call that ran past the core no more. Not in a caller's thread."""
        self.unmerged.pop(call, None)
        if self.state != RUNNING:
            with self.lock:
                self.answer_drains()

    def metrics(self) -> dict[str, Any]:
        """Return what happened so far, as plain values. Takes no lock: signal handlers may ask."""
        core = self.core
        arrived = sum(chunk.rows for chunk in tuple(self.arrivals))
        return {
            "runner": self.name,
            "state": self.state,
            "workers": sum(seat.usable for seat in self.seats),
            "spares": self.spares.ready,
            "busy": sum((slot.batch or slot.pending) is not None for slot in self.slots),
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
