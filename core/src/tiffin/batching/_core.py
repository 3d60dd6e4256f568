"""The batching service: a state machine that decides which calls wait, merge, leave, fail or are turned away.

It has no threads and no clock. Whoever drives it (a runner, a simulation) holds a lock around each call, passes the
time in, runs the batches it hands out, and delivers the rejections that it collects.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

from tiffin.batching._admission import Forecast, count_admitted
from tiffin.batching._bisect import Bisection, reject
from tiffin.batching._chunks import (
    RELEASED_ALONE,
    RELEASED_APART,
    RELEASED_FREED,
    RELEASED_FULL,
    RELEASED_IDLE,
    Batch,
    Chunk,
    Group,
    Probe,
)
from tiffin.batching._method import Method
from tiffin.batching._refusals import again, queue_full, too_late
from tiffin.batching._split import split_oversize
from tiffin.batching._workforce import Station, Workforce
from tiffin.exceptions import InseparableError, MethodTimeoutError, WorkerDiedError


class Core:
    """Waiting calls, running batches and idle workers of one runner.

    Args:
        name: the runner's name, for errors.
        methods: its methods.
        max_queue_rows: rows that may wait at most; further calls are refused. A call that finds nobody waiting is not.
        in_place: whether methods get the callers' own objects, and can change them: in this process.
    """

    def __init__(
        self, name: str, methods: Iterable[Method], *, max_queue_rows: int = 10_000, in_place: bool = False
    ) -> None:
        self.name, self.in_place = name, in_place
        self.methods = {method.name: method for method in methods}
        self.max_queue_rows = max_queue_rows
        self.workforce = Workforce()
        self.idle, self.busy = self.workforce.idle, self.workforce.busy
        self.waiting_rows = 0
        self._line: list[tuple[int, int, Group | Probe]] = []
        self._groups: dict[Hashable, Group] = {}
        self._sequence, self._tie, self._numbers = count(1), count(), count(1)
        self._rejections: list[tuple[Chunk, Sequence[BaseException]]] = []
        self._bisection = Bisection(self)
        self._swept, self._now = False, 0.0
        self._gates: list[Method] = []
        self.gate_moves = 0

    # Workers

    def add_worker(self, worker: Hashable, station: Station | None = None) -> None:
        """Count on a worker, which is idle. Workers of one station share what computes."""
        self.workforce.add(worker, station)

    def remove_worker(self, worker: Hashable) -> None:
        """Count on a worker no more. A batch that it runs is not forgotten: finish or fail it."""
        self.workforce.remove(worker)

    @property
    def has_work(self) -> bool:
        """Whether anything waits."""
        return bool(self._line)

    @property
    def can_dispatch(self) -> bool:
        """Whether `dispatch` may find a worker for what waits."""
        return bool(self._line) and bool(self.idle or self.workforce.ahead)

    # Calls in

    def submit(self, chunk: Chunk, now: float) -> None:
        """Queue calls, or reject those that are too many or too late to be answered in time."""
        self._now = now
        method = chunk.method
        rows = chunk.rows
        chunk.arrived = chunk.arrived or now
        own = float("inf") if chunk.about is None or chunk.about.deadline is None else chunk.about.deadline
        chunk.deadline = min(own, chunk.arrived + method.max_latency)
        if self.waiting_rows and self.waiting_rows + rows > self.max_queue_rows:
            self._sweep(now)
            if self.waiting_rows and self.waiting_rows + rows > self.max_queue_rows:
                room = chunk.count_fitting(max(0, self.max_queue_rows - self.waiting_rows))
                full = queue_full(self.name, method, self.waiting_rows, self.max_queue_rows)
                self._refuse_from(chunk, room, full, now)
                method.counters.overflowed += len(self._rejections[-1][1])
        if method.waiting + rows > method.max_batch_size and chunk.deadline != float("inf") and chunk.waiters:
            self._admit(chunk, now)
        if not chunk.waiters:
            return
        if chunk.rows > method.max_batch_size and chunk.layout is not None:
            for piece in split_oversize(chunk, method.max_batch_size):
                self._append(piece)
        else:
            self._append(chunk)

    def _append(self, chunk: Chunk) -> None:
        chunk.sequence = next(self._sequence)
        key = chunk.key
        method = chunk.method
        group = None if key is None else self._groups.get(key)
        if group is None:
            group = Group(method, key)
            if key is not None:
                self._groups[key] = group
            heappush(self._line, (chunk.sequence, next(self._tie), group))
            method.groups += 1
        group.chunks.append(chunk)
        rows = chunk.rows
        method.waiting += rows
        self.waiting_rows += rows

    def _admit(self, chunk: Chunk, now: float) -> None:
        method = chunk.method
        admitted = self._count_admitted(chunk, now)
        if admitted < len(chunk.waiters) and self._sweep(now):
            admitted = self._count_admitted(chunk, now)
        if admitted < len(chunk.waiters):
            self._refuse_from(chunk, admitted, too_late(self.name, chunk, self._forecast(method, now), "refused"), now)
            method.counters.refused += len(self._rejections[-1][1])

    def _forecast(self, method: Method, now: float) -> Forecast:
        return Forecast(method, self.methods, self.busy.values(), self.workforce.count(), now)

    def _count_admitted(self, chunk: Chunk, now: float) -> int:
        return count_admitted(chunk, self._forecast(chunk.method, now), now)

    def _refuse_from(self, chunk: Chunk, first: int, error: Any, now: float) -> None:
        refused = chunk.take_back(first)
        self.reject_each(refused, [error] + [again(error) for _ in refused.waiters[1:]], count=False)
        # Until the next batch leaves there is no more room than now: let callers be turned away without asking here.
        method = chunk.method
        if method.gate is None and (chunk.about is None or chunk.about.deadline is None):
            probe = chunk.like([None], [None], 1, None)
            full = self.waiting_rows + chunk.rows >= self.max_queue_rows
            late = method.waiting + chunk.rows >= method.max_batch_size and not self._count_after(probe, chunk, now)
            if full or late:
                method.gate = error
                self.gate_moves += 1
                self._gates.append(method)

    def _count_after(self, probe: Chunk, chunk: Chunk, now: float) -> int:
        method = chunk.method
        rows = chunk.rows
        method.waiting += rows
        try:
            return self._count_admitted(probe, now)
        finally:
            method.waiting -= rows

    def _sweep(self, now: float) -> bool:
        """Remove calls for which nobody waits any more; at most once for each batch that leaves."""
        if self._swept:
            return False
        self._swept = True
        before = self.waiting_rows
        for _, _, item in self._line:
            if isinstance(item, Group):
                for chunk in item.chunks:
                    if chunk.has_dead():
                        self._remove_dead(chunk)
        return self.waiting_rows < before

    def _remove_dead(self, chunk: Chunk) -> None:
        rows = chunk.rows
        chunk.method.counters.abandoned += chunk.remove_dead()
        freed = rows - chunk.rows
        chunk.method.waiting -= freed
        self.waiting_rows -= freed

    # Batches out

    def dispatch(self, now: float) -> list[Batch]:
        """Return batches for the idle workers, as far as there is work. Each batch's `worker` says whose it is."""
        batches = []
        while self._line and self.idle:
            worker = self.idle.pop()
            batch = self._next_batch(worker, now)
            if batch is None:
                self.idle.append(worker)
                break
            if batch.reason == RELEASED_FREED:
                batch.reason = RELEASED_IDLE
            batches.append(batch)
        ahead = self.workforce.ahead
        while ahead and self._full_batch_waits():
            worker = ahead.pop()
            batch = self._next_batch(worker, now)
            if batch is None:
                self.workforce.park(worker)
                break
            batches.append(batch)
        return batches

    def take(self, worker: Hashable, now: float) -> Batch | None:
        """Return the next batch for a worker that is free; `None` makes it idle."""
        batch = None
        if not self.workforce.only_ahead(worker) or self._full_batch_waits():
            batch = self._next_batch(worker, now)
        if batch is None:
            self.workforce.park(worker)
        return batch

    def _full_batch_waits(self) -> bool:
        """Return whether the next batch would be full. What runs to find a culprit does not count."""
        if not self._line:
            return False
        group = self._line[0][2]
        if isinstance(group, Probe):
            return False
        size = group.method.max_batch_size
        if group.method.waiting < size:
            return False
        return group.method.groups == 1 or sum(chunk.rows for chunk in group.chunks) >= size

    def adopt(self, batch: Batch) -> None:
        """Take note of a batch of one call that has begun by itself on an idle worker, past the line."""
        self.idle.remove(batch.worker)
        self.workforce.begin(batch.worker, batch)

    def begin_alone(self, chunk: Chunk, worker: Hashable, now: float) -> Batch:
        """Return a batch of this chunk, past the line. Changes nothing: see `adopt` and `account`."""
        chunk.arrived = now
        batch = Batch(next(self._numbers), chunk.method, [chunk], chunk.rows, worker, now)
        batch.calls = 1
        batch.reason = RELEASED_IDLE
        return batch

    def _next_batch(self, worker: Hashable, now: float) -> Batch | None:
        self._now = now
        self._swept = False
        if self._gates:
            self.gate_moves += 1
            for method in self._gates:
                method.gate = None
            self._gates.clear()
        while self._line:
            _, _, item = heappop(self._line)
            if isinstance(item, Probe):
                batch = self._probe_batch(item, worker, now)
            else:
                batch = self._group_batch(item, worker, now)
            if batch is not None:
                self.workforce.begin(worker, batch)
                return batch
        return None

    def _group_batch(self, group: Group, worker: Hashable, now: float) -> Batch | None:
        method = group.method
        chunks = group.chunks
        if chunks[0].deadline != float("inf"):
            self._drop_late(group, now + self.workforce.wait_seconds(worker, now))
        room = method.max_batch_size
        taken: list[Chunk] = []
        calls = 0
        alone = group.key is None
        while chunks:
            chunk = chunks[0]
            if chunk.has_dead():
                self._remove_dead(chunk)
            if not chunk.waiters:
                chunks.popleft()
                continue
            rows = chunk.rows
            if rows > room:
                fitting = chunk.count_fitting(room)
                if fitting:
                    front = chunk.take_front(fitting)
                    room -= front.rows
                    calls += fitting
                    taken.append(front)
                break
            chunks.popleft()
            taken.append(chunk)
            calls += len(chunk.waiters)
            room -= rows
            if not room or alone:
                break
        method.groups -= 1
        if chunks:
            heappush(self._line, (chunks[0].sequence, next(self._tie), group))
            method.groups += 1
        elif group.key is not None:
            del self._groups[group.key]
        if not taken:
            return None
        rows = method.max_batch_size - room
        method.waiting -= rows
        self.waiting_rows -= rows
        batch = Batch(next(self._numbers), method, taken, rows, worker, now)
        batch.calls = calls
        if alone:
            batch.reason = RELEASED_ALONE
        else:
            batch.reason = RELEASED_FULL if not room or chunks else RELEASED_FREED
        return batch

    def _drop_late(self, group: Group, start: float) -> None:
        """Drop calls that would be answered too late, as long as more than a full batch waits without them."""
        method = group.method
        size = method.max_batch_size
        if method.waiting <= size:
            return
        end = start + (1 + method.cost.margin) * method.cost.estimate(size)
        chunks = group.chunks
        while chunks and chunks[0].deadline < end and method.waiting > size:
            chunk = chunks[0]
            self._remove_dead(chunk)
            late = chunk.count_fitting(method.waiting - size)
            if late == len(chunk.waiters):
                dropped = chunks.popleft()
                if not late:
                    continue
            elif late:
                dropped = chunk.take_front(late)
            else:
                break
            method.waiting -= dropped.rows
            self.waiting_rows -= dropped.rows
            method.counters.dropped += len(dropped.waiters)
            error = too_late(self.name, dropped, self._forecast(method, self._now), "dropped")
            self.reject_each(dropped, [error] + [again(error) for _ in dropped.waiters[1:]], count=False)

    # Batches back

    def finish(self, batch: Batch, now: float) -> None:
        """Note that a batch ran well. Its worker is free but not idle: `take` for it, or add or remove it."""
        self._close(batch, now)
        if not batch.abandoned:
            batch.method.cost.learn(batch.rows, now - batch.started)
        if batch.probe is not None and not batch.abandoned:
            self._bisection.passed(batch.probe, now)

    def fail(self, batch: Batch, error: BaseException, now: float) -> None:
        """Note that a batch failed; collect what becomes of its calls. Its worker is as after `finish`."""
        died = isinstance(error, WorkerDiedError)
        if died and batch.ahead:
            # It had not begun when its worker died over another one.
            self.put_back(batch, now)
            return
        # With the worker, those behind this batch end as well.
        self._close(batch, now, promote=not died)
        if batch.abandoned:
            return
        method = batch.method
        probe = batch.probe
        if died and method.idempotent and not any(c.repeated for c in batch.chunks):
            for chunk in batch.chunks:
                chunk.repeated = True
            method.counters.repeated += 1
            again = Probe(batch.chunks, [], None) if probe is None else Probe(batch.chunks, probe.sibling, probe.search)
            self.enqueue_probe(again, front=True)
        elif isinstance(error, InseparableError) and batch.calls > 1 and self._bisection.may_run_again(batch):
            for single in [single for chunk in batch.chunks for single in chunk.singles()]:
                self.enqueue_probe(Probe([single], [], None, RELEASED_APART), front=True)
            if probe is not None and probe.search is not None:
                # Its calls are out of the search, and whether one of them is to blame is not known.
                probe.search.certain = False
                self._bisection.passed(probe, now)
        elif probe is not None and probe.search is not None:
            self._bisection.failed(probe, error, now)
        elif batch.calls == 1:
            self.reject_each(batch.chunks[0], [error])
        elif why := self._bisection.why_not(batch, error, now):
            reject(self, batch.chunks, error, why)
        else:
            self._bisection.begin(batch, error)

    def put_back(self, batch: Batch, now: float) -> None:
        """Queue a batch again that its worker has not begun. The worker is as after `finish`."""
        self.workforce.release(batch, now, promote=False)
        probe = batch.probe
        again = Probe(batch.chunks, [], None) if probe is None else Probe(batch.chunks, probe.sibling, probe.search)
        self.enqueue_probe(again, front=True)

    def _close(self, batch: Batch, now: float, *, promote: bool = True) -> None:
        self._now = now
        batch.finished = now
        self.workforce.release(batch, now, promote=promote)
        self.account(batch)

    def account(self, batch: Batch) -> None:
        """Count a batch that has ended. Safe from any thread; whoever is interrupted in it leaves a count behind."""
        now = batch.finished
        counters = batch.method.counters
        counters.batches += 1
        counters.calls += batch.calls
        counters.rows += batch.rows
        counters.batch_rows.observe(batch.rows)
        counters.batch_calls.observe(batch.calls)
        counters.compute_seconds.observe(now - batch.started)
        for chunk in batch.chunks:
            counters.queue_seconds.observe(batch.started - chunk.arrived, len(chunk.waiters))

    # Probes

    def enqueue_probe(self, probe: Probe, *, front: bool) -> None:
        """Queue a part of a failed batch to run again."""
        if front:
            sequence = min(chunk.sequence for chunk in probe.calls)
        else:
            sequence = next(self._sequence)
        heappush(self._line, (sequence, next(self._tie), probe))

    def _probe_batch(self, probe: Probe, worker: Hashable, now: float) -> Batch | None:
        search = probe.search
        alive: list[Chunk] = []
        for chunk in probe.calls:
            if chunk.has_dead():
                chunk.method.counters.abandoned += chunk.remove_dead()
                if search is not None:
                    search.certain = False
            if chunk.waiters:
                alive.append(chunk)
        if not alive:
            self._bisection.vanished(probe, now)
            return None
        probe.calls = alive
        method = alive[0].method
        batch = Batch(next(self._numbers), method, alive, sum(chunk.rows for chunk in alive), worker, now)
        batch.calls = sum(len(chunk.waiters) for chunk in alive)
        batch.probe = probe
        batch.reason = probe.reason
        if search is not None:
            method.counters.probes += 1
        return batch

    # Rejections

    def reject_each(self, chunk: Chunk, errors: Sequence[BaseException], *, count: bool = True) -> None:
        """Collect a chunk whose calls are answered with these errors."""
        if count:
            chunk.method.counters.failed += len(errors)
        self._rejections.append((chunk, errors))

    def collect(self) -> list[tuple[Chunk, Sequence[BaseException]]]:
        """Return the rejections since the last time; whoever drives the core delivers them."""
        rejections = self._rejections
        if rejections:
            self._rejections = []
        return rejections

    def reject_waiting(self, make_error: Any) -> None:
        """Reject everything that waits, each call with an error that `make_error` returns."""
        line, self._line = self._line, []
        self._groups.clear()
        for _, _, item in line:
            chunks: Iterable[Chunk] = item.chunks if isinstance(item, Group) else item.calls + item.sibling
            for chunk in chunks:
                self.reject_each(chunk, [make_error() for _ in chunk.waiters], count=False)
        for method in self.methods.values():
            method.waiting = method.groups = 0
        self.waiting_rows = 0

    # Time

    def next_timer(self) -> float | None:
        """Return when `expire` has something to do, or `None`."""
        running = [batch for batch in self.busy.values() if not batch.abandoned]
        return min([b.started + b.method.timeout for b in running if b.method.timeout is not None], default=None)

    def expire(self, now: float) -> list[Batch]:
        """Give up batches that run longer than their method's timeout, and return them.

        Their calls are rejected and their workers not counted on any more; when one comes back after all, finish or
        fail its batch as ever, and add the worker.
        """
        expired = []
        for worker, batch in list(self.busy.items()):
            timeout = batch.method.timeout
            if timeout is not None and now - batch.started >= timeout and not batch.abandoned:
                batch.abandoned = True
                self.workforce.release(batch, now, promote=False)
                error = MethodTimeoutError(
                    f"{batch.method.name!r} ran longer than its timeout of {timeout:g} s",
                    why=f"Worker {worker} is given up, with the {batch.calls} calls in it",
                    runner=self.name,
                    method=batch.method.name,
                    timeout=timeout,
                )
                if batch.probe is not None and batch.probe.search is not None:
                    self._bisection.failed(batch.probe, error, now)
                else:
                    reject(self, batch.chunks, error, "")
                expired.append(batch)
        return expired
