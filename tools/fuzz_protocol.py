"""Send a listening runner what no honest client sends, and see whether the honest ones are still answered.

Run: python tools/fuzz_protocol.py [--seed 0] [--seconds 60]

A runner listens in a process of its own. Strangers send it frames that are right, changed, cut short, torn apart, out of
order, that claim what is not there, with descriptors of all kinds and memory that changes or shrinks while it is read; some
greet and are silent, some close one direction only, and all leave whenever they like. After every few of them an honest
client calls each kind of method and has to get its answers. At the end the runner's descriptors, threads, mapped segments and
memory have to be back where they were, and it must not have told of an error that it did not expect. Exits with 1 where
something is wrong. Linux only.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import mmap
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing import arguments, report
from tiffin import Runnable, Runner
from tiffin.exceptions import TiffinError
from tiffin.runners import ClientLimits
from tiffin.wire import CALL, CALLS, CANCEL, CREDIT, HELLO, RELEASE

MIB = 1 << 20
PREFIX = struct.Struct("<2sBBIQI")
ENTRY = struct.Struct("<QQQ")
MAGIC = b"Tf"
SEGMENT, FORGET = 10, 12
_KINDS = range(16)
_NUMBERS = (
    *(0, 1, 2, 3, 7, 255, 4096, 65535, 65536, MIB, 32 * MIB, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 10**12),
    *(1 << 62, (1 << 63) - 1, (1 << 64) - 1),
)
_ROUND = 20
"""Strangers between two visits of the honest client."""
_MAY_GROW = {"bytes": 32 * MIB, "threads": 4, "descriptors": 0, "segments": 0}
"""What a runner may have more of at the end: the allocator keeps some of what was freed, and lanes keep their threads."""
_WORDS: tuple[Any, ...] = (
    *(None, True, -1, 1e300, "", "x" * 3000, [], {}, [[]], 10**40, "predict", "nothing", "\ud800", [[[[]]]] * 50),
    *({"a": ["<f8", [2, 2]]}, {"a": ["|O", [1]]}, {"a": ["<f8", [10**12, 0]]}, {"a": ["<f8", [-1, -1]]}),
    *({"a": ["<f8", [1], "F"]}, {"a": ["|V0", [1 << 62]]}, {"a": ["|S0", [3, 1 << 40]]}, {"a": ["<U999999999", [0]]}),
    *({"o": [[2], {"S": 0}]}, {"o": [[1 << 40, 0], {"S": 0}]}, {"o": [[3], "abc"]}, {"o": [[1], [[[1]]]]}),
    *({"n": ["<f8", "00" * 8]}, {"n": ["<M8[s]", "ff" * 8]}, {"n": ["<f8", "0"]}, {"t": [1]}),
    *({"d": [[1, 2]]}, {"d": [[[], 2]]}, {"x": ["numpy.ma.MaskedArray", 1]}),
    *({"a": [{"fields": [["x", "<f8", -8]], "size": 8}, [1]]}, {"a": [{"fields": [["x", "<f8", 0]] * 2, "size": 8}, [1]]}),
    *({"a": [{"base": "<f8", "shape": [1 << 31, 1 << 31]}, [0]]}, {"a": [{"fields": [], "size": 1 << 62}, [0]]}),
    *({"x": ["pandas.DataFrame", [1]]}, {"x": ["scipy.sparse.csr_matrix", [[1, 1], 1, 2, 3]]}),
    *({"s": 0}, {"b": 0}, {"f": 0}, {"q": 0}, {"S": 0}, {"c": [1, 2]}, {"c": 3 * [1]}, {"zz": 1}, {"s": 0, "b": 0}),
)  # fmt: skip


class Model(Runnable):
    """Methods of every kind."""

    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        """Return what comes, doubled."""
        return np.asarray(x) * 2

    @Runnable.method
    def large(self, n: int = MIB) -> Any:
        """Return some bytes, up to 4 MiB."""
        return np.zeros(min(int(n), 4 * MIB), np.uint8)

    @Runnable.method
    def count(self) -> Iterator[int]:
        """Count for ever."""
        number = 0
        while True:
            yield number
            number += 1

    @Runnable.method
    async def soon(self, x: Any = None) -> Any:
        """Return what comes."""
        return x


def main() -> int:
    """Fuzz for some time, and print what happened; or be the runner."""
    parser = arguments(__doc__)
    parser.add_argument("--serve", help="a path to listen at, until standard input ends")
    options = parser.parse_args()
    return _serve(options.serve) if options.serve else report(*run(options.seed, options.seconds))


def run(
    seed: int, seconds: float, most: int | None = None
) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Fuzz, and return what was sent and answered, and the faults.

    Args:
        seed: of the strangers; the same seed makes the same ones.
        seconds: when to stop.
        most: how many strangers at most.
    """
    counts: collections.Counter[str] = collections.Counter()
    faults: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as (process, address):
        for _ in range(3):
            _call_honestly(address)
        version = _version(address)
        before = _held(process.pid)
        end = time.monotonic() + seconds
        strangers: collections.deque[_Stranger] = collections.deque()
        while time.monotonic() < end and (most is None or counts["strangers"] < most) and process.poll() is None:
            strangers.append(_Stranger(address, version, random.Random(f"{seed} {counts['strangers']}"), counts))
            strangers[-1].misbehave()
            counts["strangers"] += 1
            while len(strangers) > 5:
                strangers.popleft().close()
            if counts["strangers"] % _ROUND == 0:
                _check_honest(address, counts, faults)
        while strangers:
            strangers.popleft().close()
        _check_honest(address, counts, faults)
        if process.poll() is None:
            _compare(process.pid, before, counts, faults)
        else:
            faults[f"the runner ended with {process.returncode} after stranger {counts['strangers']}"] += 1
        for line in (Path(folder) / "log").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("Traceback", "Fatal", "  File")) or line.partition(":")[0].endswith("Error"):
                faults[f"the runner says: {line.strip()[:200]}"] += 1
    return counts, faults


