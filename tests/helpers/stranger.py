"""A client that speaks the runner protocol by hand, to say what no honest client says."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import itertools
import mmap
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inside.sharing import _client
from inside.wire import SEGMENT, FrameReader, frame_parts
from tiffin.runners import ClientLimits, Runnable, Runner
from tiffin.wire import CALL, HELLO, RESULT, RESULTS, decode_value, encode_call, encode_value, pass_descriptors


class Model(Runnable):
    """Methods of every kind that a client may reach."""

    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.let_go.set()

    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        assert self.let_go.wait(20)
        return x

    @Runnable.method
    def large(self, n: int) -> Any:
        return np.zeros(n, np.uint8)

    @Runnable.method
    def count(self) -> Any:
        yield from itertools.count()


class Stranger:
    """A raw connection to a listening runner."""

    def __init__(self, address: str, *, greets: bool = True) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(address.removeprefix("unix:"))
        self.sock.settimeout(20)
        self.reader = FrameReader(
            lambda segment, lease, size: np.zeros(size, np.uint8), lambda frame: self._close_all(frame.descriptors)
        )
        self.frames: list[Any] = []
        self.together: list[Any] = []
        if greets:
            self.send(HELLO, 0, *encode_value({"protocol": _client.PROTOCOL}))

    def _close_all(self, descriptors: Sequence[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    def write(self, data: bytes) -> None:
        """Send bytes; if the runner cuts the connection off meanwhile, as far as they get."""
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)

    def send(self, kind: int, call: int, header: bytes = b"", buffers: Sequence[Any] = ()) -> None:
        self.write(b"".join(map(bytes, frame_parts(kind, call, header, buffers))))

    def call(self, number: int, method: str, *args: Any, extra: Any = None) -> None:
        self.send(CALL, number, *encode_call(method, args, {}, extra))

    def park(self, descriptors: Sequence[int], data: bytes) -> None:
        """Send descriptors along with bytes, as `write` does."""
        with contextlib.suppress(ConnectionError):
            self.sock.sendmsg([data], pass_descriptors(descriptors))

    def lend(self, segment: int, size: int) -> mmap.mmap:
        """Offer a segment of shared memory as a runner takes it, and return it: it can be changed as long as it is there."""
        descriptor = os.memfd_create("tiffin", os.MFD_ALLOW_SEALING)
        try:
            os.posix_fallocate(descriptor, 0, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
            self.park([descriptor], frame_parts(SEGMENT, segment, descriptors=1)[0])
            return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def answer(self) -> tuple[int, Any]:
        """Return the next answer's kind and value, after the greeting; those that come together one by one."""
        while True:
            if self.together:
                return RESULT, self.together.pop(0)
            while not self.frames:
                self.frames = self.reader.receive(self.sock)
            frame = self.frames.pop(0)
            if frame.kind == RESULTS:
                self.together = list(decode_value(frame.header, frame.buffers)[1])
            elif frame.kind != HELLO:
                return frame.kind, decode_value(frame.header, frame.buffers) if frame.header else None

    def is_cut_off(self) -> bool:
        """Return whether the runner closes the connection, reading what it says before."""
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(1 << 16):
                pass
        return True

    def close(self) -> None:
        self.sock.close()
        self.reader.close()


def make_runner(folder: Any, **limits: int) -> tuple[Runner, str]:
    """Return a started runner and the address at which it listens."""
    runner = Runner(Model, max_concurrency=4).start()
    return runner, runner.listen(folder / "own" / "socket", limits=ClientLimits(**limits))


def resident() -> int:
    """Return the bytes of memory that this process occupies."""
    gc.collect()
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
