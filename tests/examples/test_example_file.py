"""The file of examples: what is written is read, and nothing else is; a stranger's does no harm."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiffin.examples import Example, Packed, Recording, check_file, compare, pack, read_file, unpack, unpack_inert
from tiffin.exceptions import ExamplesError
from tiffin.info import MAX_EXAMPLES

MAGIC = b"tiffin examples 1\n"


def sealed(table: Any, rest: bytes = b"") -> bytes:
    """Return a file with this table, whose checksum is right."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    body = struct.pack("<I", len(text)) + text + rest
    return MAGIC + hashlib.sha256(body).digest() + body


@pytest.fixture
def data() -> bytes:
    """Return a file with two answers to one input."""
    arguments = pack([[np.arange(6.0).reshape(2, 3)], {"shift": 1.5}], "x")
    answers = [pack(np.array([[1, 2]]), "y"), pack({"a": "text" * 1000}, "z")]
    return Recording([Example(f"m{n}", arguments, one) for n, one in enumerate(answers)], {"device": "cpu"}).to_bytes()


def test_what_is_written_is_read_again(data: bytes) -> None:
    """Values, methods and circumstances; an input of several methods is there once, and aligned in memory."""
    recording = read_file(data, "it")
    assert [example.method for example in recording.examples] == ["m0", "m1"]
    assert recording.examples[0].arguments is recording.examples[1].arguments
    (rows,), kwargs = unpack(recording.examples[0].arguments)
    assert np.array_equal(rows, np.arange(6.0).reshape(2, 3))
    assert rows.flags.writeable
    assert rows.flags.aligned
    assert kwargs == {"shift": 1.5}
    assert unpack_inert(recording.examples[1].answer) == {"a": "text" * 1000}
    assert recording.made == {"device": "cpu"}


def test_every_flipped_byte_and_every_cut_is_found(data: bytes) -> None:
    """A disk's fault must not look like a change of the model's answers."""
    for at in range(len(data)):
        with pytest.raises(ExamplesError, match="cannot be read as examples"):
            check_file(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "it")
        with pytest.raises(ExamplesError):
            check_file(data[:at], "it")
    with pytest.raises(ExamplesError):
        check_file(data + b"\0", "it")


ROW = {"method": "m", "input": 0, "answer": [2, [], []]}
GOOD = {"made": {}, "inputs": [[2, [], []]], "examples": [ROW]}


@pytest.mark.parametrize(
    "table",
    [
        b"[" * 100_000,
        [],
        {"inputs": [], "examples": []},
        {**GOOD, "examples": []},
        {**GOOD, "examples": [ROW] * 1001},
        {**GOOD, "made": {"device": 1}},
        {**GOOD, "made": {"x": "y" * 2000}},
        {**GOOD, "inputs": [[1 << 60, [], []]]},
        {**GOOD, "inputs": [[-1, [], []]]},
        {**GOOD, "inputs": [[2, [0] * 5000, []]]},
        {**GOOD, "inputs": [[2, [], ["k"] * 5000]]},
        {**GOOD, "inputs": [[2, [], [1]]]},
        {**GOOD, "examples": [{**ROW, "input": 1}]},
        {**GOOD, "examples": [{**ROW, "input": -1}]},
        {**GOOD, "examples": [{**ROW, "method": None}]},
        {**GOOD, "examples": [{**ROW, "answer": [True, [], []]}]},
    ],
    ids=range(16),
)
def test_a_table_that_is_not_in_order_is_refused(table: Any) -> None:
    """Whatever it claims, nothing of that size is made."""
    assert check_file(sealed(GOOD, b"1212"), "it") is None
    with pytest.raises(ExamplesError):
        check_file(sealed(table, b"1212"), "it")


def test_what_is_too_large_is_neither_written_nor_read() -> None:
    """The limit holds for the whole file."""
    arguments = pack([[np.zeros(MAX_EXAMPLES // 8)], {}], "x")
    with pytest.raises(ExamplesError, match=rf"the most that is kept of one model is {MAX_EXAMPLES}"):
        Recording([Example("m", arguments, pack(1, "y"))]).to_bytes()
    with pytest.raises(ExamplesError, match="bytes; between"):
        check_file(sealed(GOOD, bytes(MAX_EXAMPLES)), "it")


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":["<f8",[1000000000,1000000000]]}',
        b'{"a":["O",[1]]}',
        b'{"x":["os.system",["id"]]}',
        b'{"x":["builtins.object",[]]}',
        b'{"n":["<f8","00"]}',
        b"[" * 5000,
        b'{"?":1}',
        b"nothing",
        b"\xff",
    ],
)
def test_a_value_that_is_not_in_order_makes_nothing(header: bytes) -> None:
    """No memory is reserved for what is claimed, no name is looked up, and nothing is imported."""
    tracemalloc.start()
    try:
        with pytest.raises(ExamplesError):
            unpack(Packed(header, [b"12345678"], []))
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_a_kind_that_nothing_here_knows_is_told() -> None:
    """Its name is only compared with those that are registered."""
    with pytest.raises(ExamplesError, match=r"of the kind 'subprocess\.Popen', which nothing here knows"):
        unpack(Packed(b'{"x":["subprocess.Popen",[["id"]]]}', [], ["subprocess.Popen"]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=40))
def test_random_headers_end_in_an_error_of_tiffins_or_a_value(header: bytes, buffer: bytes) -> None:
    """No other error comes out, so that whoever reads a stranger's file need expect no other."""
    with contextlib.suppress(ExamplesError):
        value = unpack_inert(Packed(header, [buffer], []))
        assert compare(value, value).verdict == "equal"