def _serve(path: str) -> int:
    limits = ClientLimits(clients=16, calls=100, bytes=32 * MIB, answers=8 * MIB)
    with Runner(Model, max_concurrency=4, max_queue_rows=1000) as runner:
        print(runner.listen(path, limits=limits), flush=True)
        sys.stdin.read()
    return 0


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, __file__, "--serve", str(folder / "own" / "socket")]
    # What is freed goes back to the system at once, so that what is still held can be seen.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "65536"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _call_honestly(address: str) -> None:
    """Attach, call every method, compare the answers."""
    with Runner.attach(address) as runner:
        rows = np.arange(6.0).reshape(3, 2)
        assert (runner.predict.options(timeout=30).run(rows) == rows * 2).all()
        large = np.ones((1, 40_000))  # in shared memory
        assert (runner.predict.options(timeout=30).run(large) == 2).all()
        assert runner.large.options(timeout=30).run(MIB).nbytes == MIB
        assert runner.soon.options(timeout=30).run("text") == "text"
        items = runner.count.options(timeout=30).run()
        assert [next(items), next(items)] == [0, 1]
        items.close()


def _version(address: str) -> int:
    """Return the version of the protocol that a runner greets with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(address.removeprefix("unix:"))
        said = b""
        while (found := re.search(rb'"protocol",(\d+)', said)) is None:
            said += sock.recv(1 << 16)
        return int(found[1])


def _check_honest(address: str, counts: collections.Counter[str], faults: collections.Counter[str]) -> None:
    try:
        _call_honestly(address)
        counts["honest visits"] += 1
    except (TiffinError, AssertionError, OSError, TimeoutError) as error:
        faults[f"after stranger {counts['strangers']}: {type(error).__name__}: {str(error)[:200]}"] += 1


def _held(pid: int) -> dict[str, int]:
    """Return what a process holds."""
    process = Path(f"/proc/{pid}")
    return {
        "descriptors": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
        "segments": (process / "maps").read_text().count("/memfd:"),
        "bytes": int((process / "statm").read_text().split()[1]) * mmap.PAGESIZE,
    }


def _compare(
    pid: int, before: dict[str, int], counts: collections.Counter[str], faults: collections.Counter[str]
) -> None:
    """Note what a process still holds of what came after `before`, once it had some seconds to let go of it."""
    patience = time.monotonic() + 20
    while left := {what: n - before[what] for what, n in _held(pid).items() if n > before[what] + _MAY_GROW[what]}:
        if time.monotonic() > patience:
            faults.update({f"{number} {what} are left": 1 for what, number in left.items()})
            return
        time.sleep(0.05)
    counts["MiB grown"] = max(0, (_held(pid)["bytes"] - before["bytes"]) // MIB)


class _Stranger:
    """One client that means harm, or has lost its mind."""

    def __init__(self, address: str, version: int, draw: random.Random, counts: collections.Counter[str]) -> None:
        self._version, self._draw, self._counts = version, draw, counts
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(0.02)
        self._sock.connect(address.removeprefix("unix:"))
        self._memories: list[mmap.mmap] = []
        self._calls = 0

    def misbehave(self) -> None:
        """Do several things, as long as the runner lets it."""
        draw = self._draw
        deeds = (
            *(self._call, self._call, self._several, self._odd_call, self._steer, self._lend, self._change_memory),
            *(self._mutate, self._claim, self._begin, self._park, self._noise, self._close_half, self._read),
        )
        with contextlib.suppress(OSError):
            if draw.random() < 0.95:
                self._send(HELLO, 0, json.dumps({"d": [["protocol", self._version]]}).encode())
            for _ in range(draw.randrange(1, 30)):
                deed = draw.choice(deeds)
                self._counts[deed.__name__.strip("_")] += 1
                deed()
            if draw.random() < 0.3:
                self._sock.sendall(self._frame(CALL, 1, b'["predict",[],{},null]')[: draw.randrange(1, 30)])
            self._counts["stayed to the end"] += 1

    def close(self) -> None:
        """Leave."""
        self._sock.close()
        for memory in self._memories:
            memory.close()

    def _frame(
        self,
        kind: int,
        call: int,
        header: bytes = b"",
        buffers: Sequence[bytes | tuple[int, int, int]] = (),
        passed: int = 0,
    ) -> bytes:
        """Return a frame; a buffer that is three numbers is what its table says, and nothing follows."""
        table = [entry if isinstance(entry, tuple) else (len(entry), 0, 0) for entry in buffers]
        inline = [entry for entry in buffers if isinstance(entry, bytes)]
        head = PREFIX.pack(MAGIC, kind, passed, len(header), call, len(table))
        return b"".join([head, *(ENTRY.pack(*entry) for entry in table), header, *inline])

    def _send(
        self, kind: int, call: int, header: bytes = b"", buffers: Sequence[bytes | tuple[int, int, int]] = ()
    ) -> None:
        self._push(self._frame(kind, call, header, buffers))

    def _push(self, data: bytes) -> None:
        if self._draw.random() < 0.1 and len(data) > 2:
            cut = self._draw.randrange(1, len(data))
            self._sock.sendall(data[:cut])
            data = data[cut:]
        self._sock.sendall(data)

    def _number(self) -> int:
        """Return the number of a call: a new one, mostly."""
        self._calls += 1
        return self._calls if self._draw.random() < 0.95 else self._draw.choice((*range(5), *_NUMBERS))

    def _call(self) -> None:
        draw = self._draw
        method = draw.choice(("predict", "large", "count", "soon"))
        options = draw.choice((None, None, {"t": [draw.choice((None, 0.0, 0.01, 5)), draw.random() < 0.5]}))
        if method == "predict":
            shape = draw.choice(([1, 4], [3, 100], [1, 9000], [200, 10], [0, 4], [500, 0]))
            data = bytes(8 * shape[0] * shape[1])
            header = json.dumps([method, [{"a": ["<f8", shape]}], {}, options]).encode()
            self._send(CALL, self._number(), header, [data])
        else:
            given = [draw.choice((1, 1000, MIB))] if method == "large" else []
            self._send(CALL, self._number(), json.dumps([method, given, {}, options]).encode())

    def _several(self) -> None:
        """Send many calls in one frame, or what claims to be that."""
        draw = self._draw
        count = draw.choice((1, 2, 10, 10, 1024, 1025))
        numbers = np.arange(self._calls + 1, self._calls + 1 + count)
        self._calls += count
        if draw.random() < 0.3:
            numbers[draw.randrange(count)] = draw.choice((-1, 0, 1, int(numbers[0]), (1 << 62)))
        columns, claimed = draw.choice(((4, 4), (4, 4), (0, 0), (4, 5))), draw.choice((count, count, count, count + 1))
        tree = {"a": [draw.choice(("<i8", "<i8", "<i8", "<f8", "|b1")), [count]]}, {"a": ["<f8", [claimed, columns[1]]]}
        header = json.dumps(
            [draw.choice(("predict", "predict", "soon", "none")), tree, {}, draw.choice((None, _WORDS[0], 1))]
        )
        self._send(CALLS, draw.choice((0, 1)), header.encode(), [numbers.tobytes(), bytes(8 * count * columns[0])])

    def _odd_call(self) -> None:
        draw = self._draw
        words = [draw.choice(_WORDS) for _ in range(draw.randrange(4))]
        named = {
            str(draw.choice(("x", "n", "", "self", "a" * 100))): draw.choice(_WORDS) for _ in range(draw.randrange(2))
        }
        call = [draw.choice(("predict", "large", "soon", "_", None, 3)), words, named, draw.choice(_WORDS)]
        tree = draw.choice((call, call, call, words, named))
        buffers = [draw.randbytes(draw.choice((0, 1, 8, 32, 100))) for _ in range(draw.randrange(3))]
        self._send(draw.choice((CALL, CALL, CALLS, HELLO)), self._number(), json.dumps(tree).encode(), buffers)

    def _steer(self) -> None:
        draw = self._draw
        call = draw.randrange(max(1, self._calls) + 2)
        kind = draw.choice((CANCEL, CANCEL, CREDIT, CREDIT, CREDIT, RELEASE, FORGET, HELLO))
        header = (
            draw.choice((b"1", b"5", b"1000", b"1024", b"5", b"1000000000000", b"-1", b"")) if kind == CREDIT else b""
        )
        if kind == HELLO:
            names = [draw.choice(("pandas", "numpy.ma", "x" * 100, "")) for _ in range(draw.randrange(4))]
            header = json.dumps({"d": [["takes", names], ["sends", names]]}).encode()
        self._send(kind, call, header)

    def _lend(self) -> None:
        """Offer memory, refer to it, change it while it is read, and shrink it if that can be done."""
        draw = self._draw
        size = draw.choice((4096, 100_000, MIB))
        kind = draw.choice(("good", "good", "good", "good", "unsealed", "sparse", "pipe", "socket", "file", "nothing"))
        segment = draw.randrange(1, 9)
        descriptor = _descriptor(kind, size)
        try:
            self._pass([descriptor] * draw.choice((1, 1, 1, 1, 1, 1, 2, 16, 17)) if kind != "nothing" else [], segment)
            if kind == "good":
                self._memories.append(mmap.mmap(descriptor, size))
            for lease in range(draw.randrange(3)):
                rows = draw.choice((size // 8, size // 8, 1, 0, 10**9))
                sort = draw.choice(("<f8", "<i8"))
                header = json.dumps(["predict", [{"a": [sort, [rows, 1]]}], {}, None]).encode()
                self._send(CALL, self._number(), header, [(8 * rows, segment, lease)])
            self._change_memory()
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            if draw.random() < 0.2:
                _punch(descriptor, size)
        finally:
            os.close(descriptor)

    def _pass(self, descriptors: list[int], segment: int) -> None:
        claimed = self._draw.choice((1, 1, 1, 1, 1, 1, 0, 2))
        data = self._frame(SEGMENT, segment, passed=claimed)
        self._sock.sendmsg(
            [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(descriptors)}i", *descriptors))]
        )

    def _change_memory(self) -> None:
        for memory in self._memories:
            memory[:64] = self._draw.randbytes(64)

    def _mutate(self) -> None:
        """Send a frame in which some bytes are others."""
        draw = self._draw
        kind = draw.choice((CALL, CALL, *_KINDS))
        data = bytearray(self._frame(kind, self._number(), b'["predict",[{"a":["<f8",[1,2]]}],{},null]', [bytes(16)]))
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        self._push(bytes(data))

    def _claim(self) -> None:
        """Claim sizes, and counts."""
        draw = self._draw
        size, call, entries = (draw.choice(_NUMBERS) for _ in range(3))
        passed = draw.choice((0, 0, 1, 255))
        head = PREFIX.pack(MAGIC, draw.choice(_KINDS), passed, size % (1 << 32), call, entries % (1 << 32))
        self._push(head + ENTRY.pack(draw.choice(_NUMBERS), draw.choice((0, 0, 1)), 0) + b"[]")

    def _begin(self) -> None:
        """Send a MiB of a frame that does not come to its end."""
        if self._draw.random() < 0.3:
            self._sock.sendall(PREFIX.pack(MAGIC, CALL, 0, 16 * MIB, 1, 0) + bytes(MIB))

    def _park(self) -> None:
        """Send descriptors without the frame that they belong to."""
        reading, writing = os.pipe()
        try:
            number = self._draw.choice((1, 2, 16, 17))
            passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{number}i", *[reading] * number))
            self._sock.sendmsg([self._frame(CANCEL, 0)[: self._draw.choice((1, 2, 20))]], [passed])
        finally:
            os.close(reading)
            os.close(writing)

    def _noise(self) -> None:
        if self._draw.random() < 0.2:
            self._push(self._draw.randbytes(self._draw.randrange(1, 200)))

    def _close_half(self) -> None:
        if self._draw.random() < 0.2:
            self._sock.shutdown(self._draw.choice((socket.SHUT_RD, socket.SHUT_WR)))

    def _read(self) -> None:
        with contextlib.suppress(TimeoutError):
            for _ in range(self._draw.randrange(1, 20)):
                data, ancillary, _, _ = self._sock.recvmsg(1 << 16, 1024)
                for _, _, numbers in ancillary:
                    for (number,) in struct.iter_unpack("i", numbers[: len(numbers) // 4 * 4]):
                        os.close(number)
                if not data:
                    raise OSError("the runner closed the connection")


def _descriptor(kind: str, size: int) -> int:
    """Return a descriptor of a kind that a runner may take, or must not."""
    if kind == "pipe":
        reading, writing = os.pipe()
        os.close(writing)
        return reading
    if kind == "socket":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            return os.dup(sock.fileno())
    if kind == "file":
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return os.dup(file.fileno())
    descriptor = os.memfd_create("tiffin", os.MFD_ALLOW_SEALING)
    if kind == "sparse":
        os.ftruncate(descriptor, size)
    else:
        os.posix_fallocate(descriptor, 0, size)
    if kind != "unsealed":
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return descriptor


def _punch(descriptor: int, size: int) -> None:
    """Take pages out of a file, whose size stays."""
    import ctypes

    keep_size, punch_hole = 1, 2
    off = ctypes.c_long
    ctypes.CDLL(None).fallocate(descriptor, keep_size | punch_hole, off(0), off(size))


if __name__ == "__main__":
    sys.exit(main())
