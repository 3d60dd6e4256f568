"""Let several processes use one runner for a while, in every way at random, while everything happens to it that can.

Usage: python tools/soak.py [--seconds 1200] [--clients 3] [--seed 1]

A host listens with a runner in worker processes; clients attach, call, cancel, time out, stream, leave and come back.
Meanwhile workers and the host itself are killed, the host changes its folder, stops in order and begins anew, and hands over
to another version. Prints what happened, as JSON; exits 1 if an answer was wrong, a call hung, or something was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np

from tiffin.exceptions import (
    CallTimeoutError,
    LatencyLimitError,
    QueueFullError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
    UndecidedError,
    WorkerDiedError,
)
from tiffin.runners import AttachedRunner, Runnable, Runner

LONG = 60.0
"""Seconds after which a call hangs."""
_QUIET = 3.0
"""Seconds for which nothing is done before the host is looked at."""
_SLACK = 64 << 20
"""Bytes that a host may have grown by: allocators keep some."""


class Model(Runnable):
    """Every kind of method; all versions answer alike, so that any answer can be checked."""

    @Runnable.method(batchable=True)
    def double(self, x: Any) -> Any:
        """Return each row doubled; no value may be missing."""
        if np.isnan(x).any():
            raise ValueError("a value is missing")
        return x * 2

    @Runnable.method
    def slow(self, seconds: float) -> float:
        """Take so many seconds."""
        time.sleep(seconds)
        return seconds

    @Runnable.method(idempotent=False)
    def once(self, value: int) -> int:
        """Return the next number; not to be repeated."""
        return value + 1

    @Runnable.method
    async def later(self, value: int) -> int:
        """Return the next number, after a moment."""
        await asyncio.sleep(0.001)
        return value + 1

    @Runnable.method
    def count(self, limit: int) -> Iterator[int]:
        """Yield the numbers up to a limit."""
        yield from range(limit)


# The client


class Client:
    """Calls in every way, one after the other and many at once, and counts what comes of it."""

    def __init__(self, address: str, seed: int) -> None:
        self.address, self.random = address, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def note(self, call: Callable[[], Any], right: Callable[[Any], bool], *, brief: bool = False) -> None:
        """Make a call, and note what came of it; a `brief` one may time out."""
        self.counts["calls"] += 1
        try:
            answer = call()
        except BaseException as error:  # noqa: BLE001 - whatever comes is sorted
            self.sort(error, brief=brief)
        else:
            self.check(answer, right)

    def check(self, answer: Any, right: Callable[[Any], bool]) -> None:
        """Note an answer."""
        if right(answer):
            self.counts["answers"] += 1
        else:
            self.wrong.append(f"answer: {str(answer)[:200]}")

    def sort(self, error: BaseException, *, brief: bool) -> None:
        """Note an error: as one that may come here, or as a wrong one."""
        kinds = (
            ((QueueFullError, LatencyLimitError), "refused"),
            ((RunnerClosedError, RunnerNotReadyError, WorkerDiedError), "lost"),
            ((UndecidedError,), "undecided"),
            ((asyncio.CancelledError,), "cancelled"),
        )
        name = next((name for classes, name in kinds if isinstance(error, classes)), "")
        if isinstance(error, CallTimeoutError) and brief:
            name = "timed out"
        if name:
            self.counts[name] += 1
        else:
            self.wrong.append(f"error: {type(error).__name__}: {str(error)[:300]}")

    def rows(self) -> Any:
        """Return some rows."""
        many = self.random.random() < 0.05
        return np.random.default_rng(self.random.randrange(1 << 30)).random(
            (self.random.choice((1, 1, 1, 3, 250)), 64 if many else 4)
        )

    def one(self, runner: AttachedRunner) -> None:
        """Make one call of some kind in this thread."""
        kind = self.random.randrange(9)
        number = self.random.randrange(1000)
        if kind <= 2:
            x = self.rows()
            self.note(lambda: runner.double.options(timeout=LONG).run(x), lambda answer: np.array_equal(answer, x * 2))
        elif kind == 3:
            x = np.random.default_rng(number).random((2000, 64))  # shared memory
            self.note(lambda: runner.double.options(timeout=LONG).run(x), lambda answer: np.array_equal(answer, x * 2))
        elif kind == 4:
            seconds = self.random.random() / 50
            brief = self.random.random() < 0.5
            options = {"timeout": 0.005} if brief else {"deadline": time.monotonic() + LONG}
            self.note(lambda: runner.slow.options(**options).run(seconds), lambda a: bool(a == seconds), brief=brief)
        elif kind == 5:
            self.note(lambda: runner.once.options(timeout=LONG).run(number), lambda answer: bool(answer == number + 1))
        elif kind == 6:
            call = runner.later.options(timeout=LONG, request_id=f"r{number}")
            self.note(lambda: call.run(number), lambda answer: bool(answer == number + 1))
        elif kind == 7:
            read = self.random.randrange(1, 20)
            self.note(lambda: self.read(runner, read), lambda answer: bool(answer == list(range(read))))
        else:
            bad = np.full((1, 4), np.nan)

            def fails() -> str:
                try:
                    runner.double.options(timeout=LONG).run(bad)
                except ValueError:
                    return "refused by the method"
                return "answered"

            self.note(fails, lambda answer: bool(answer == "refused by the method"))

    def read(self, runner: AttachedRunner, count: int) -> list[int]:
        """Read some items of a longer stream, and leave it."""
        items = runner.count.options(timeout=LONG).run(20)
        read = [next(items) for _ in range(count)]
        items.close()
        return read

    async def many(self, runner: AttachedRunner) -> None:
        """Make many calls at once in an event loop, and cancel some."""
        inputs = [self.rows()[:1, :4] for _ in range(self.random.randrange(1, 200))]
        bad = self.random.randrange(len(inputs)) if self.random.random() < 0.2 else -1
        if bad >= 0:
            inputs[bad] = np.full((1, 4), np.nan)
        tasks = [asyncio.ensure_future(runner.double.options(timeout=LONG).async_run(x)) for x in inputs]
        cancelled = set()
        if self.random.random() < 0.3:
            await asyncio.sleep(self.random.random() / 100)
            cancelled = {number for number in range(len(tasks)) if self.random.random() < 0.3}
            for number in cancelled:
                tasks[number].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        self.counts["calls"] += len(tasks)
        for number, (x, answer) in enumerate(zip(inputs, answers, strict=True)):
            if number == bad and isinstance(answer, ValueError):
                self.counts["answers"] += 1
            elif isinstance(answer, BaseException):
                self.sort(answer, brief=False)
            else:
                self.check(answer, lambda answer, x=x: np.array_equal(answer, x * 2))  # type: ignore[misc]

    def session(self, end: float) -> None:
        """Attach, call for a while from a few threads and loops, and leave."""
        try:
            runner = Runner.attach(self.address, reattach=30.0)
        except RunnerError:
            self.counts["could not attach"] += 1
            time.sleep(0.2)
            return
        self.counts["attaches"] += 1
        end = min(end, time.monotonic() + self.random.uniform(0.5, 8))

        def work(seed: int) -> None:
            part = Client(self.address, seed)
            while time.monotonic() < end and not part.wrong:
                if part.random.random() < 0.5:
                    part.one(runner)
                else:
                    asyncio.run(part.many(runner))
            self.counts.update(part.counts)
            self.wrong += part.wrong

        threads = [threading.Thread(target=work, args=(self.random.randrange(1 << 30),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runner.close()

    def run(self, seconds: float) -> dict[str, Any]:
        """Come and go for so many seconds; return what happened."""
        end = time.monotonic() + seconds
        self.session(time.monotonic() + 1)
        before = _descriptors("self")
        while time.monotonic() < end and not self.wrong:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                self.session(end)
                os.chdir("/")
        gc.collect()
        left = max(0, _descriptors("self") - before)
        return {"counts": self.counts, "wrong": self.wrong, "descriptors left": left}


# The host


def host(address: str) -> None:
    """Listen, and do what is said on the standard input; answers each line with one of JSON."""
    versions = iter(range(1 << 30))

    def make() -> Runner:
        return Runner(
            Model,
            name=f"soak-{next(versions)}",
            backend="process",
            workers=2,
            spares=1,
            max_queue_rows=3000,
            method_configs={"double": {"max_latency_ms": 2000}},
            warm_up={"double": (np.ones((1, 4)),)},
        )

    repeated = 0
    runner = make().start()
    runner.listen(address)
    print(json.dumps("listens"), flush=True)
    for line in sys.stdin:
        said: Any = ""
        command = line.strip()
        if command in ("swap", "stop", "look", "end"):
            repeated += sum(method["repeated"] for method in runner.metrics()["methods"].values())
        if command == "swap":
            runner = runner.hand_over(make(), check=lambda new: bool((new.double.run(np.ones((1, 4))) == 2).all()))
        elif command == "kill":
            # Any but a number that has passed to another process: those that are children of this one.
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            workers = [child for child in children if b"tiffin-worker" in Path(f"/proc/{child}/cmdline").read_bytes()]
            if workers:
                os.kill(int(random.choice(workers)), signal.SIGKILL)
        elif command == "chdir":
            os.chdir(tempfile.mkdtemp(dir=Path(address).parent))
        elif command == "stop":
            runner.stop()
            runner = make().start()
            runner.listen(address)
        elif command == "look":
            gc.collect()
            said = {"descriptors": _descriptors("self"), "memory": _memory(), "threads": threading.active_count()}
        elif command == "end":
            runner.stop()
        print(json.dumps({"said": said, "repeated": repeated}), flush=True)
        repeated = 0
        if command == "end":
            return


def _descriptors(process: int | str) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The whole


class Soak:
    """Starts all, lets things happen, and looks at what is left."""

    def __init__(self, folder: Path, clients: int, seed: int) -> None:
        self.address = str(folder / "own" / "socket")
        self.clients, self.seed, self.random = clients, seed, random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.host = self._start_host()
        self.looked: list[dict[str, int]] = []

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, *arguments]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def _start_host(self) -> subprocess.Popen[str]:
        started = self._start("--host", self.address)
        assert started.stdout is not None
        assert json.loads(started.stdout.readline()) == "listens"
        return started

    def tell(self, command: str) -> Any:
        """Have the host do something, and return what it says."""
        assert self.host.stdin is not None
        assert self.host.stdout is not None
        self.happened[command] += 1
        self.host.stdin.write(command + "\n")
        self.host.stdin.flush()
        answer = json.loads(self.host.stdout.readline())
        self.happened["repeated"] += answer["repeated"]
        return answer["said"]

    def happen(self) -> None:
        """Let something happen to the host."""
        command = self.random.choices(("kill", "swap", "chdir", "stop", "kill host"), (6, 3, 2, 1, 1))[0]
        if command == "kill host":
            self.happened[command] += 1
            self.host.kill()
            self.host.communicate()
            self.host = self._start_host()
        else:
            self.tell(command)

    def look(self) -> None:
        """Look at the host when nobody has called it for a while."""
        time.sleep(_QUIET)
        self.looked.append(self.tell("look"))

    def run(self, seconds: float) -> dict[str, Any]:
        """Run for so many seconds, in rounds after each of which the host is looked at; return the figures."""
        shared = set(os.listdir("/dev/shm"))  # noqa: PTH208 - names are enough
        counts: Counter[str] = Counter()
        wrong: list[str] = []
        end = time.monotonic() + seconds
        rounds = 0
        while time.monotonic() < end and not wrong:
            length = min(60.0, max(5.0, end - time.monotonic()))
            rounds += 1
            clients = [
                self._start(
                    "--client",
                    self.address,
                    "--seed",
                    str(self.seed + 1000 * rounds + number),
                    "--seconds",
                    str(length),
                )
                for number in range(self.clients)
            ]
            until = time.monotonic() + length
            while time.monotonic() < until:
                time.sleep(self.random.uniform(0.2, 2.0))
                self.happen()
            for client in clients:
                try:
                    output, _ = client.communicate(timeout=3 * LONG)
                    told = json.loads(output)
                except (subprocess.TimeoutExpired, ValueError) as error:
                    wrong.append(f"a client hangs or died: {error}")
                    client.kill()
                    client.communicate()
                    continue
                counts.update(told["counts"])
                wrong += told["wrong"]
                if told["descriptors left"]:
                    wrong.append(f"a client has {told['descriptors left']} descriptors more than before")
            self.tell("stop")  # the host has one runner anew, as at its beginning
            self.look()
        self.tell("end")
        self.host.communicate(timeout=LONG)
        left = sorted(set(os.listdir("/dev/shm")) - shared)  # noqa: PTH208
        wrong += [f"/dev/shm has {name}" for name in left]
        wrong += self._grown()
        return {"rounds": rounds, "calls": counts, "happened": self.happened, "host": self.looked, "wrong": wrong}

    def _grown(self) -> list[str]:
        # The first look is the measure: what is made once and kept has been made by then.
        first, *rest = self.looked
        return [
            f"the host has grown: {first} then, {later} later"
            for later in rest
            if later["descriptors"] > first["descriptors"] + 4
            or later["memory"] > first["memory"] + _SLACK
            or later["threads"] > first["threads"] + 2
        ]

    def close(self) -> None:
        """End what still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.host.kill()
        self.host.communicate()


def soak(seconds: float, clients: int, seed: int) -> dict[str, Any]:
    """Run a soak in a folder of its own, and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Soak(Path(folder), clients, seed)
        try:
            return whole.run(seconds)
        finally:
            whole.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return what to exit with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--host", help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    if chosen.host:
        host(chosen.host)
        return 0
    if chosen.client:
        print(json.dumps(Client(chosen.client, chosen.seed).run(chosen.seconds)))
        return 0
    figures = soak(chosen.seconds, chosen.clients, chosen.seed)
    print(json.dumps(figures, indent=1))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
