"""What a stranger's stream must not do is refused: nothing is called, and memory and time stay in proportion to the file."""

# ruff: noqa: E501 - a stream reads better on one line

from __future__ import annotations

import pickle
import struct
import sys
from typing import Any

import numpy as np
import pytest
from operations import array, dtype, made, named, number, text, whole

from tiffin.building import Lists, core_lists
from tiffin.inspection import Tape, Unfollowable, parse_pickle


class Listed:
    """A class that the tests' lists hold."""

    default = 3
    called: list[Any] = []  # noqa: RUF012 - what ran, for all instances

    def __setstate__(self, state: Any) -> None:
        self.called.append(state)

    def __init__(self, default: int = 3) -> None:
        self.called.append("init")

    @property
    def computed(self) -> int:
        return 1

    def predict(self) -> None:
        """Do nothing."""

    def __eq__(self, other: object) -> bool:
        self.called.append("eq")
        return True

    def __hash__(self) -> int:
        self.called.append("hash")
        return 1


KIND = (Listed.__module__, "Listed")


@pytest.fixture
def lists() -> Lists:
    """Return lists with one class and one function."""
    Listed.called.clear()
    found = core_lists()
    found.add([".".join(KIND)], ["operator.add"])
    return found


NEW = named(*KIND) + b")\x81"
ONE = array(dtype("u1"), b"K\x01\x85", b"C\x01a")

