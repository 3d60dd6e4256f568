"""Frames: whatever bytes arrive, in whatever pieces, the reader neither hangs nor believes them."""

from __future__ import annotations

import ast
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiffin.runners
from inside.wire import PREFIX, SMALL, FrameReader, frame_parts
from process_support import descriptors, like_ours
from tiffin.exceptions import FrameError
from tiffin.wire import (
    CALL,
    LIMITS,
    RESULT,
    Channel,
    Frame,
    Limits,
    decode_call,
    decode_value,
    encode_call,
    encode_value,
)


def read_all(data: bytes, reader: FrameReader | None = None, chunk: int = 1 << 16) -> list[Frame]:
    """Return the frames in `data`, which arrives in pieces of `chunk` bytes."""
    reader = reader or FrameReader()
    ours, theirs = socket.socketpair()
    frames: list[Frame] = []
    with ours, theirs:
        for start in range(0, len(data), chunk):
            theirs.sendall(data[start : start + chunk])
            ours.setblocking(False)
            while True:
                try:
                    frames += reader.receive(ours)
                except BlockingIOError:
                    break
    return frames


def as_bytes(*frames: tuple[int, int, bytes, list[object]]) -> bytes:
    return b"".join(bytes(part) for frame in frames for part in frame_parts(*frame))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([CALL, RESULT]),
            st.integers(0, 2**64 - 1),
            st.binary(max_size=200),
            st.lists(st.binary(max_size=300), max_size=4),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 400),
)
@settings(max_examples=150, deadline=None)
def test_frames_arrive_whole_however_the_stream_is_cut(frames, chunk):
    """Every frame comes out as it went in, in order, for any sizes of the pieces in which it arrives."""
    received = read_all(as_bytes(*frames), chunk=chunk)
    assert [(f.kind, f.call, f.header, [bytes(b) for b in f.buffers]) for f in received] == frames


@pytest.mark.parametrize("chunk", [1000, 65536, 100_000])
def test_large_buffers_and_headers_arrive_between_small_frames(chunk):
    """Frames larger than the reader's own buffer keep their place in the stream and their bytes."""
    large = np.random.default_rng(0).integers(0, 255, 300_000, dtype=np.uint8)
    many = [bytes([n % 256]) * 100 for n in range(3000)]
    frames = [
        (CALL, 1, b"{}", [b"ab"]),
        (CALL, 2, b"h" * 200_000, [large, b"", b"small", large]),
        (CALL, 3, b"", many),
        (RESULT, 4, b"end", []),
    ]
    received = read_all(as_bytes(*frames), chunk=chunk)
    assert [f.call for f in received] == [1, 2, 3, 4]
    assert len(received[1].header) == 200_000
    assert [bytes(b) for b in received[1].buffers] == [large.tobytes(), b"", b"small", large.tobytes()]
    assert [bytes(b) for b in received[2].buffers] == many


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_refused_or_awaited(data):
    """Bytes that nobody's Tiffin wrote raise FrameError or wait for more; nothing else happens."""
    try:
        frames = read_all(data)
    except FrameError:
        return
    assert len(frames) <= len(data) // PREFIX.size


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_frames_give_values_or_frame_errors(data):
    """Flipped, dropped and inserted bytes in good frames never raise anything but FrameError."""
    value = [np.arange(3.0), {"a": ("x" * 3, b"y", 1.5, None)}, np.float32(1), ["s" * 600, "t" * 600], 2**70]
    good = bytearray(as_bytes((CALL, 7, *encode_call("m", (value,), {"k": value}))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1))
        match data.draw(st.sampled_from(["flip", "drop", "insert"])):
            case "flip":
                good[place] ^= 1 << data.draw(st.integers(0, 7))
            case "drop":
                del good[place]
            case "insert":
                good.insert(place, data.draw(st.integers(0, 255)))
    # A flipped size may claim gigabytes: memory that is reserved, and never touched.
    with contextlib.suppress(FrameError):
        for frame in read_all(bytes(good), FrameReader(limits=Limits(total=1 << 30))):
            decode_call(frame.header, frame.buffers)


nodes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["s", "b", "f", "q", "t", "d", "c", "n", "a", "o", "S", "x", "z"]), inner, max_size=2
        )
        | st.builds(
            lambda dtype, shape: {"a": [dtype, shape]}, st.sampled_from(["<f8", "O", "<U4", "|V3"]) | inner, inner
        )
        | st.builds(lambda value: {"x": ["pandas.DataFrame", value]}, inner)
    ),
    max_leaves=12,
)


