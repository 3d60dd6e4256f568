"""A worker in an actor, as the process with the runner sees it."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tiffin import pickling, plugins
from tiffin.calls import WorkerSpec, handed, timed_out
from tiffin.exceptions import MethodTimeoutError, RunnerNotReadyError, WorkerDiedError
from tiffin.wire import Agreement, decode_value, encode_call, rebuild_error
from tiffin_ray._actor import Actor, Message, news_of, packed, writable

if TYPE_CHECKING:
    from tiffin_ray._backend import RayBackend

logger = logging.getLogger("tiffin.runners")

_PATIENCE = 10.0
"""Seconds after which it is told that a worker waits for the cluster."""
_CONTROL = 4
"""Threads of an actor for what is no call: watching, cancelling, finishing."""


@functools.cache
def _actor_class() -> Any:
    import ray

    return ray.remote(Actor)


class RayWorker:
    """A worker's actor; see `tiffin.runners.Worker` for what its methods promise.

    Args:
        spec: what to run.
        backend: knows the cluster, and the actor's options.
    """

    def __init__(self, spec: WorkerSpec, backend: RayBackend) -> None:
        self.name = spec.name
        self._spec, self._backend = spec, backend
        self._actor: Any = None
        self._agreements = [Agreement() for _ in range(spec.threads + spec.extra_slots + spec.ahead)]
        self._ready = False
        # Why it cannot be used any more: said by errors of calls that find it so.
        self._given_up = ""
        self._watched: Any = None

    def start(self, timeout: float | None = None) -> None:
        """Make the actor, and return when its runnable is made. Blocks, also while the cluster has no room for it."""
        deadline = None if timeout is None else time.monotonic() + timeout
        spec = self._spec
        self._backend.connect()
        options = self._backend.options_for(spec)
        made = pickling.dumps(replace(spec, models=()))
        references = self._backend.references_for(spec)
        greetings = [agreement.greeting() for agreement in self._agreements]
        slots = len(self._agreements)
        began = time.monotonic()
        # Each slot may have a call and a question for items; each call waits for the slot's own thread.
        self._actor = _actor_class().options(**options, max_concurrency=2 * slots + _CONTROL).remote()
        if self._given_up:
            self._end_actor()  # by a `kill` that found no actor yet
        answer = self._actor.make.remote(made, references, plugins.carried(), greetings[0])
        kind, said = self._await(answer, deadline, options)
        if kind == "error":
            self._give_up("it could not make its runnable")
            self._end_actor()
            raise self._error_in(0, said)
        process, theirs = said
        for agreement in self._agreements:
            agreement.hear(theirs)
        self.name = f"{spec.name} (actor {self._actor._actor_id.hex()[:8]}, process {process})"
        self._watched = self._actor.watch.remote()
        self._watched.future().add_done_callback(lambda _: self._give_up("its actor has ended"))
        self._ready = True
        logger.info("worker %s is ready after %.2f s", self.name, time.monotonic() - began)

    def _await(self, answer: Any, deadline: float | None, options: Mapping[str, Any]) -> Any:
        """Return the answer of an actor that is to start; say so where it takes long."""
        import ray

        told = False
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                self._give_up("it was not ready in time")
                self.kill()
                raise RunnerNotReadyError(
                    f"The worker {self.name} was not ready in time, and has been ended",
                    why="The cluster has no room for it, or its runnable was still being made",
                    fix=f"Allow it more time, or look with 'ray status' for {_wants(options)}",
                    runner=self._spec.name,
                )
            done, _ = ray.wait([answer], timeout=_PATIENCE if left is None else min(left, _PATIENCE))
            if done:
                return self._get(answer, None, "while it started")
            if not told:
                told = True
                logger.warning("worker %s is not ready yet; it waits for %s", self.name, _wants(options))

    def run(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Any:
        """Call a method and return its result. Blocks; see `Worker.run`."""
        answer = self._usable().call.remote(slot, self._packed(slot, method, args, kwargs))
        del args, kwargs
        try:
            kind, said = self._get(answer, timeout, f"while it ran {method!r}")
        except TimeoutError:
            raise self._timed_out(method, timeout or 0.0) from None
        if kind == "error":
            raise self._error_in(slot, said)
        return self._value(slot, said)

    def stream(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Iterator[Any]:
        """Call a generator method and yield its items; see `Worker.stream`."""
        actor = self._usable()
        when = f"while it ran {method!r}"
        self._get(actor.begin.remote(slot, self._packed(slot, method, args, kwargs)), timeout, when)
        del args, kwargs
        ended = False
        try:
            while True:
                for kind, said in self._get(actor.items.remote(slot), timeout, when):
                    if kind == "item":
                        yield self._value(slot, said)
                        continue
                    ended = True
                    if kind == "error":
                        raise self._error_in(slot, said)
                    return
        except TimeoutError:
            ended = True
            raise self._timed_out(method, timeout or 0.0) from None
        finally:
            if not ended and self.healthy:
                with contextlib.suppress(WorkerDiedError):
                    try:
                        self._get(actor.cancel.remote(slot), timeout, when)
                    except TimeoutError:
                        raise self._timed_out(method, timeout or 0.0) from None

    def cancel(self, slot: int) -> None:
        """Tell the method that runs in a slot that nobody waits for it; see `Worker.cancel`."""
        if self.healthy:
            self._actor.cancel.remote(slot)

    @property
    def healthy(self) -> bool:
        """Whether the actor is started and can take calls."""
        return self._ready and not self._given_up and _connected()

    def close(self, timeout: float | None = None) -> None:
        """Let running calls end, then end the actor; end it at once after `timeout` seconds. Repeatable."""
        given_up = self._given_up
        self._give_up("it was closed")
        if self._actor is None:
            return
        if not given_up and timeout != 0 and _connected():
            with contextlib.suppress(WorkerDiedError):
                try:
                    self._get(self._actor.finish.remote(), timeout, "while it was closed")
                except TimeoutError:
                    logger.warning("worker %s did not end within %s s and is ended", self.name, timeout)
        self._end_actor()

    def kill(self) -> None:
        """End the actor at once. Safe from any thread, repeatable."""
        self._give_up("it was killed")
        self._end_actor()

    def _end_actor(self) -> None:
        import ray

        if self._actor is not None and _connected():
            ray.kill(self._actor)

    def _usable(self) -> Any:
        if not self.healthy:
            raise WorkerDiedError(
                f"The worker {self.name} cannot take calls",
                why=f"The reason: {self._given_up or 'it is not started, or the program has left the cluster'}",
                runner=self._spec.name,
                worker=self.name,
                exit_code=None,
            )
        return self._actor

    def _packed(self, slot: int, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Message:
        agreement = self._agreements[slot]
        abouts = [tuple(about) for about in handed.get()] or None
        header, buffers = encode_call(method, args, kwargs, abouts, peer=agreement)
        return packed(news_of(agreement), header, buffers)

    def _value(self, slot: int, message: Message) -> Any:
        news, header, buffers = message
        agreement = self._agreements[slot]
        if news is not None:
            agreement.hear(news)
        return decode_value(header, writable(buffers), kinds=agreement.receives)

    def _error_in(self, slot: int, message: Message) -> BaseException:
        return rebuild_error(self._value(slot, message))

    def _get(self, answer: Any, timeout: float | None, when: str) -> Any:
        """Return what the actor answers.

        Raises:
            TimeoutError: it did not within so many seconds.
            WorkerDiedError: it has ended.
        """
        import ray
        from ray.exceptions import GetTimeoutError, RayError

        try:
            return ray.get(answer, timeout=timeout)
        except GetTimeoutError:
            raise TimeoutError from None
        except RayError as error:
            reason = self._given_up
            self._give_up("its actor has ended")
            self._end_actor()
            logger.log(logging.INFO if reason else logging.ERROR, "worker %s ended %s: %s", self.name, when, error)
            raise WorkerDiedError(
                f"The worker {self.name} ended {when}",
                why=f"Before that, {reason}" if reason and reason != "its actor has ended" else f"Ray says: {error}",
                fix="Its last words are in Ray's logs",
                runner=self._spec.name,
                worker=self.name,
                exit_code=None,
            ) from error

    def _timed_out(self, method: str, timeout: float) -> MethodTimeoutError:
        # An answer may still come, and would be taken for that of the next call.
        self._give_up(f"{method!r} ran longer than {timeout} s")
        return timed_out(self.name, method, timeout, self._spec.name)

    def _give_up(self, reason: str) -> None:
        if not self._given_up:
            self._given_up = reason


def _connected() -> bool:
    """Return whether this process is in a cluster. When it leaves, its actors end; and a call would start another cluster."""
    import ray

    return bool(ray.is_initialized())


def _wants(options: Mapping[str, Any]) -> str:
    """Return what an actor needs of a cluster, as people read it."""
    named = ("num_cpus", "num_gpus", "memory", "accelerator_type", "resources", "label_selector")
    return ", ".join(f"{name}={options[name]}" for name in named if options.get(name))
