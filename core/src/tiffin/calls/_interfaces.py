"""The interfaces between a runner and what plugs into it: back ends, their workers, and clients that attach.

Three seams, each a typing protocol:

- A `Backend` makes `Worker`s from a `WorkerSpec`. A worker holds one copy of the runnable and runs its methods, one
  blocking call per slot at a time. It neither queues, merges, times calls out nor restarts: the runner does.
- A `CallService` is what can be called: a runner in this process, or a connection to one in another process. Both look
  alike, so the server of attached clients feeds a runner through the same interface that the client offers.
- A `Port` is one caller's access to a service. Requests go in many at a time, outcomes come back many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from tiffin.calls._call_options import CallOptions


@dataclass(frozen=True)
class MethodTraits:
    """What a worker has to know of one method.

    Attributes:
        kind: "call" (an ordinary method), "async" (a coroutine function: the worker runs it to its end), "stream" (a
            generator function) or "async_stream" (an async generator function).
        thread_affine: calls must all run in one thread, the one that made the runnable.
    """

    kind: str = "call"
    thread_affine: bool = False


@dataclass(frozen=True)
class WorkerSpec:
    """What a back end makes a worker from.

    Attributes:
        name: the runner's name and the worker's number, for logs, threads and processes: "iris-0".
        runnable_class: the class to make one object of. A back end in another process sends it by cloudpickle, over a
            channel that only the parent and its own child hold.
        init_params: keyword arguments for the class.
        methods: every method that may be called.
        threads: how many slots for merged calls the worker has; 1 unless the runnable supports several threads.
        extra_slots: further slots, for async and streaming methods.
        ahead: further slots for merged calls, numbered after all others: a call on one is sent while `threads` others
            run, and waits in the worker until one of them ends. More than 0 only for back ends whose `takes_ahead` is
            true.
        environment: environment variables to set before the worker imports anything (thread counts of BLAS and OpenMP).
            A back end in this process ignores them.
        runner: tells the runner from all others, in other processes too: a method that calls its own runner is refused.
        number: the worker's number, from 0; a spare has that of the worker that it is made like.
        models: the stored models that the runnable uses. A back end on other machines sees to it that they are there.
    """

    name: str
    runnable_class: type
    init_params: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, MethodTraits] = field(default_factory=dict)
    threads: int = 1
    extra_slots: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    ahead: int = 0
    runner: str = ""
    number: int = 0
    models: Sequence[Any] = ()


@runtime_checkable
class Worker(Protocol):
    """One copy of a runnable, and the means to run its methods.

    Slots are numbered from 0: below `WorkerSpec.threads` they are for merged calls, from there up to `threads +
    extra_slots` for async and streaming methods. The runner uses a slot from one thread at a time, and calls on
    different slots concurrently. Calls on one slot run in one and the same thread of the worker; slot 0's is the thread
    that made the runnable.
    """

    name: str
    """For logs: the spec's name, and the process id where there is one."""

    def start(self, timeout: float | None = None) -> None:
        """Make the runnable, and return when it can be called. Blocks.

        Args:
            timeout: seconds to wait at most; `None` waits for as long as it takes.

        Raises:
            RemoteError: the runnable's class could not be made, in another process.
            WorkerDiedError: the worker's process ended meanwhile.
            RunnerNotReadyError: the time was up; the worker has been killed.
        """

    def run(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Any:
        """Call one method and return its result. Blocks, with the GIL free while another process works.

        A coroutine function is run to its end. Must not keep references to the arguments after it returns. The result
        may be a view onto leased memory, freed when the view and all that is derived from it are gone.

        Args:
            method: one of the spec's methods, of kind "call" or "async".
            args: positional arguments.
            kwargs: keyword arguments.
            timeout: seconds after which to give up on the worker. A worker in this process cannot enforce it and
                ignores it; the runner then watches from outside.
            slot: where to run it, see above.

        Raises:
            Exception: what the method raised: itself in this process, as `RemoteError` from another one.
            MethodTimeoutError: the time was up. The worker is not healthy any more; the runner kills it.
            WorkerDiedError: the worker's process ended before it answered.
            UnsendableError: an argument or the result has no typed form; the worker stays healthy.
        """

    def stream(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Iterator[Any]:
        """Call a method of kind "stream" or "async_stream" and yield its items. Closing the iterator ends the method.

        Args:
            method: one of the spec's methods.
            args: positional arguments.
            kwargs: keyword arguments.
            timeout: seconds to wait for each item at most.
            slot: where to run it; taken until the iterator is exhausted or closed.

        Raises:
            Exception: as `run`.
        """

    @property
    def healthy(self) -> bool:
        """Whether the worker can take calls: started, not closed, not dead, not hung. Cheap; does not block."""

    def cancel(self, slot: int) -> None:
        """Tell the async or streaming method that runs in a slot that nobody waits for it. Does not wait, repeatable.

        A coroutine is cancelled (`CancelledError` is raised in it), a stream is closed at its next item at the latest;
        `run` and `stream` of that slot return or raise soon. A worker without this method is waited for.
        """

    def close(self, timeout: float | None = None) -> None:
        """Let running calls end, then free all that the worker holds. Kill it after `timeout` seconds. Repeatable."""

    def kill(self) -> None:
        """End the worker at once; calls in it raise `WorkerDiedError`. Safe from any thread, repeatable.

        What this process holds of it is freed by `close`, which then waits only until the system has ended it.
        """


@runtime_checkable
class Backend(Protocol):
    """A place to run. Registered under a name; the name is what `backend=` takes."""

    inline: bool
    """Whether a worker's `run` may be called from any thread of this process with the same effect (no other process
    involved), so that a synchronous caller can use an idle worker without handing over to a thread."""

    takes_ahead: bool
    """Whether its workers take a call while as many run as can, and begin it as soon as one ends."""

    def create_worker(self, spec: WorkerSpec) -> Worker:
        """Return a new worker, not yet started. Does not block."""


class CallRequest(NamedTuple):
    """One call as it enters a port.

    Attributes:
        token: chosen by whoever submits, unique among the port's open calls; comes back in the outcome.
        method: the method's name.
        args: positional arguments.
        kwargs: keyword arguments.
        options: what concerns this call only.
    """

    token: Hashable
    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    options: CallOptions


class ReceivedRequest(CallRequest):
    """A call that came from another process.

    Attributes:
        size: bytes of memory that it brings.
    """

    size: int = 0


class Outcome(NamedTuple):
    """What became of one call.

    Attributes:
        token: the request's.
        result: what the method returned for this caller, if `error` is `None`; with `more`, one item of a stream.
        error: why there is no result. Errors of Tiffin keep class, parts and plain facts across processes; others
            become `RemoteError`.
        explanation: plain numbers and strings, if it was asked for.
        more: whether further outcomes with this token follow. A stream ends with an outcome that has `more` false
            and no result.
    """

    token: Hashable
    result: Any = None
    error: BaseException | None = None
    explanation: Mapping[str, Any] | None = None
    more: bool = False


READY, METRICS = "?ready", "?metrics"
"""What a port answers, besides methods, in the state that the runner is in when it is asked. No method can be called so."""

Deliver = Callable[[Sequence[Outcome]], None]
"""Takes the outcomes that are ready together. Called from any thread; must be quick and not raise."""


@runtime_checkable
class Port(Protocol):
    """One caller's access to a service. Safe to use from several threads."""

    def submit(self, requests: Sequence[CallRequest]) -> None:
        """Enter calls, which may merge with each other and with those of other ports. Does not block on the model.

        Every request gets its outcome through the port's `deliver`, refusals too (perhaps before `submit` returns).
        """

    def cancel(self, tokens: Sequence[Hashable]) -> None:
        """Forget these calls: no outcome follows, except ones already on the way. Unknown tokens are passed over."""

    def request_items(self, token: Hashable, count: int) -> None:
        """Allow a streaming call to deliver `count` more items. It starts with none allowed."""

    def close(self) -> None:
        """Cancel every open call. Repeatable."""


@runtime_checkable
class CallService(Protocol):
    """What can be called: a runner here, or the connection to one elsewhere.

    A service may also have `gates`, a mapping from the methods whose calls would be turned away now to the error; and
    `watch(tell)`, which has `tell` called, from any thread, when other methods are in it, and returns what ends that.
    """

    def open_port(self, deliver: Deliver) -> Port:
        """Return a new port, whose outcomes go to `deliver`."""

    def describe(self) -> Mapping[str, Any]:
        """Return what a client needs to make the same methods, as plain values.

        Keys: "name" (the runner's), "methods" (name -> {"kind": as in `MethodTraits`, "batchable": bool, "idempotent": bool,
        "input_spec" and "output_spec" if they are known}), "default" (the method that `runner.run` calls, or `None`), and
        "models" (a list of {"tag", "digest"}).
        """