CALLS = {
    "a state that shadows a method": NEW + b"}" + text("predict") + named("operator", "add") + b"sb",
    "a state that shadows a property": NEW + b"}" + text("computed") + b"K\x01sb",
    "a state that shadows a plain value by a function": NEW + b"}" + text("default") + named("operator", "add") + b"sb",
    "__new__ in a state": NEW + b"}" + text("__new__") + named("operator", "add") + b"sb",
    "__setstate__ in a state": NEW + b"}" + text("__setstate__") + named("operator", "add") + b"sb",
    "__class__ in a state": NEW + b"}" + text("__class__") + named("operator", "add") + b"sb",
    "__array_interface__ in a state": NEW + b"}" + text("__array_interface__") + b"}sb",
    "a key that is no text": NEW + b"}K\x01K\x01sb",
    "a key that is no name": NEW + b"}" + text("a b") + b"K\x01sb",
    "a state that is no dict": NEW + b"K\x01b",
    "a state of two parts": NEW + b"N}" + text("a") + b"K\x01s\x86b",
    "a state set twice": NEW + b"}" + text("a") + b"K\x01sb}" + text("b") + b"K\x01sb",
    "a state of what was built by another": b"]" + NEW + b"a}b",
    "arguments for a new instance": named(*KIND) + b"K\x01\x85\x81",
    "a listed class that is called": named(*KIND) + b")R",
    "an attribute that hides a method of an ordered dict": named("collections", "OrderedDict") + b")R}" + text("items")
    + b"K\x01sb",
    "a listed class as a value": named(*KIND),
    "a class that is changed": named(*KIND) + b"}" + text("predict") + b"K\x01sb",
    "a listed function that is called": named("operator", "add") + b"K\x01K\x02\x86R",
    "what was made that is called": NEW + b")R",
    "what was computed that is called": b"K\x01)R",
    "an instance as a key": b"}" + NEW + b"K\x01s",
    "an instance in a set": b"\x8f(" + NEW + b"\x90",
    "an instance in a tuple as a key": b"}" + NEW + b"\x85K\x01s",
    "items of an instance": NEW + b"K\x01K\x01s",
    "appending to an instance": NEW + b"K\x01a",
    "_reconstructor of an instance": named("copyreg", "_reconstructor") + named(*KIND) + NEW + b"N\x87R",
    "_reconstructor of a class": named("copyreg", "_reconstructor") + named(*KIND) + named("builtins", "object") + b"N\x87R",
    "keywords for a new instance": named(*KIND) + b")}\x92",
    "a scalar of objects": named("numpy._core.multiarray", "scalar") + dtype("O8", b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3f")
    + NEW + b"\x86R",
    "a generator of a class": named("numpy.random._pickle", "__generator_ctor") + named(*KIND) + b"\x85R",
    "a generator of a function": named("numpy.random._pickle", "__generator_ctor") + text("MT19937") + named("operator", "add")
    + b"\x86R",
    "a bit generator of another module": named("numpy.random._pickle", "__bit_generator_ctor") + text("Generator") + b"\x85R}b",
    "a path": named("pathlib", "PosixPath") + text("/") + b"\x85R",
    "getattr": named("builtins", "getattr") + NEW + text("predict") + b"\x86R",
    "map": named("builtins", "map") + b")R",
    "partial": named("functools", "partial") + named("operator", "add") + b"\x85R",
    "an attrgetter": named("operator", "attrgetter") + text("a") + b"\x85R",
    "a defaultdict of a function": named("collections", "defaultdict") + named("operator", "add") + b"\x85R",
    "a name of Python 2": named("__builtin__", "eval") + text("1") + b"\x85R",
    "a dotted name": text("operator") + text("add.__call__") + b"\x93",
    "a name that is computed": named("builtins", "bytes") + b")R" + text("x") + b"\x93",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_a_file_chose_is_called(name: str, lists: Lists) -> None:
    """Refused, and no function of the class ran."""
    with pytest.raises(Unfollowable):
        made(whole(CALLS[name], 2 if "Python 2" in name else 4), lists)
    assert not Listed.called


MINUS = b"J\xff\xff\xff\xff"
MEMORY = {
    "bytearray of a number": named("builtins", "bytearray") + number(1 << 29) + b"\x85R",
    "bytes of a number": named("builtins", "bytes") + number(1 << 29) + b"\x85R",
    "a list of a range": named("builtins", "list") + named("builtins", "range") + b"K\x00" + number(1 << 29) + b"K\x01\x87R\x85R",
    "a tuple of a range": named("builtins", "tuple") + named("builtins", "range") + b"K\x00J\0\0\0\x20K\x01\x87R\x85R",
    "an array beyond its bytes": array(dtype("u1"), number(1 << 40) + b"\x85", b"C\x01a"),
    "an array of no size": array(dtype("V0", b"NNNK\x00K\x01K\x00"), number(1 << 40) + b"\x85", b"C\x00"),
    "an array with an impossible empty shape": array(dtype("u1"), b"K\x00" + number(1 << 62) + b"\x86", b"C\x00"),
    "an array of objects beyond its list": array(
        dtype("O8", b"NNN" + MINUS + MINUS + b"K\x3f"), number(1 << 40) + b"\x85", b"]"
    ),
    "a memo index that no writer uses": b"Nr" + struct.pack("<I", 1 << 30),
    "a seed of a million bits": named("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence")
    + named("numpy.random.bit_generator", "SeedSequence") + b"K\x00N\x87R(" + number(1 << 1_000_000) + b"K\x00NK\x04)tb",
    "a number of too many digits": named("decimal", "Decimal") + text("1" * 20_000) + b"\x85R",
    "a view of more than there is": named("tiffin.pickling", "restore_memoryview") + b"C\x01a" + text("B")
    + number(1 << 40) + b"\x85\x87R",
    "texts beyond the end": b"X\xff\xff\xff\x7fa", "bytes beyond the end": b"\x8e" + b"\xff" * 7 + b"\x7fa",
    "a frame beyond the end": b"\x95" + b"\xff" * 7 + b"\x7fN",
    "one text copied again and again": text("a" * 100_000) + b"\x94" + (
        b"0" + named("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R"
    ) * 2000,
    "one array copied again and again": array(dtype("u1"), number(100_000) + b"\x85", b"B" + struct.pack("<I", 100_000) + b"a" * 100_000)
    + b"0C\x00\x94" + b"B" + struct.pack("<I", 100_000) + b"b" * 100_000 + b"\x94" + b"".join(
        array(dtype("u1"), number(100_000) + b"\x85", b"h\x01") + b"0" for _ in range(2000)
    ) + b"0N",
    "one list made a set again and again": b"](" + b"".join(number(n) for n in range(2000)) + b"e\x94" + (
        b"0" + named("builtins", "set") + b"h\x00\x85R"
    ) * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("name", MEMORY)
def test_memory_stays_in_proportion_to_the_file(name: str) -> None:
    """What asks for more than its bytes bear out is refused before it is made."""
    import tracemalloc

    data = whole(MEMORY[name])
    core_lists()
    tracemalloc.start()
    try:
        with pytest.raises(Unfollowable):
            made(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(data) + (64 << 20)


def test_keys_that_collide_are_few() -> None:
    """Keys whose hashes a file can choose may be ten thousand, and tuples as keys are flat and short."""
    colliding = b"".join(number(n * ((1 << 61) - 1)) + b"N" for n in range(1, 10_002))
    with pytest.raises(Unfollowable, match="hashes"):
        made(whole(b"}(" + colliding + b"u"))
    deep = b")" + b"\x85" * 100_000
    with pytest.raises(Unfollowable, match="key"):
        made(whole(b"}" + deep + b"Ns"))
    for container in (b"\x8f(%b\x90", b"(%b\x91", b"](%be"):
        stream = container % deep
        if container.startswith(b"]"):
            stream = named("builtins", "set") + stream + b"\x85R"
        with pytest.raises(Unfollowable, match="key"):
            made(whole(stream))


def test_a_number_that_is_a_key_is_short() -> None:
    """The hash of a number of a million digits is computed anew for each dict that it is a key of."""
    big = number(1 << 100_000) + b"\x94"
    with pytest.raises(Unfollowable, match="key"):
        made(whole(b"}" + big + b"Ns"))
    with pytest.raises(Unfollowable, match="key"):
        made(whole(b"}" + big + b"\x85Ns"))


def test_shared_tuples_are_walked_once() -> None:
    """Tuples within tuples, each named sixteen times, take as many steps as the file has operations."""
    operations = b"(" + b"K\x01" * 16 + b"t\x940"
    for level in range(200):
        operations += b"(" + bytes([0x68, level]) * 16 + b"t\x940"
    steps = 0

    def count(frame: Any, event: str, argument: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return count

    data = whole(operations + b"]h\xc8a")
    lists = core_lists()
    sys.settrace(count)
    try:
        made(data, lists)
    finally:
        sys.settrace(None)
    assert steps < 20 * len(data)


READ_OTHERWISE = {
    "an argument that crosses its frame's end": b"\x95" + struct.pack("<Q", 3) + b"X\x02\x00\x00\x00ab0N",
    "a frame within a frame": b"\x95" + struct.pack("<Q", 20) + b"\x95" + struct.pack("<Q", 1) + b"N" + b"N0" * 5,
    "an end within a frame": b"\x95" + struct.pack("<Q", 2) + b"N.N",
    "a number as text": b"I011\n", "a long number as text": b"L11L\n", "a truth as text": b"I01\n", "a float as text": b"F1\n",
    "a text with escapes": b"Va\n", "a quoted text": b"S'a'\n", "DUP": b"N2\x86", "a memo of text": b"Np0\n", "INST": b"(ia\nb\n",
    "OBJ": b"(ca\nb\no", "LIST": b"(l", "DICT": b"(d", "a second protocol": b"\x80\x02N", "a persistent id": b"NQ",
    "an extension": b"\x82\x01", "8-bit strings": b"U\x01a", "a surrogate": text("\ud800"), "a memo index again": b"Nq\x00q\x00",
    "a memo with a gap": b"Nq\x05", "a group on nothing": b"(K\x01", "two values": b"NN", "nothing": b"", "POP of a group": b"(0N",
    "a value from below a group": b"N(\x85", "a state of nothing": b"]Nb", "a set as a list": b"\x8fNa",
}  # fmt: skip


@pytest.mark.parametrize("name", READ_OTHERWISE)
def test_what_readers_might_take_otherwise_is_refused(name: str) -> None:
    """Only what writers write, in the one way that all readers share."""
    with pytest.raises(Unfollowable):
        made(whole(READ_OTHERWISE[name]))


@pytest.mark.parametrize(
    "data", [b"N.", b"\x80\x00N.", b"\x80\x01N.", b"\x80\x06N.", b"(lp0\n.", pickle.dumps([1], 0), b""]
)
def test_old_protocols_are_named_and_never_built(data: bytes) -> None:
    """Protocols 0 and 1 write numbers and texts in ways that readers do not share."""
    with pytest.raises(Unfollowable, match=r"protocol|empty"):
        parse_pickle(Tape(), memoryview(data))


def test_what_follows_the_end_is_refused() -> None:
    """A second pickle, or a byte."""
    for tail in (b"N.", b"\0", whole(b"N")):
        with pytest.raises(Unfollowable, match="behind its end"):
            made(whole(b"N") + tail)


DTYPES = {
    "objects that say they are none": dtype("O8"),
    "numbers that say they are objects": dtype("i8", b"NNN" + MINUS + MINUS + b"K\x3f"),
    "another size": dtype("i8", b"NNNK\x04" + MINUS + b"K\x00"),
    "an unknown code": dtype("T8"), "a size that is none": dtype("i3"), "subarrays": dtype("V8", b"N" + b"K\x01" + b"NK\x08K\x01K\x00"),
    "changed twice": dtype("i8") + b"(K\x03" + text("|") + b"NNN" + MINUS + MINUS + b"K\x00tb",
    "made by NEWOBJ": named("numpy", "dtype") + text("i8") + b"\x89\x88\x87\x81",
    "fields of objects": dtype("V8", b"N" + text("a") + b"\x85}" + text("a") + dtype("O8", b"NNN" + MINUS + MINUS + b"K\x3f")
                               + b"K\x00\x86sK\x08K\x01K\x00"),
    "fields outside": dtype("V8", b"N" + text("a") + b"\x85}" + text("a") + dtype("i8") + b"K\x01\x86sK\x08K\x01K\x00"),
    "fields of fields": dtype("V8", b"N" + text("a") + b"\x85}" + text("a")
                              + dtype("V8", b"N" + text("a") + b"\x85}" + text("a") + dtype("i8") + b"K\x00\x86sK\x08K\x01K\x00")
                              + b"K\x00\x86sK\x08K\x01K\x00"),
    "numpy.dtype as a value": b"]" + named("numpy", "dtype") + b"a",
    "numpy.ndarray as a value": b"]" + named("numpy", "ndarray") + b"a",
    "numpy.ndarray called": named("numpy", "ndarray") + b"K\x01\x85\x85R",
    "a dtype in use before its state": b"]" + named("numpy", "dtype") + text("V8") + b"\x89\x88\x87R\x94a0N",
}  # fmt: skip


@pytest.mark.parametrize("name", DTYPES)
def test_a_dtype_is_exactly_what_numpy_writes(name: str) -> None:
    """Anything else could make numpy read memory."""
    with pytest.raises(Unfollowable):
        made(whole(DTYPES[name]))


def test_a_buffer_belongs_to_one_array() -> None:
    """Two arrays over one buffer would change with each other."""
    both = np.arange(4.0)
    buffers: list[Any] = []
    data = pickle.dumps([both, both + 1], 5, buffer_callback=buffers.append)
    views = [memoryview(bytearray(buffer.raw())) for buffer in buffers]
    assert [one.tolist() for one in made(data, buffers=views)] == [[0, 1, 2, 3], [1, 2, 3, 4]]
    with pytest.raises(Unfollowable):
        made(data, buffers=views[:1])
    twice = whole(b"\x97\x94" + b"".join(
        b"0" * (n > 0) + named("numpy._core.numeric", "_frombuffer") + b"(h\x00" + dtype("u1") + b"K\x20\x85" + text("C") + b"tR"
        for n in range(2)
    ), 5)  # fmt: skip
    with pytest.raises(Unfollowable):
        made(twice, buffers=views[:1])


def test_the_samples_would_run_if_they_were_unpickled() -> None:
    """The streams are whole: an unpickler does what the builder refuses."""
    assert pickle.loads(whole(MEMORY["bytearray of a number"].replace(number(1 << 29), number(5)))) == bytearray(5)
    assert pickle.loads(whole(CALLS["getattr"]))() is None


def test_plain_attributes_are_set_and_nothing_is_called(lists: Lists) -> None:
    """An allowed instance is made without its __init__ and __setstate__; a plain value may stand before a plain default."""
    stream = NEW + b"}(" + text("a") + ONE + text("default") + b"K\x07" + text("f") + named("operator", "add") + b"ub"
    built = made(whole(stream), lists)
    assert type(built) is Listed
    assert (built.a.tolist(), built.default, built.f(1, 2)) == ([97], 7, 3)
    assert not Listed.called
