"""Runner: many callers use one model as if each had it alone."""

from __future__ import annotations

import inspect
import re
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from tiffin.batching import Method
from tiffin.calls import Backend, CallFacts, ClientLimits, MethodTraits, Worker, WorkerSpec
from tiffin.exceptions import RunnerError, RunnerOptionError
from tiffin.runners._backends import ask_plugins, choose_backend
from tiffin.runners._engine import Engine
from tiffin.runners._handles import LoopPorts, MethodHandle
from tiffin.runners._heirs import Heir
from tiffin.runners._lanes import Lanes
from tiffin.runners._ports import Life, ThreadPort
from tiffin.runners._resources import ResourceStrategy, available_processors, environment_of, share_resources
from tiffin.runners._runnable import Runnable, RunnableMethod
from tiffin.runners._runner_options import DEFAULT_BATCH_SIZE, check_forms, check_name, refuse_arguments
from tiffin.runners._scaling import Scaler, ScalingRule
from tiffin.runners._service import RunnerService
from tiffin.runners._unmerged import UnmergedHandle
from tiffin.sharing import AttachedRunner, Listener, attach, offer_methods

METHOD_OPTIONS = frozenset({"max_batch_size", "max_latency_ms", "timeout"})
"""What `method_configs` may say of a method."""


