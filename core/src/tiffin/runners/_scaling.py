"""How many workers a runner has: more while calls wait for long, fewer when fewer would do.

The rule is a state machine without a clock of its own, so that a day of it can be simulated; `Scaler` looks at an engine.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiffin.exceptions import RunnerOptionError
from tiffin.runners._states import RUNNING

if TYPE_CHECKING:
    from tiffin.runners._engine import Engine

logger = logging.getLogger("tiffin.runners")


@dataclass(frozen=True)
class ScalingRule:
    """When a runner gets more workers, and when fewer. All times in seconds.

    Attributes:
        wait: how long calls may wait for a worker, on average; where it is longer, workers are added: in proportion, at most
            as many as there are.
        after: for how long it has to be longer before. New workers are given as much time before the next ones are added.
        calm: for how long fewer workers must have been enough before some are taken away.
        busy: which part of the time workers may be busy for fewer to be enough, above 0 and at most 1.
        interval: between two looks.

    Raises:
        RunnerOptionError: one of them is out of range.
    """

    wait: float = 0.5
    after: float = 2.0
    calm: float = 120.0
    busy: float = 0.7
    interval: float = 1.0

    def __post_init__(self) -> None:
        for name in ("wait", "after", "calm", "busy", "interval"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 < value < math.inf and (name != "busy" or value <= 1)):
                raise RunnerOptionError(
                    f"{name}={value!r:.80} in a ScalingRule",
                    fix="It is above 0 and at most 1" if name == "busy" else "It is a number of seconds, above 0",
                    runner="",
                )


class Scaling:
    """The rule at work on one runner.

    Args:
        rule: the rule.
        least: workers that there are at least.
        most: workers that there are at most.
    """

    def __init__(self, rule: ScalingRule, least: int, most: int) -> None:
        self._rule, self._least, self._most = rule, least, most
        self._long_since = math.inf
        self._busy: deque[tuple[float, float]] = deque()
        """Time and load of the looks of a calm time, those that a later one exceeds left out."""
        self._began = math.inf

    def look(self, now: float, waited: float, busy: float, workers: int) -> int:
        """Return how many workers there should be.

        Args:
            now: the time, seconds.
            waited: how long calls waited for a worker since the last look, on average, seconds.
            busy: how many workers were busy since the last look, on average.
            workers: how many there are, those that start included.
        """
        rule = self._rule
        self._began = min(self._began, now)
        while self._busy and self._busy[-1][1] <= busy:
            self._busy.pop()
        self._busy.append((now, busy))
        while self._busy[0][0] < now - rule.calm:
            self._busy.popleft()
        if waited > rule.wait:
            self._began = now  # whatever the load was, they are too few at times
            self._long_since = min(self._long_since, now)
            if now - self._long_since < rule.after:
                return workers
            self._long_since = now
            return min(self._most, max(workers + 1, math.ceil(workers * min(2.0, waited / rule.wait))))
        self._long_since = math.inf
        if now - self._began < rule.calm:
            return workers
        return min(workers, max(self._least, math.ceil(self._busy[0][1] / rule.busy)))


class Scaler:
    """Looks at an engine now and then, at its desk, and has it have as many workers as the rule says.

    Args:
        engine: the engine.
        rule: the rule.
        least: workers that there are at least.
        lanes: async and streaming calls that one worker runs at a time.
    """

    def __init__(self, engine: Engine, rule: ScalingRule, least: int, lanes: int) -> None:
        self._engine, self._rule, self._lanes = engine, rule, lanes
        self._scaling = Scaling(rule, least, engine.workers)
        self._left, self._waits, self._computed = 0, 0.0, 0.0
        self._at = self._moved = 0.0

    def start(self) -> None:
        """Begin to look, where the number may change."""
        if self._engine.crew.wanted == self._engine.workers:
            return
        self._at = self._moved = self._engine.clock()
        self._engine.desk.call_at(self._at + self._rule.interval, self._look)

    def _look(self) -> None:
        engine = self._engine
        if engine.state != RUNNING:
            return
        now = engine.clock()
        workers = engine.crew.wanted
        wanted = self._scaling.look(now, *self._measure(now), workers)
        if wanted != workers:
            logger.info("runner %r goes from %d workers to %d", engine.name, workers, wanted)
            engine.crew.want(wanted)
        engine.desk.call_at(now + self._rule.interval, self._look)

    def _measure(self, now: float) -> tuple[float, float]:
        """Return how long calls waited, and how many workers were busy, since the last look."""
        engine = self._engine
        counters = [method.counters for method in engine.core.methods.values()]
        left = sum(sum(one.queue_seconds.counts) for one in counters)
        waits = sum(one.queue_seconds.sum for one in counters)
        computed = sum(one.compute_seconds.sum for one in counters)
        if left > self._left:
            waited = (waits - self._waits) / (left - self._left)
            self._moved = now
        else:
            # Nothing has left the queue: what is in it, or at the door, waits at least since then.
            waited = now - self._moved if engine.core.waiting_rows or engine.arrivals else 0.0
        calls = [(thread, call.arrived) for call, thread in tuple(engine.unmerged.items())]
        running = sum(thread != 0 for thread, _ in calls)
        waited = max([waited, *(now - arrived for thread, arrived in calls if not thread)])
        with engine.lock:
            long = sum(now - batch.started > self._rule.interval for batch in engine.core.busy.values())
        # A long batch counts while it runs, and not for more than its worker when it has ended.
        computing = min((computed - self._computed) / max(now - self._at, 1e-9) + long, engine.crew.wanted)
        busy = computing + running / self._lanes
        self._left, self._waits, self._computed, self._at = left, waits, computed, now
        return waited, busy
