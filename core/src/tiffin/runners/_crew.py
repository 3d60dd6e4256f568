"""The crew: the threads of an engine that enter its core, pull batches, run them, and replace workers that are gone.

Nothing here runs in a caller's thread, so nothing here is interrupted by signal handlers.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from tiffin.batching import Batch, Chunk
from tiffin.calls import ThreadWaiter, hand_over
from tiffin.exceptions import RunnerNotReadyError
from tiffin.runners._answers import deliver, presentable, reject
from tiffin.runners._seats import Seat, Slot
from tiffin.runners._spares import Spares
from tiffin.runners._states import RUNNING, STOPPED

if TYPE_CHECKING:
    from tiffin.runners._engine import Engine

logger = logging.getLogger("tiffin.runners")

FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 15.0
"""Seconds between attempts to start a worker again; doubles with each failure in a row."""


class Crew:
    """The workers' threads of one engine.

    Args:
        engine: the engine.
        warm_up: called with each new worker before it gets any batch.
        spares: workers that wait for another one to die.
    """

    def __init__(self, engine: Engine, warm_up: Callable[[Any], None], spares: Spares) -> None:
        self._engine = engine
        self._inline = engine.backend.inline
        self._warm_up = warm_up
        self._spares = spares
        self._armed = math.inf
        self._told_moves = 0
        self.in_lanes: Callable[[], Collection[Seat]] = tuple
        """Returns the seats in whose workers async or streaming calls run."""

    # The core. Only in the engine's own threads

    def _take_in(self, now: float) -> None:
        """Let the core know what has arrived, and what callers run themselves. Under the lock."""
        engine, core = self._engine, self._engine.core
        if self._inline:
            for slot in engine.slots:
                batch = slot.batch
                if batch is not None and not batch.known and slot in core.idle:
                    batch.known = True  # from here on it rings when it ends
                    if slot.batch is batch:
                        core.adopt(batch)
        if engine.state == STOPPED or engine.sick is not None:
            engine.refuse_arrivals()
        while engine.arrivals:
            try:
                chunk = engine.arrivals.popleft()
            except IndexError:  # refused meanwhile
                break
            core.submit(chunk, now)

    def _hand_out(self, now: float, mine: Slot | None = None) -> None:
        """Give batches to idle workers, until nothing more has arrived; the slot `mine` looks by itself. Under the lock."""
        core = self._engine.core
        while True:
            if core.can_dispatch:
                for batch in core.dispatch(now):
                    slot: Any = batch.worker
                    if batch.chunks[0].arrived < slot.freed:
                        batch.note_wait()
                    self._assign(slot, batch, mine)
            if not self._engine.arrivals:
                break
            self._take_in(now)
        self._engine.answer_drains()

    def _assign(self, slot: Slot, batch: Batch, mine: Slot | None) -> None:
        slot.pending = batch
        if slot is not mine:
            slot.inbox.put(True)
        self._watch(batch)

    def look_around(self, slot: Slot | None = None) -> None:
        """Take in what has arrived, and hand out what can run; in the thread of a free slot, see what has ended, too."""
        now = self._engine.clock()
        core = self._engine.core
        with self._engine.lock:
            self._take_in(now)
            running = None if slot is None else core.busy.get(slot)
            if slot is not None and running is not None and running.thread and slot.batch is not running:
                core.workforce.release(running, now)  # an adopted one; whoever ran it counts it
                following = core.take(slot, now)
                if following is not None:
                    self._assign(slot, following, slot)
            self._hand_out(now, slot)
            rejections = core.collect()
        self._tell(rejections)

    def _tell(self, rejections: Sequence[tuple[Chunk, Sequence[BaseException]]]) -> None:
        """Hand out what was rejected, and tell those who watch whom the runner turns away. Not under the lock."""
        if rejections:
            reject(rejections)
        watchers, moves = self._engine.watchers, self._engine.core.gate_moves
        if watchers and moves != self._told_moves:
            self._told_moves = moves
            for told in tuple(watchers.values()):
                told()

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
                self.look_around(slot)
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
            self.start_thread(slot, None, None)
        with self._engine.lock:
            if self._engine.stopping.is_set():
                seat.worker.kill()
                raise self._engine.refusal()
            seat.usable = True
            for slot in seat.slots:
                self._engine.core.add_worker(slot, seat.station)

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
            result = hand_over(batch.abouts, worker.run, method.name, args, kwargs, timeout=timeout, slot=slot.number)
            answered = batch.split(result)
        except BaseException as caught:  # noqa: BLE001 - whatever a method raises is for its callers
            error = presentable(caught, method.name, self._engine.name)
        following = self._complete(slot, batch, error)
        if answered and not batch.abandoned:
            deliver(answered, batch)
        if self._engine.on_ran is not None:
            self._engine.tell_ran(batch, error)
        error = None
        return following

    def _hand_back(self, slot: Slot, batch: Batch) -> Batch | None:
        """Put a batch back in line, before a worker that died idle has touched it."""
        seat = slot.seat
        with self._engine.lock:
            now = self._engine.clock()
            self._engine.core.put_back(batch, now)
            self._take_in(now)
            # Another thread may have replaced it since.
            mine = not seat.worker.healthy and self._give_up(seat)
            following = self._next(slot, batch, now)
        if mine:
            self._replace(seat)
        return following

    def _complete(self, slot: Slot, batch: Batch, error: BaseException | None) -> Batch | None:
        """Note how a batch ended, and return the next one for its slot."""
        core = self._engine.core
        seat = slot.seat
        broken = False
        now = self._engine.clock()
        with self._engine.lock:
            self._take_in(now)  # they found the worker busy, and are told so
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
        self._tell(rejections)
        if broken:
            self._replace(seat)
        elif seat.resting:
            self._let_go(seat)
        return following

    def _next(self, slot: Slot, batch: Batch, now: float) -> Batch | None:
        """Return the next batch for a slot whose batch has ended; without one the slot is free. Under the lock."""
        following = self._engine.core.take(slot, now) if slot.seat.usable else None
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
        if timeout is not None and self._engine.backend.inline:
            end = batch.started + timeout
            if end < self._armed:
                self._armed = end
                self._engine.desk.call_at(end, self._expire)

    def _expire(self) -> None:
        with self._engine.lock:
            for batch in self._engine.core.expire(self._engine.clock()):
                slot: Any = batch.worker
                slot.seat.usable = False
                for other in slot.seat.slots:
                    self._engine.core.remove_worker(other)
                logger.error(
                    "Worker %s of runner %r hangs in %r and is given up", slot, self._engine.name, batch.method.name
                )
                if not any(seat.usable for seat in self._engine.seats):
                    self._fall_sick(RunnerNotReadyError(f"Worker {slot} hangs in {batch.method.name!r}"))
            rejections = self._engine.core.collect()
            following = self._engine.core.next_timer()
            self._armed = math.inf if following is None else following
        if following is not None:
            self._engine.desk.call_at(following, self._expire)
        self._tell(rejections)

    def _fall_sick(self, cause: BaseException) -> None:
        self._engine.sick = cause
        self._engine.core.reject_waiting(self._engine.refusal)
        self._engine.refuse_arrivals()

    def _returned(self, slot: Slot) -> None:
        """Take back a worker of this process that hung and did come back."""
        seat = slot.seat
        if self._engine.backend.inline and not seat.usable:
            seat.usable = True
            self._engine.sick = None
            for other in seat.slots:
                if other is not slot and not self._engine.core.workforce.knows(other):
                    self._engine.core.add_worker(other, seat.station)
            logger.warning("Worker %s of runner %r came back", seat.spec.name, self._engine.name)

    def _give_up(self, seat: Seat) -> bool:
        """Stop counting on a worker that died or hangs; return whether the caller is the one to replace it."""
        seat.usable = False
        for slot in seat.slots:
            self._engine.core.remove_worker(slot)
        if self._engine.backend.inline or seat.restarting or seat.resting or self._engine.state == STOPPED:
            return False
        seat.restarting = True
        return True

    # Workers that are wanted, and those that are not

    @property
    def wanted(self) -> int:
        """How many workers there are to be."""
        return sum(not seat.resting for seat in self._engine.seats)

    def want(self, number: int) -> None:
        """Have so many workers from here on, at least one. Does not wait until they are there, or gone."""
        for seat in self._engine.seats[:number]:
            if seat.resting:
                self._wake(seat)
        for seat in self._engine.seats[number:]:
            if not seat.resting:
                with self._engine.lock:
                    seat.resting, seat.usable = True, False
                    for slot in seat.slots:
                        self._engine.core.remove_worker(slot)
                threading.Thread(target=self._let_go, args=(seat,), name=f"{seat.spec.name}-rest", daemon=True).start()

    def _wake(self, seat: Seat) -> None:
        with self._engine.lock:
            if self._engine.state != RUNNING:
                return
            seat.resting = False
            if seat.restarting:
                return  # whoever starts or ends it goes on
            if seat.worker.healthy:  # it has not ended yet
                self._count_on(seat)
                return
            seat.restarting = True
        for slot in seat.slots:
            if slot.thread is None:
                self.start_thread(slot, None, None)
        threading.Thread(target=self._start_another, args=(seat,), name=f"{seat.spec.name}-wake", daemon=True).start()

    def _let_go(self, seat: Seat) -> None:
        """End the worker of a seat that rests, unless something still runs in it: whoever ends that comes here again."""
        with self._engine.lock:
            busy = any((slot.batch or slot.pending) is not None for slot in seat.slots) or seat in self.in_lanes()
            if busy or not seat.resting or seat.restarting or self._engine.state != RUNNING:
                return
            seat.restarting = True
        seat.worker.close(None)
        with self._engine.lock:
            if seat.resting:
                seat.restarting = False
                return
        self._start_another(seat)

    def mend(self) -> None:
        """Replace workers that died while no batch was in them. Does not wait for it."""
        for seat in self._engine.seats:
            if seat.resting and seat.worker.healthy:
                threading.Thread(target=self._let_go, args=(seat,), name=f"{seat.spec.name}-rest", daemon=True).start()
            if seat.usable and not seat.worker.healthy:
                with self._engine.lock:
                    mine = self._engine.state == RUNNING and not seat.worker.healthy and self._give_up(seat)
                if mine:
                    name = f"{seat.spec.name}-mend"
                    threading.Thread(target=self._replace, args=(seat,), name=name, daemon=True).start()

    def _replace(self, seat: Seat) -> None:
        """Start another worker in place of one that is gone. Runs in the thread of one of its slots."""
        old = seat.worker
        logger.warning("Worker %s of runner %r is gone; starting another", old.name, self._engine.name)
        old.kill()
        try:
            self._start_another(seat)
        finally:
            old.close(0)  # what it had here, too; the new one does not wait for that

    def _start_another(self, seat: Seat) -> None:
        while not self._engine.stopping.is_set():
            with self._engine.lock:
                if seat.resting:  # not wanted any more
                    seat.restarting = False
                    return
            spare = self._spares.take(seat.spec)
            worker = seat.worker = spare or self._engine.backend.create_worker(seat.spec)
            try:
                if spare is None:
                    self._bring_up(seat, None)
            except Exception as error:  # noqa: BLE001 - whatever a model's class raises, starting is tried again
                worker.kill()
                worker.close(0)
                if self._engine.stopping.is_set():
                    return
                seat.failures += 1
                wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (seat.failures - 1))
                logger.error("Worker %s does not start, next attempt in %.1f s: %s", seat.spec.name, wait, error)
                with self._engine.lock:
                    if self._engine.state != STOPPED and not any(other.usable for other in self._engine.seats):
                        self._fall_sick(error)
                    rejections = self._engine.core.collect()
                self._tell(rejections)
                self._engine.stopping.wait(wait)
                continue
            with self._engine.lock:
                wanted = not seat.resting
                if wanted:
                    seat.restarting, seat.failures = False, 0
                    self._count_on(seat)
                rejections = self._engine.core.collect()
            self._tell(rejections)
            if not wanted or self._engine.stopping.is_set():
                worker.kill()
            if wanted:
                return
            worker.close(0)

    def _count_on(self, seat: Seat) -> None:
        """Give batches to a worker that is there. Under the lock."""
        seat.usable = True
        self._engine.sick = None
        for slot in seat.slots:
            if not self._engine.core.workforce.knows(slot):
                self._engine.core.add_worker(slot, seat.station)
        now = self._engine.clock()
        self._take_in(now)
        self._hand_out(now)

    def start_thread(self, slot: Slot, start: ThreadWaiter | None, timeout: float | None) -> None:
        slot.thread = threading.Thread(target=self._pull, args=(slot, start, timeout), name=str(slot), daemon=True)
        slot.thread.start()