class Runner:
    """Runs a runnable's methods for many callers, merging their calls into batches.

    Args:
        runnable: a subclass of `Runnable`.
        misplaced: None: options are given by name.
        name: for logs, metrics and errors, 1 to 200 printable characters; the class's name in lower case by default.
        backend: "local" (this process), "process" (processes of their own), another registered name, or a `Backend`.
            "auto" is "process" for what holds the GIL for long, by its class's `HOLDS_GIL`, where there are several
            processors, else "local"; `explain` says which, and why.
        workers: copies of the runnable, 1 or more.
        min_workers: copies that there are at least, and more, up to `workers`, while calls wait for long; `None` for all.
        scaling: when there are more, and when fewer. Both for back ends in other processes.
        threads: threads that call each copy; more than 1 only if the runnable supports multi-threading.
        max_batch_size: rows in one batch at most, 1 or more; `None` for the default. A larger call is split and put
            together again.
        max_latency_ms: milliseconds within which an answer is worth something, greater than 0. Calls that cannot be
            answered in time are turned away with `LatencyLimitError`. `None` for no limit.
        max_queue_rows: rows that may wait; more are turned away with `QueueFullError`.
        max_concurrency: async and streaming calls that run at one time in each worker.
        method_configs: method name to its own "max_batch_size", "max_latency_ms", and "timeout": seconds after which a
            run of the method is given up together with its worker.
        runnable_init_params: keyword arguments for the class.
        models: the stored models that the runnable uses; kept for whoever packs or serves the runner.
        warm_up: method name to positional arguments; called in each worker before it takes calls.
        spares: further workers that have loaded the model and were warmed up, and wait for another one to die; each takes as
            much memory. For back ends in other processes.
        resources: says how many threads numeric libraries get in each worker process, and which GPU it sees.
        clock: a monotonic clock, seconds; all times of queueing and computing are taken from it.
        embedded: `True` says that the runner is in this process, as `backend="local"` is.
        unknown: None: what is not listed here is refused, with what to write in its place.

    Raises:
        RunnerOptionError: an argument is out of range, or names a method that does not exist.
    """

    def __init__(
        self,
        runnable: type[Runnable],
        *misplaced: Any,
        name: str | None = None,
        backend: str | Backend = "local",
        workers: int = 1,
        min_workers: int | None = None,
        scaling: ScalingRule | None = None,
        threads: int = 1,
        max_batch_size: int | None = DEFAULT_BATCH_SIZE,
        max_latency_ms: float | None = None,
        max_queue_rows: int = 10_000,
        max_concurrency: int = 16,
        method_configs: Mapping[str, Mapping[str, Any]] | None = None,
        runnable_init_params: Mapping[str, Any] | None = None,
        models: Iterable[Any] = (),
        warm_up: Mapping[str, tuple[Any, ...]] | None = None,
        spares: int = 0,
        resources: ResourceStrategy = share_resources,
        clock: Callable[[], float] = time.monotonic,
        embedded: bool = False,
        **unknown: Any,
    ) -> None:
        if misplaced or unknown:
            parameters = inspect.signature(Runner).parameters.values()
            refuse_arguments(misplaced, unknown, [one.name for one in parameters if one.kind is one.KEYWORD_ONLY])
        _require(
            not embedded or backend == "local",
            f"embedded=True, and backend={backend!r}",
            "An embedded runner is in this process: leave one of them out, backend='local' is the default",
        )
        check_forms(
            method_configs=method_configs or {},
            runnable_init_params=runnable_init_params or {},
            warm_up=warm_up or {},
            max_queue_rows=max_queue_rows,
            resources=resources,
            clock=clock,
        )
        watchers = ask_plugins()
        declared = dict(getattr(runnable, "runnable_methods", {}))
        self.runnable = runnable
        self.name = re.sub(r"\W+", "_", runnable.__name__).lower() if name is None else name
        check_name(self.name)
        self.models = list(models)
        configs = {method: dict(config) for method, config in (method_configs or {}).items()}
        self._check(declared, configs, warm_up or {})
        for option, value in (("workers", workers), ("threads", threads), ("max_concurrency", max_concurrency)):
            _require(isinstance(value, int) and value >= 1, f"{option}={value!r}", "It is a whole number, 1 or more")
        fits = min_workers is None or (isinstance(min_workers, int) and 1 <= min_workers <= workers)
        _require(
            fits, f"min_workers={min_workers!r}", f"It is a whole number, from 1 to the number of workers ({workers})"
        )
        _require(isinstance(spares, int) and spares >= 0, f"spares={spares!r}", "It is a whole number, 0 or more")
        if threads > 1:
            self._check_threads(declared)
        traits = {method: MethodTraits(about.kind, about.thread_affine) for method, about in declared.items()}
        unmerged = any(about.kind != "call" for about in declared.values())
        found, place = choose_backend(backend, runnable)
        _require(
            not ((spares or min_workers) and found.inline),
            f"{f'spares={spares!r}' if spares else f'min_workers={min_workers!r}'} for workers in this process",
            "They live and die with the process: leave it out, or give backend='process'",
        )
        # A method bound to one thread leaves no other to wait with the next call.
        ahead = 1 if found.takes_ahead and not any(about.thread_affine for about in declared.values()) else 0
        processors = available_processors()
        specs = [
            WorkerSpec(
                name=f"{self.name}-{number}",
                runnable_class=runnable,
                init_params=dict(runnable_init_params or {}),
                methods=traits,
                threads=threads,
                extra_slots=max_concurrency if unmerged else 0,
                ahead=ahead,
                environment=environment_of(resources, number, workers, processors, runnable),
                number=number,
                models=tuple(self.models),
            )
            for number in range(workers)
        ]
        common: dict[str, Any] = {"max_batch_size": max_batch_size, "max_latency_ms": max_latency_ms}
        merged = {
            method: _make_method(method, about, common | configs.get(method, {})) for method, about in declared.items()
        }
        for method in merged.values():
            method.place = place
        self.engine = Engine(
            self.name,
            [method for key, method in merged.items() if declared[key].kind == "call"],
            found,
            specs,
            max_queue_rows=max_queue_rows,
            warm_up=partial(_warm, declared, dict(warm_up or {})),
            spares=spares,
            least=min_workers,
            clock=clock,
        )
        self._scaler = Scaler(self.engine, scaling or ScalingRule(), min_workers or workers, max_concurrency)
        self.engine.on_ran, self.engine.place = watchers, place
        self.lanes = Lanes(self.engine, max_concurrency, max_queue_rows)
        self._listeners: list[Listener] = []
        # Not this object: whoever keeps one of its methods goes on calling.
        life = self._life = Life()
        weakref.finalize(life, _abandon, self.engine, self.lanes).atexit = False
        ports, thread_port = LoopPorts(self.engine), ThreadPort()
        self.methods: dict[str, MethodHandle | UnmergedHandle] = {}
        for key, about in declared.items():
            if about.kind == "call":
                handle: Any = MethodHandle(self.engine, merged[key], about, ports, thread_port, life)
            else:
                handle = UnmergedHandle(self.lanes, key, about, merged[key].timeout, life)
            self.methods[key] = handle
        offer_methods(self, self.methods)
        self.default_method = _find_default(declared)

    # Made from

    def _check(self, declared: Mapping[str, Any], configs: Mapping[str, Any], warm_up: Mapping[str, Any]) -> None:
        _require(
            bool(declared),
            f"{self.runnable.__name__!r} offers no methods",
            "Derive it from Runnable, and decorate its methods with Runnable.method",
        )
        for what, names in (("method_configs", configs), ("warm_up", warm_up)):
            for key in names:
                _require(
                    key in declared,
                    f"{what} names {key!r}, which runner {self.name!r} does not have",
                    f"It has: {', '.join(declared)}",
                )
        for key, config in configs.items():
            unknown = sorted(set(config) - METHOD_OPTIONS)
            _require(
                not unknown,
                f"method_configs[{key!r}] has unknown options: {', '.join(unknown)}",
                f"Known: {', '.join(sorted(METHOD_OPTIONS))}",
            )

    def _check_threads(self, declared: Mapping[str, RunnableMethod]) -> None:
        name = self.runnable.__name__
        _require(
            bool(getattr(self.runnable, "SUPPORTS_CPU_MULTI_THREADING", False)),
            f"threads is more than 1, and {name!r} does not support multi-threading",
            "Use more workers, or set SUPPORTS_CPU_MULTI_THREADING = True if its methods may run at the same time",
        )
        affine = [method for method, about in declared.items() if about.thread_affine]
        _require(
            not affine,
            f"threads is more than 1, and these methods of {name!r} are thread-affine: {', '.join(affine)}",
            "Use more workers instead",
        )

    # Life

    def start(self, timeout: float | None = None) -> Runner:
        """Start the workers, and return the runner when all can be called.

        Args:
            timeout: seconds that a worker process may take.

        Raises:
            Exception: what making the runnable raised.
            RunnerError: a worker could not be started, or the runner has been started before.
        """
        self.engine.start(timeout)
        self._scaler.start()
        return self

    def init_local(self, quiet: bool = False) -> Runner:
        """Start the runner in this process; `start` under an older name.

        Args:
            quiet: accepted and not needed: nothing warns.
        """
        return self.start()

    @property
    def scheduled(self) -> bool:
        """Whether it has been started and not stopped."""
        return self.engine.state in ("running", "draining")

    def ready(self) -> bool:
        """Return whether calls are taken: started, warmed up, and at least one worker is well."""
        return self.engine.ready

    async def runner_handle_is_ready(self, timeout: float | None = None) -> bool:
        """Return `ready()`, as older programs await it.

        Args:
            timeout: accepted and not needed: the answer is known at once.
        """
        return self.ready()

    def drain(self, timeout: float | None = None) -> bool:
        """Take no more calls, and wait until those already taken are answered.

        Args:
            timeout: seconds to wait at most.

        Returns:
            Whether all were answered in that time.
        """
        self.lanes.end_streams()
        return self.engine.drain(timeout)

    def stop(self, timeout: float | None = 30.0) -> None:
        """Drain, and end the workers. Calls that are not answered in time get `RunnerClosedError`. Repeatable.

        Args:
            timeout: seconds to drain at most; `None` waits for as long as it takes, 0 does not wait.
        """
        self.lanes.end_streams()
        drained = self.engine.drain(timeout)
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        self.engine.stop(timeout if drained else 0)
        self.lanes.close()

    destroy = stop
    """`stop`, under an older name."""

    def __enter__(self) -> Runner:
        return self.start() if self.engine.state == "not started" else self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Runner:
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(None, self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        # Not in the loop's thread: calls that are still open are answered by the loop.
        await asyncio.get_running_loop().run_in_executor(None, self.stop)

    # Calls

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the one obvious method: the only one, or `__call__`. As that method's `run`."""
        return self._default().run(*args, **kwargs)

    async def async_run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the one obvious method, from a coroutine. As that method's `async_run`."""
        return await self._default().async_run(*args, **kwargs)

    def options(self, **given: Unpack[CallFacts]) -> Any:
        """Return the one obvious method with options for a call."""
        return self._default().options(**given)

    def _default(self) -> Any:
        _require(
            self.default_method is not None,
            f"Runner {self.name!r} has several methods: {', '.join(self.methods)}",
            f"Say which: runner.{next(iter(self.methods))}.run(…)",
        )
        return self.methods[str(self.default_method)]

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not there.
        methods = self.__dict__.get("methods")
        if methods is not None and name in methods:
            return methods[name]
        raise AttributeError(
            f"Runner has no attribute or method {name!r}" + (f"; its methods: {', '.join(methods)}" if methods else "")
        )

    # Seen from outside

    def metrics(self) -> dict[str, Any]:
        """Return counters and histograms of every method, and the state of the queue, as plain values."""
        return self.engine.metrics()

    @property
    def service(self) -> RunnerService:
        """The runner as something that other processes can be given access to."""
        return RunnerService(self)

    def listen(self, path: str | Path, *, limits: ClientLimits | None = None) -> str:
        """Let clients in other processes of this user attach. Their calls merge with all others.

        Args:
            path: where to make the Unix socket. Its folder is made with mode 0700, or must have it.
            limits: what each client may take up at one time.

        Returns:
            The address for `Runner.attach`: "unix:" and the path.
        """
        self.engine.check_open()
        listener = Listener(RunnerService(self, limits), path, limits=limits)
        self._listeners.append(listener)
        return listener.address

    @staticmethod
    def attach(address: str, *, timeout: float = 10.0, reattach: float = 10.0) -> AttachedRunner:
        """Return a runner whose calls go to one that listens in another process.

        Args:
            address: what `listen` returned, "unix:" and a path.
            timeout: seconds to wait for the connection.
            reattach: seconds for which calls wait when the runner has gone without a word, until one listens there again.

        Raises:
            RunnerNotReadyError: nobody listens there.
        """
        return attach(address, timeout=timeout, reattach=reattach)

    def hand_over(
        self, new: Runner, *, check: Callable[[Runner], Any] | None = None, timeout: float | None = 30.0
    ) -> Runner:
        """Let another runner answer at the addresses of this one, and stop this one. Attached clients notice nothing.

        The new one is started and warmed up, unless it runs, and checked; only then calls go to it. What this one has taken
        it answers, streams too. Callers in this process, who hold this runner's own methods, go on with the new one, unless
        that has a method with another `batch_dim`: such calls are refused.

        Args:
            new: the runner; with all methods of this one.
            check: called with the new runner, to compare its answers for instance; raises, or returns `False`, if it will not
                do.
            timeout: seconds for which this one may go on answering.

        Returns:
            The new runner.

        Raises:
            RunnerOptionError: it lacks a method, or has it as another kind.
            RunnerError: the check returned `False`.
            Exception: what starting or checking it raised. Then this one goes on, and the new one is stopped if it was not
                running before.
        """
        for runner in (self, new):
            _require(
                runner.engine.heir is None,
                f"Runner {runner.name!r} has been handed over already",
                "Hand over the one that answers now, to one that nobody has taken over from: hand_over returned it",
            )
        self.engine.check_open()
        mine, its = (runner.runnable.runnable_methods for runner in (self, new))
        lacking = [name for name, about in mine.items() if name not in its or its[name].kind != about.kind]
        _require(
            not lacking,
            f"Runner {new.name!r} is to answer for {self.name!r}, and has not its {', '.join(map(repr, lacking))}",
            "Clients have made their methods already: give it methods of the same names and kinds, or an address of its own",
        )
        fresh = new.engine.state == "not started"
        try:
            if fresh:
                new.start()
            new.engine.check_open()
            if check is not None and check(new) is False:
                raise RunnerError(
                    f"Runner {new.name!r} does not take over from {self.name!r}: its check returned False",
                    fix="Mend the model, and hand over again",
                    runner=new.name,
                )
        except BaseException:
            if fresh:
                new.stop(0)
            raise
        same = [
            n for n, about in mine.items() if (about.batchable, about.batch_dim) == (its[n].batchable, its[n].batch_dim)
        ]
        self.engine.heir = Heir(new.engine, new.lanes, same, new._life)
        listeners, self._listeners = self._listeners, []
        new._listeners += listeners
        for listener in listeners:
            listener.serve(RunnerService(new, listener.limits))
        # Streams come to their end by themselves here, so they are not ended as `drain` does.
        drained = self.engine.drain(timeout)
        self.stop(30.0 if drained else 0)
        return new

    def __repr__(self) -> str:
        return f"<Runner {self.name!r}: {', '.join(self.methods)}; {self.engine.state}>"


def _warm(declared: Mapping[str, RunnableMethod], calls: Mapping[str, tuple[Any, ...]], worker: Worker) -> None:
    for method, args in calls.items():
        if declared[method].kind in ("call", "async"):
            worker.run(method, args, {})


def _abandon(engine: Engine, lanes: Lanes) -> None:
    engine.abandon()
    lanes.close()


def _make_method(name: str, about: RunnableMethod, options: Mapping[str, Any]) -> Method:
    size, latency, timeout = options["max_batch_size"], options["max_latency_ms"], options.get("timeout")
    size = DEFAULT_BATCH_SIZE if size is None else size
    _require(
        isinstance(size, int) and size >= 1, f"max_batch_size={size!r} for {name!r}", "It is a whole number, 1 or more"
    )
    for option, value in (("max_latency_ms", latency), ("timeout", timeout)):
        _require(
            value is None or (isinstance(value, (int, float)) and value > 0),
            f"{option}={value!r} for {name!r}",
            "It is a number greater than 0, or None",
        )
    return Method(
        name,
        max_batch_size=size,
        max_latency=None if latency is None else latency / 1000,
        idempotent=about.idempotent,
        timeout=timeout,
    )


def _find_default(declared: Mapping[str, RunnableMethod]) -> str | None:
    if len(declared) == 1:
        return next(iter(declared))
    return "__call__" if "__call__" in declared else None


def _require(condition: bool, what: str, fix: str) -> None:
    if not condition:
        raise RunnerOptionError(what, fix=fix, runner="")
