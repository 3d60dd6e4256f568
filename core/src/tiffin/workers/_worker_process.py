"""Workers in processes of their own: started clean, called over sockets, gone when their parent is gone."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, Any

from tiffin import pickling, plugins
from tiffin.calls import Worker, WorkerSpec, handed, timed_out
from tiffin.exceptions import FrameError, MethodTimeoutError, PicklingError, RunnerNotReadyError, WorkerDiedError
from tiffin.surroundings import absolute
from tiffin.wire import (
    CALL,
    CANCEL,
    CREDIT,
    END,
    ERROR,
    HELLO,
    ITEM,
    RESULT,
    Channel,
    ExpiredError,
    Frame,
    close_in_forks,
    decode_value,
    encode_call,
    rebuild_error,
)
from tiffin.workers._groups import describe_end, explain_end, has_ended, kill_group

logger = logging.getLogger("tiffin.runners")

_SECRETS = ("TIFFIN_KEY_PASSWORD",)
"""Environment variables that no worker inherits: it runs a model's code, and signs nothing."""
_BOOT = (
    "import sys;sys.path[:]=bytes.fromhex(sys.argv[1]).decode('utf-8','surrogateescape').split('\\0');"
    "from tiffin.workers._worker_main import main;main(*map(int,sys.argv[2:-1]))"
)
"""Sets the path before anything is imported, and -P keeps the working folder out until then: a json.py or numpy.py there
must not take the place of the real one."""
_WINDOW = 8
"""Items of a stream that a worker may send ahead of what was taken."""
_GRACE = 5.0
"""Seconds that a worker whose connections have ended may take to end."""


class ProcessBackend:
    """Runs each worker in a process of its own.

    Args:
        shared_memory: bytes of shared memory that each side of each connection may use for large arrays; `None` means
            a sixteenth of the machine's memory, at most 1 GiB; 0 sends everything through sockets.
    """

    inline = False
    takes_ahead = True

    def __init__(self, *, shared_memory: int | None = None) -> None:
        self._shared_memory = shared_memory

    def create_worker(self, spec: WorkerSpec) -> Worker:
        """Return a new worker, whose process `start` starts."""
        return ProcessWorker(spec, shared_memory=self._shared_memory)


