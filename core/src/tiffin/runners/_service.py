"""A runner as a call service: the port through which attached clients submit calls to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

from tiffin.batching import Batch, Chunk
from tiffin.calls import METRICS, READY, CallRequest, ClientLimits, Deliver, Explained, Outcome, Timer
from tiffin.exceptions import QueueFullError, RunnerError
from tiffin.runners._handles import MethodHandle
from tiffin.runners._lanes import LaneCall, Share, StreamCall
from tiffin.runners._ports import Explaining
from tiffin.runners._runnable import RunnableMethod
from tiffin.runners._unmerged import UnmergedHandle


class Served(Protocol):
    """What is offered of a runner."""

    @property
    def name(self) -> str:
        """The runner's name."""

    @property
    def methods(self) -> Mapping[str, Any]:
        """Name → handle of each method."""

    @property
    def models(self) -> Any:
        """The stored models that it uses."""

    @property
    def default_method(self) -> Any:
        """The name of the method that a call of the runner itself means; may be `None`."""

    @property
    def engine(self) -> Any:
        """What runs its calls."""

    @property
    def lanes(self) -> Any:
        """Where its async and streaming calls run."""


class RunnerService:
    """What a runner offers to clients in other processes.

    Args:
        runner: the runner.
        limits: what each client may take up.
    """

    def __init__(self, runner: Served, limits: ClientLimits | None = None) -> None:
        self._runner = runner
        self._limits = limits or ClientLimits()

    def open_port(self, deliver: Deliver) -> ServicePort:
        """Return a new port, whose outcomes go to `deliver`."""
        return ServicePort(self._runner, deliver, self._limits)

    def describe(self) -> Mapping[str, Any]:
        """Return the runner's name, its methods with their specs, the default one, and the models behind them."""
        runner = self._runner
        return {
            "name": runner.name,
            "methods": {name: _describe(handle.declared) for name, handle in runner.methods.items()},
            "default": runner.default_method,
            "models": [
                {"tag": str(model.tag), "digest": model.info.content_digest}
                for model in runner.models
                if hasattr(model, "tag")
            ],
        }

    def watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Have `tell` called when `gates` has changed; return what ends that."""
        watchers, key = self._runner.engine.watchers, object()
        watchers[key] = tell
        return lambda: watchers.pop(key, None)

    @property
    def gates(self) -> Mapping[str, BaseException]:
        """The methods whose calls would be turned away now, each with the error."""
        methods = self._runner.engine.core.methods
        return {name: gate for name, method in methods.items() if (gate := method.gate) is not None}


def _describe(declared: RunnableMethod) -> dict[str, Any]:
    about: dict[str, Any] = {"kind": declared.kind, "batchable": declared.batchable, "idempotent": declared.idempotent}
    for name in ("input_spec", "output_spec"):
        spec = getattr(declared, name)
        # Whoever writes a runnable may write there what it likes.
        if spec is not None and _is_plain(spec):
            about[name] = spec
    return about


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


class _Open:
    """One open call: the waiter that the batching core sees.

    It counts until it is answered; a cancelled one until the core lets go of it, which holds its arguments while it waits.
    """

    __slots__ = ("_gone", "closed", "rows", "size", "timer", "token", "unmerged")

    def __init__(self, token: Hashable, size: int, gone: Callable[[tuple[int, int]], None]) -> None:
        self.token, self.size, self.rows = token, size, 0
        self._gone: Callable[[tuple[int, int]], None] | None = gone
        self.closed = False
        self.timer: Timer | None = None
        self.unmerged: LaneCall | None = None

    def done(self) -> bool:
        return self.closed

    def free(self) -> None:
        """Count no more. Repeatable."""
        gone, self._gone = self._gone, None
        if gone is not None:
            gone((self.size, self.rows))

    __del__ = free


class _Account:
    """What one client takes up. For one thread at a time; `gone` for any, at any moment."""

    def __init__(self, limits: ClientLimits, runner: str, rows: int) -> None:
        self._limits = limits
        self._calls = self._bytes = self._rows = 0
        self._most_rows = rows if limits.rows is None else limits.rows
        self._runner = runner
        self._ended: deque[tuple[int, int]] = deque()
        self.gone = self._ended.append

    def open(self, token: Hashable, size: int) -> _Open:
        """Return an open call that brings so many bytes; raises QueueFullError if there is no room for it."""
        while self._ended:
            gone_size, rows = self._ended.popleft()
            self._bytes -= gone_size
            self._rows -= rows
            self._calls -= 1
        if self._calls >= self._limits.calls or self._bytes + size > self._limits.bytes:
            raise QueueFullError(
                f"A call brings {size} bytes, and this client has {self._calls} open calls of runner {self._runner!r} with "
                f"{self._bytes} bytes",
                why=f"One client may have {self._limits.calls} calls and {self._limits.bytes} bytes: others need room, too",
                fix="Wait for answers before calling again, or raise the limits given to listen",
                runner=self._runner,
                retry_after=0.1,
            )
        self._calls += 1
        self._bytes += size
        return _Open(token, size, self.gone)

    def charge(self, call: _Open, rows: int) -> None:
        """Count the rows of an open call; raises QueueFullError if there is no room for them."""
        if self._rows and self._rows + rows > self._most_rows:
            raise QueueFullError(
                f"A call brings {rows} rows, and this client has {self._rows} in open calls of runner {self._runner!r}",
                why=f"One client may have {self._most_rows}: others need room in the queue, too",
                fix="Wait for answers before calling again, or raise the limits given to listen",
                runner=self._runner,
                retry_after=0.1,
            )
        call.rows = rows
        self._rows += rows


class ServicePort:
    """One client's calls."""

    def __init__(self, runner: Served, deliver: Deliver, limits: ClientLimits) -> None:
        self._runner = runner
        self._engine = runner.engine
        core = runner.engine.core
        # What runs is open as well, and waits no more.
        running = runner.engine.workers * max((method.max_batch_size for method in core.methods.values()), default=0)
        self._account = _Account(limits, runner.name, 3 * core.max_queue_rows // 4 + running)
        self._share = Share(limits.streams or max(1, 3 * runner.lanes.places // 4))
        self._deliver = deliver
        self._open: dict[Hashable, _Open] = {}
        self._explaining = Explaining(self)

    def submit(self, requests: Sequence[CallRequest]) -> None:
        """Enter calls. Consecutive ones of one kind go in as one chunk."""
        chunks: list[Chunk] = []
        last: tuple[Any, ...] | None = None
        answers: list[Outcome] = []
        for request in requests:
            if request.method in (READY, METRICS):
                engine = self._engine
                answers.append(Outcome(request.token, engine.ready if request.method == READY else engine.metrics()))
                continue
            handle = self._runner.methods.get(request.method)
            try:
                call = self._account.open(request.token, getattr(request, "size", 0))
            except RunnerError as error:
                answers.append(Outcome(request.token, error=error))
                continue
            self._open[request.token] = call
            try:
                if handle is None:
                    raise RunnerError(
                        f"Runner {self._runner.name!r} has no method {request.method!r}",
                        why=f"It has: {', '.join(self._runner.methods)}",
                        runner=self._runner.name,
                    )
                if isinstance(handle, UnmergedHandle):
                    self._start_unmerged(handle, call, request)
                    continue
                key, rows, payload, layout = handle.prepare(request.args, request.kwargs)
                self._account.charge(call, rows)
            except RunnerError as error:
                self._answer(call)
                answers.append(Outcome(request.token, error=error))
                continue
            explain, about = request.options.explain, request.options.about
            if key is not None and last == (key, explain, about):
                chunk = chunks[-1]
                chunk.payloads.append(payload)
                chunk.waiters.append(call)
                if chunk.counts is not None:
                    chunk.counts.append(rows)
            else:
                counts = None if key is None else [rows]
                sink = self._explaining if explain else self
                chunks.append(Chunk(handle.method, key, layout, [payload], [call], rows, counts, sink))
                chunks[-1].about = about
                last = (key, explain, about)
            self._limit(call, request, handle)
        if chunks:
            try:
                self._engine.submit(chunks)
            except RunnerError:
                for chunk in chunks:
                    self.reject(chunk, [self._engine.refusal() for _ in chunk.waiters])
        if answers:
            self._deliver(answers)

    def _limit(self, call: _Open, request: CallRequest, handle: MethodHandle) -> None:
        timeout = request.options.timeout
        if timeout is not None:

            def expire() -> None:
                if self._close(call):
                    self._deliver([Outcome(call.token, error=handle.timed_out(request.options))])

            call.timer = self._engine.desk.call_at(self._engine.clock() + timeout, expire)

    def _start_unmerged(self, handle: UnmergedHandle, call: _Open, request: CallRequest) -> None:
        def emit(item: Any, error: BaseException | None, more: bool) -> None:
            if (not call.closed) if more else self._answer(call):
                outcome = Outcome(call.token, item, error, None, True) if more else _outcome(call.token, item, error)
                self._deliver([outcome])

        given = handle.given(request.options)
        begin = given.open_stream if handle.streaming else given.open_call
        call.unmerged = begin(request.args, request.kwargs, emit, self._share)
        call.unmerged.start()

    def cancel(self, tokens: Sequence[Hashable]) -> None:
        """Forget these calls."""
        for token in tokens:
            call = self._open.get(token)
            if call is not None and self._close(call) and call.unmerged is not None:
                call.unmerged.abandon()
                call.unmerged = None  # it refers to the call

    def request_items(self, token: Hashable, count: int) -> None:
        """Allow a streaming call so many more items."""
        call = self._open.get(token)
        if call is not None and isinstance(call.unmerged, StreamCall):
            call.unmerged.request(count)

    def close(self) -> None:
        """Cancel every open call."""
        self.cancel(list(self._open))

    def _close(self, call: _Open) -> bool:
        """Close a call; return whether it was open, so that each gets one last outcome."""
        # Only one thread gets it out of the dict, so no lock is needed.
        if self._open.pop(call.token, None) is not call:
            return False
        call.closed = True
        if call.timer is not None:
            call.timer.cancel()
        return True

    def _answer(self, call: _Open) -> bool:
        """Close a call that is answered; return whether it was open."""
        call.free()
        return self._close(call)

    # The sink of its chunks

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Hand on all results of a batch at once."""
        outcomes: list[Outcome] = []
        for chunk, results in answered:
            # All calls of a chunk have one explanation, so that their answers can travel together.
            record = results[0].explanation.as_dict() if type(results[0]) is Explained else None
            for call, result in zip(chunk.waiters, results, strict=True):
                if self._answer(call):
                    outcomes.append(Outcome(call.token, result if record is None else result.result, None, record))
        if outcomes:
            self._deliver(outcomes)

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Hand on the errors."""
        outcomes = [
            Outcome(call.token, error=error)
            for call, error in zip(chunk.waiters, errors, strict=True)
            if self._answer(call)
        ]
        if outcomes:
            self._deliver(outcomes)


def _outcome(token: Hashable, result: Any, error: BaseException | None) -> Outcome:
    if type(result) is Explained:
        return Outcome(token, result.result, error, result.explanation.as_dict())
    return Outcome(token, result, error)