@given(nodes, st.lists(st.binary(max_size=24).map(bytearray), max_size=3))
@settings(max_examples=500, deadline=None)
def test_arbitrary_headers_give_values_or_frame_errors(node, buffers):
    """No tree of JSON, however odd, raises anything but FrameError, and none makes an array of objects from bytes."""
    import json

    header = json.dumps(node).encode()
    for decode in (decode_value, decode_call):
        with contextlib.suppress(FrameError):
            decode(header, list(buffers))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b'{"t":[' * 5000,
        b"\xff\xfe",
        b'{"a":["O",[1]]}',
        b'{"a":[{"fields":[["x","|O",0]],"size":8},[1]]}',
        b'{"a":["<f8",[-1]]}',
        b'{"a":["<f8",[1e9]]}',
        b'{"n":["<M8[s]","00"]}',
        b'{"x":["os.system","ls"]}',
        b"1" * 10_000,
    ],
)
def test_hostile_headers_are_refused(header):
    """Deep nesting, object dtypes, negative shapes and unknown forms are refused with FrameError."""
    with pytest.raises(FrameError):
        decode_value(header, [bytearray(8)])


@pytest.mark.parametrize(("header", "buffers"), [(LIMITS.header, 0), (10, LIMITS.buffers)])
def test_claimed_sizes_allocate_nothing(header, buffers):
    """A prefix that announces the largest frame there may be costs no memory until its bytes come."""
    reader = FrameReader()
    tracemalloc.start()
    try:
        assert read_all(PREFIX.pack(b"Tf", CALL, 0, header, 1, buffers) + b"x" * 50, reader) == []
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "prefix",
    [
        PREFIX.pack(b"Tf", CALL, 0, LIMITS.header + 1, 1, 0),
        PREFIX.pack(b"Tf", CALL, 0, 0, 1, LIMITS.buffers + 1),
        PREFIX.pack(b"Tf", CALL, 1, 0, 1, 0),
        PREFIX.pack(b"Tf", 99, 0, 0, 1, 0),
        PREFIX.pack(b"Xf", CALL, 0, 0, 1, 0),
        PREFIX.pack(b"Tf", CALL, 0, 0, 1, 1) + struct.pack("<QQQ", LIMITS.total + 1, 0, 0),
        PREFIX.pack(b"Tf", CALL, 0, 0, 1, 1) + struct.pack("<QQQ", 8, 5, 1),
    ],
)
def test_frames_beyond_the_limits_are_refused(prefix):
    """A frame over a limit, of unknown kind, or that refers to what has not come, is refused."""
    with pytest.raises(FrameError):
        read_all(prefix)


def test_passed_descriptors_do_not_pile_up():
    """A peer that passes descriptors without frames that want them is cut off, and they are closed."""
    ours, theirs = socket.socketpair()
    before = len(descriptors())
    channel = Channel(ours)
    frame = as_bytes((RESULT, 1, b"x" * 200, []))
    with theirs, Path(os.devnull).open() as file:
        for place in range(LIMITS.descriptors + 1):
            socket.send_fds(theirs, [frame[place : place + 1]], [file.fileno()])
        with pytest.raises(FrameError, match="descriptors"):
            channel.receive()
        channel.close()
    assert len(descriptors()) <= before


def test_a_closed_peer_is_an_end_of_file():
    """When the peer closes, reading raises EOFError, also in the middle of a frame."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(as_bytes((CALL, 1, b"{}", []))[:-1])
        theirs.close()
        reader = FrameReader()
        assert reader.receive(ours) == []
        with pytest.raises(EOFError):
            reader.receive(ours)


def test_what_reads_sockets_cannot_unpickle():
    """No module that handles what comes over a socket imports pickle, marshal or importlib, or calls eval or exec."""
    folder = Path(tiffin.__file__).parent
    files = [*folder.glob("wire/*.py"), *folder.glob("values/*.py"), *folder.glob("sharing/*.py")]
    assert len(files) > 15
    for file in files:
        name, tree = file.name, ast.parse(file.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if name == "_kind_registry.py":
            # It imports what a registered kind says of itself; a frame can only choose among the kinds that were offered.
            names -= {"importlib"}
        assert not names & {"pickle", "cloudpickle", "marshal", "shelve", "importlib", "dill"}, name
        assert not called & {"eval", "exec", "compile", "__import__"}, name


def test_pandas_is_imported_only_when_a_frame_arrives():
    """A process that exchanges arrays never pays for pandas."""
    code = (
        "import sys, numpy as np;"
        "from inside.values import _pandas_parts;"
        "from tiffin.wire import encode_value, decode_value;"
        "header, buffers = encode_value([np.zeros(2), 'a']);"
        "decode_value(header, [bytearray(b) for b in buffers]);"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=like_ours())


def test_a_small_array_needs_one_piece():
    """A call with a small array leaves in one piece, which one system call sends."""
    header, buffers = encode_call("predict", (np.zeros((1, 4)),), {})
    assert len(frame_parts(CALL, 1, header, buffers)) == 1
    header, buffers = encode_value(np.zeros(SMALL))
    assert len(frame_parts(RESULT, 1, header, buffers)) == 2