class ProcessWorker:
    """A worker process, as its parent sees it; see `Worker` for what its methods promise.

    Args:
        spec: what to run.
        shared_memory: as for `ProcessBackend`.
    """

    def __init__(self, spec: WorkerSpec, *, shared_memory: int | None = None) -> None:
        self.name = spec.name
        self._spec, self._shared_memory = spec, shared_memory
        self._process: subprocess.Popen[bytes] | None = None
        self._channels: list[Channel] = []
        self._life_line = -1
        self._owner = -1
        # A pidfd: becomes readable when the process ends, and keeps nothing of it but that.
        self._descriptor = -1
        self._calls = 0
        self._current: dict[int, int] = {}
        self._lock = threading.Lock()
        self._ready = False
        # Why it cannot be used any more: said by errors of calls that find it so.
        self._given_up = ""

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return None if self._process is None else self._process.pid

    def start(self, timeout: float | None = None) -> None:
        """Start the process, and return when the runnable is made. Blocks; see `Worker.start`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        began = time.monotonic()
        self._spawn()
        try:
            frame = self._channels[0].receive(deadline)
        except ExpiredError:
            self._give_up("it was not ready in time")
            self.kill()
            raise RunnerNotReadyError(
                f"The worker {self.name} was not ready within {timeout} s and has been killed",
                why="Its runnable was still being made",
                fix="Allow it more time, or look at what it logs while it starts",
                runner=self._spec.name,
            ) from None
        except (EOFError, FrameError, OSError) as error:
            raise self._died("while it started", error) from error
        if frame.kind == ERROR:
            self._give_up("it could not make its runnable")
            self._finish()
            raise self._error_in(frame)
        if frame.kind != HELLO:
            raise self._died("while it started", FrameError(f"It began with a frame of kind {frame.kind}"))
        greeting = decode_value(frame.header, frame.buffers)
        for channel in self._channels:
            channel.agreement.hear(greeting["values"])
        self._ready = True
        logger.info("worker %s is ready after %.2f s", self.name, time.monotonic() - began)

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
        channel = self._usable(slot)
        header, buffers = encode_call(method, args, kwargs, _plain_abouts(), peer=channel.agreement)
        deadline = None if timeout is None else time.monotonic() + timeout
        self._calls = self._current[slot] = call = self._calls + 1
        try:
            channel.send(CALL, call, header, buffers, deadline)
            del buffers, args, kwargs
            while True:
                frame = channel.receive(deadline)
                if frame.call == call:
                    break
        except ExpiredError:
            raise self._timed_out(method, timeout or 0.0) from None
        except (EOFError, FrameError, OSError) as error:
            raise self._died(f"while it ran {method!r}", error) from error
        if frame.kind == RESULT:
            return decode_value(frame.header, frame.buffers, kinds=channel.agreement.receives)
        raise self._error_in(frame)

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
        channel = self._usable(slot)
        header, buffers = encode_call(method, args, kwargs, _plain_abouts(), peer=channel.agreement)
        self._calls = self._current[slot] = call = self._calls + 1
        del args, kwargs
        ended = False
        try:
            channel.send(CALL, call, header, buffers, self._deadline(timeout))
            del buffers
            channel.send(CREDIT, call, b"%d" % _WINDOW)
            taken = 0
            while True:
                frame = channel.receive(self._deadline(timeout))
                if frame.call != call:
                    continue
                if frame.kind != ITEM:
                    ended = True
                    break
                item = decode_value(frame.header, frame.buffers, kinds=channel.agreement.receives)
                del frame
                yield item
                del item
                taken += 1
                if taken % (_WINDOW // 2) == 0:
                    channel.send(CREDIT, call, b"%d" % (_WINDOW // 2))
            if frame.kind == END:
                return
        except ExpiredError:
            ended = True
            raise self._timed_out(method, timeout or 0.0) from None
        except (EOFError, FrameError, OSError) as error:
            # OSError may also come from whoever consumes the items; that is thrown in at the yield.
            ended = True
            raise self._died(f"while it ran {method!r}", error) from error
        finally:
            if not ended:
                self._cancel(channel, call, method, timeout)
        raise self._error_in(frame)

    def cancel(self, slot: int) -> None:
        """Tell the method that runs in a slot that nobody waits for it; see `Worker.cancel`."""
        call = self._current.get(slot)
        if call is None or self._given_up:
            return
        with contextlib.suppress(ExpiredError, OSError):
            # A worker that takes nothing at the moment is busy; what it runs is passed over when it is done.
            self._channels[slot].send(CANCEL, call, deadline=time.monotonic() + 0.1)

    @property
    def healthy(self) -> bool:
        """Whether the worker is started and can take calls."""
        return self._ready and not self._given_up and not self._ended(0)

    def close(self, timeout: float | None = None) -> None:
        """Let running calls end, then end the process; kill it after `timeout` seconds. Repeatable."""
        given_up = self._given_up
        self._give_up("it was closed")
        if self._process is None:
            return
        for channel in self._channels:
            channel.finish_sending()
        if not given_up and not self._ended(timeout):
            logger.warning("worker %s did not end within %s s and is killed", self.name, timeout)
        self._finish()

    def kill(self) -> None:
        """End the process at once. Safe from any thread, repeatable."""
        self._give_up("it was killed")
        self._kill_group()

    def close_after_fork(self) -> None:
        """Let go of the life line: a forked child must not keep the worker alive after this process."""
        if self._life_line >= 0:
            os.close(self._life_line)
            self._life_line = -1
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _spawn(self) -> None:
        if not sys.executable:
            raise RunnerNotReadyError(
                f"No process can be started for the worker {self.name}: sys.executable is empty",
                why="A worker process runs the same Python, and where that lies is not known",
                fix="Set sys.executable to a Python with the same packages, or use backend='local'",
                runner=self._spec.name,
            )
        if self._process is not None:
            raise RunnerNotReadyError(
                f"The worker {self.name} has been started before", fix="Make a new one", runner=self._spec.name
            )
        spec = self._spec
        slots = spec.threads + spec.extra_slots + spec.ahead
        with contextlib.ExitStack() as theirs:
            file = theirs.enter_context(_own_file(spec))
            reading, self._life_line = os.pipe()
            theirs.callback(os.close, reading)
            pairs = [socket.socketpair() for _ in range(slots)]
            for _, remote in pairs:
                theirs.callback(remote.close)
            remotes = [remote.fileno() for _, remote in pairs]
            path = "\0".join(absolute(entry) for entry in sys.path if isinstance(entry, str))
            descriptors = [reading, file.fileno(), *remotes]
            self._channels = [Channel(ours, shared_memory=self._shared_memory) for ours, _ in pairs]
            close_in_forks(self)
            greetings = [channel.agreement.greeting() for channel in self._channels]
            file.write(_pickled(spec, self._shared_memory, greetings[0]))
            file.flush()
            file.seek(0)
            command = [sys.executable, *_interpreter_options(), "-c", _BOOT]
            command += [path.encode("utf-8", "surrogateescape").hex(), *map(str, descriptors)]
            try:
                self._process = subprocess.Popen(
                    [*command, f"tiffin-worker {spec.name}"],
                    stdin=subprocess.DEVNULL,
                    pass_fds=descriptors,
                    env=_environment(spec),
                    # A group of its own: interrupts from the terminal are the parent's business, and killing it takes
                    # along the processes that the runnable started.
                    start_new_session=True,
                )
                if hasattr(os, "pidfd_open"):
                    self._descriptor = os.pidfd_open(self._process.pid)
            except OSError as error:
                self._finish()
                raise RunnerNotReadyError(
                    f"No process can be started for the worker {spec.name}: {error}",
                    fix="Free memory, processes or descriptors, or start fewer workers",
                    runner=spec.name,
                ) from error
        self.name = f"{spec.name} (process {self._process.pid})"
        self._owner = os.getpid()
        _running.add(self)
        if self._given_up:
            self._kill_group()  # by a `kill` that found no process yet

    def _usable(self, slot: int) -> Channel:
        if not self._ready or self._given_up:
            raise WorkerDiedError(
                f"The worker {self.name} cannot take calls",
                why=f"The reason: {self._given_up or 'it is not started'}",
                runner=self._spec.name,
                worker=self.name,
                exit_code=None if self._process is None else self._process.returncode,
            )
        return self._channels[slot]

    def _cancel(self, channel: Channel, call: int, method: str, timeout: float | None) -> None:
        """Tell the worker to close a generator, and wait until it has: the slot is free only then."""
        deadline = self._deadline(timeout)
        try:
            channel.send(CANCEL, call, deadline=deadline)
            while True:
                frame = channel.receive(deadline)
                if frame.call == call and frame.kind in (END, ERROR):
                    return
        except ExpiredError:
            raise self._timed_out(method, timeout or 0.0) from None
        except (EOFError, FrameError, OSError):
            # Whoever closes the iterator wants nothing from the worker any more.
            self._give_up("its connection broke")

    def _deadline(self, timeout: float | None) -> float | None:
        return None if timeout is None else time.monotonic() + timeout

    def _error_in(self, frame: Frame) -> BaseException:
        if frame.kind != ERROR:
            return self._died("with an answer of the wrong kind", FrameError(f"A frame of kind {frame.kind}"))
        return rebuild_error(decode_value(frame.header, frame.buffers))

    def _timed_out(self, method: str, timeout: float) -> MethodTimeoutError:
        # An answer may still come, and would be taken for that of the next call.
        self._give_up(f"{method!r} ran longer than {timeout} s")
        return timed_out(self.name, method, timeout, self._spec.name)

    def _died(self, when: str, cause: BaseException) -> WorkerDiedError:
        reason = self._given_up
        self._give_up("its connection broke")
        ended = self._ended(_GRACE)
        code = self._finish()
        how = describe_end(code) if ended else "its connection broke, and it was killed"
        # One that was given up has been spoken of, or was killed on purpose.
        logger.log(logging.INFO if reason else logging.ERROR, "worker %s ended %s: %s", self.name, when, how)
        return WorkerDiedError(
            f"The worker {self.name} ended {when}: {how}",
            why=f"Before that, {reason}" if reason else explain_end(code),
            fix="Its last words are on the standard error",
            runner=self._spec.name,
            worker=self.name,
            exit_code=code,
        )

    def _give_up(self, reason: str) -> None:
        if not self._given_up:
            self._given_up = reason

    def _ended(self, timeout: float | None) -> bool:
        """Wait until the process has ended, without polling and without reaping it; return whether it has."""
        process = self._process
        if process is None or process.returncode is not None:
            return process is not None
        if not hasattr(os, "pidfd_open"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout)
            return process.returncode is not None
        with self._lock:
            if process.returncode is not None:
                return True
            if timeout == 0:  # asked before each call that finds the worker idle
                return has_ended(self._descriptor, 0)
            # A copy: another thread may reap the process, and close the original, while this one waits.
            descriptor = os.dup(self._descriptor)
        try:
            return has_ended(descriptor, timeout)
        finally:
            os.close(descriptor)

    def end_with_interpreter(self) -> None:
        """Kill the process and all that it started, if this process is the one that started it."""
        if self._owner == os.getpid():
            self._kill_group()

    def _kill_group(self) -> None:
        process = self._process
        with self._lock:
            # Not reaped yet, which takes the lock too: so the number cannot have passed to others, and the group can
            # be killed even after the worker itself has ended.
            if process is not None and process.returncode is None:
                kill_group(process.pid)

    def _finish(self) -> int | None:
        """Kill what is left of the process and its children, reap it, free everything; return its code. Repeatable."""
        process = self._process
        self._kill_group()
        self._ended(None)
        with self._lock:
            code = None if process is None else process.wait()
            self.close_after_fork()
        for channel in self._channels:
            channel.close()
        return code


def _plain_abouts() -> list[tuple[Any, ...]] | None:
    """Return what is said of the calls that are handed over; most say nothing, and then their headers are cached."""
    abouts = handed.get()
    return [tuple(about) for about in abouts] if abouts else None


_running: weakref.WeakSet[ProcessWorker] = weakref.WeakSet()


@atexit.register
def _end_workers() -> None:
    # An interpreter that exits closes its sockets some time before its pipes. A worker that nobody closed would end by
    # itself in between, before the pipe could take along what it has started.
    for worker in list(_running):
        worker.end_with_interpreter()


def _pickled(spec: WorkerSpec, shared_memory: int | None, values: Mapping[str, Any]) -> bytes:
    """Return what the worker reads at its start: plain values, and inside them the runnable's class, pickled."""
    try:
        make = pickling.dumps(partial(spec.runnable_class, **spec.init_params))
    except PicklingError as error:
        raise PicklingError(
            f"The runnable {spec.runnable_class.__qualname__} cannot be sent to a worker process: {error}",
            why="Its class and the parameters to make it with are pickled for the new process",
            fix="Give it parameters that can be pickled (paths and tags, not open files), or use backend='local'",
        ) from error
    return pickle.dumps(
        {
            "name": spec.name,
            "threads": spec.threads,
            "extra_slots": spec.extra_slots,
            "kinds": {name: traits.kind for name, traits in spec.methods.items()},
            "log_level": logger.getEffectiveLevel(),
            "shared_memory": shared_memory,
            "make": make,
            "runner": spec.runner,
            "plugins": plugins.carried(),
            "unasked": plugins.waiting_packages(),
            "values": values,
        }
    )


def _own_file(spec: WorkerSpec) -> IO[bytes]:
    """Return a file that only this process and its children can reach."""
    if hasattr(os, "memfd_create"):  # needs no folder
        return os.fdopen(os.memfd_create("tiffin-worker"), "w+b")
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise RunnerNotReadyError(
            f"No process can be started for the worker {spec.name}: {error}",
            why="What it is to run is handed over in a temporary file",
            fix="Set TMPDIR to a folder that can be written",
            runner=spec.name,
        ) from error


def _environment(spec: WorkerSpec) -> dict[str, str]:
    environment = {**{k: v for k, v in os.environ.items() if k not in _SECRETS}, **spec.environment}
    if environment.get("PYTHONPATH"):
        # The interpreter looks there before anything of ours runs, and the folder may have changed.
        entries = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(absolute(entry) for entry in entries)
    return environment


def _interpreter_options() -> list[str]:
    options = [*(f"-W{warning}" for warning in sys.warnoptions), "-P"]
    return [*options, "-X", "faulthandler", *(["-B"] if sys.dont_write_bytecode else []), *["-O"] * sys.flags.optimize]
