"""What concerns one call and not the model: how long it is worth something, whose it is, which trace it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypedDict, TypeVar

from tiffin.exceptions import CallTimeoutError, RunnerOptionError

T = TypeVar("T")

_LONGEST_TEXT = 200


class CallAbout(NamedTuple):
    """What a caller says of a call, for those who run and watch it.

    Attributes:
        deadline: when its answer is worth nothing any more: seconds of `time.monotonic()`, which all processes of a machine
            share; `None` for never.
        request_id: whose call it is; empty if it is not said.
        trace_parent: the `traceparent` of W3C's Trace Context, as it came; empty if there is none.
    """

    deadline: float | None = None
    request_id: str = ""
    trace_parent: str = ""


class CallFacts(TypedDict, total=False):
    """What `options(…)` of a method takes; each as the attribute of `CallOptions` of that name."""

    timeout: float | None
    explain: bool
    deadline: float | None
    request_id: str
    trace_parent: str


@dataclass(frozen=True)
class CallOptions:
    """What concerns one call and not the model.

    Attributes:
        timeout: seconds after which the caller gives up (`CallTimeoutError`), up to a billion; `None` waits. Of a stream, for
            each item.
        explain: whether to answer with an explanation as well.
        deadline: when the caller gives up, in seconds of `time.monotonic()`; of a stream, with all of it. A call that cannot
            be answered by then is turned away at once, as under `max_latency_ms`.
        request_id: whose call it is, up to 200 characters; handed to the worker and to hooks.
        trace_parent: what W3C's header `traceparent` says, up to 200 characters; handed on likewise, and not looked into.

    Raises:
        RunnerOptionError: a number or text is no such one.
    """

    timeout: float | None = None
    explain: bool = False
    deadline: float | None = None
    request_id: str = ""
    trace_parent: str = ""

    def __post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            seconds = getattr(self, name)
            # Written so that NaN fails it. Beyond, the system's clocks have no room.
            if seconds is not None and not (isinstance(seconds, (int, float)) and 0 <= seconds <= 1e9):
                raise RunnerOptionError(
                    f"The {name} of a call is {seconds!r}",
                    fix="It is a number of seconds, from 0 to a billion, or None",
                    runner="",
                )
        for name in ("request_id", "trace_parent"):
            text = getattr(self, name)
            if not (isinstance(text, str) and len(text) <= _LONGEST_TEXT and text.isprintable()):
                raise RunnerOptionError(
                    f"The {name} of a call is {text!r:.80}",
                    why="It stands in logs and traces, and goes with the call to other processes",
                    fix=f"It is a text of at most {_LONGEST_TEXT} printable characters",
                    runner="",
                )

    @cached_property
    def about(self) -> CallAbout | None:
        """What goes with the call to those who run it; `None` where nothing is said."""
        about = CallAbout(self.deadline, self.request_id, self.trace_parent)
        return about if any(part not in (None, "") for part in about) else None

    def plain(self) -> tuple[Any, ...]:
        """Return it as plain values, to be made anew by `CallOptions(*values)`."""
        return (self.timeout, self.explain, self.deadline, self.request_id, self.trace_parent)

    def patience(self, now: float) -> float | None:
        """Return for how many seconds the caller waits, 0 or more; `None` for ever."""
        if self.deadline is None:
            return self.timeout
        left = max(0.0, self.deadline - now)
        return left if self.timeout is None else min(left, self.timeout)

    def timed_out(self, method: str, runner: str, why: str) -> CallTimeoutError:
        """Return the error of a caller that has waited long enough."""
        limits = [] if self.timeout is None else [f"within {self.timeout:g} s"]
        if self.deadline is not None:
            limits.append("by its deadline")
        return CallTimeoutError(
            f"{method!r} of runner {runner!r} did not answer {' or '.join(limits)}",
            why=why,
            runner=runner,
            timeout=self.timeout or 0.0,
        )


PLAIN = CallOptions()

handed: ContextVar[tuple[CallAbout, ...]] = ContextVar("tiffin_handed", default=())
"""What whoever runs a worker hands to it with a call. Not seen by methods."""

_in_hand: ContextVar[tuple[CallAbout, ...]] = ContextVar("tiffin_in_hand", default=())


def hand_over(abouts: Sequence[CallAbout], function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call a function that calls a worker, which gets to know what is said of the calls."""
    if not abouts:
        return function(*args, **kwargs)
    # In a context of its own, so that nothing is left to be undone if the thread is interrupted.
    context = copy_context()
    context.run(handed.set, tuple(abouts))
    return context.run(function, *args, **kwargs)


def take_in_hand(abouts: Sequence[Sequence[Any]]) -> None:
    """Let `running_calls` say this, in the present context."""
    _in_hand.set(tuple(CallAbout(*about) for about in abouts))


def running_calls() -> tuple[CallAbout, ...]:
    """Return what was said of the calls that the method runs which asks, whatever the back end.

    A batch has many calls: each that brought a deadline, a request id or a trace parent has one entry, those that were made
    with one `options(…)` at one moment one together. Empty outside of methods.
    """
    return _in_hand.get()


class RanBatch(NamedTuple):
    """One run of a method in a worker, as the hook `batch_ran` gets it. Times are seconds of the runner's clock.

    Attributes:
        runner: the runner's name.
        method: the method's name.
        worker: who ran it.
        number: the number of the batch, counted per runner; 0 for async and streaming methods.
        calls: how many calls ran together.
        rows: their rows together.
        started: when it began.
        finished: when it had ended.
        error: what it raised, `None` if it did not.
        abouts: what callers said of their calls, for those who said something.
        arrived: when each of these came.
    """

    runner: str
    method: str
    worker: str
    number: int
    calls: int
    rows: int
    started: float
    finished: float
    error: BaseException | None
    abouts: tuple[CallAbout, ...]
    arrived: tuple[float, ...]
