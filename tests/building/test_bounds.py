"""Time and memory stay in proportion to the file, whatever it shares: nothing is walked again for each use of it."""

from __future__ import annotations

import pickle
import struct
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from operations import array, dtype, made, named, number, text, whole

from tiffin.building import Lists, Maker, core_lists, judge
from tiffin.inspection import Tape, Unfollowable, parse_pickle


class Listed:
    """A class that the tests' lists hold."""


@pytest.fixture
def lists() -> Lists:
    """Return lists with one class, and a maker that takes a name."""
    found = core_lists()
    found.add([f"{__name__}.Listed"])
    found.add(makers={f"{__name__}.taker": Maker(lambda arguments, state: 1, frozenset({f"{__name__}.taken"}))})
    return found


def steps(data: bytes, lists: Lists) -> int:
    """Return how many lines run while a stream is read, judged and built, or refused."""
    count = 0

    def line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return line

    tape = Tape()
    sys.settrace(line)
    try:
        parse_pickle(tape, memoryview(data))
        judge(tape, lists)
        made(data, lists)
    except Unfollowable:
        pass
    finally:
        sys.settrace(None)
    return count


def memo(index: int) -> bytes:
    """Return the operation that takes what was kept."""
    return b"j" + struct.pack("<I", index)


NAME = named("posix", "system")


def doubling(first: bytes, levels: int) -> bytes:
    """Return a tuple of twice a tuple of twice a tuple, and so on."""
    return first + b"\x94" + b"".join(memo(level) * 2 + b"\x86\x94" for level in range(levels))


SHARED = {
    "tuples of names, doubled": b"](" + doubling(NAME, 60) + b"e",
    "one tuple of names in many lists": b"(" + NAME + b"\x94" + b"h\x00" * 300 + b"t\x940"
    + b"](" + b"]h\x01a" * 300 + b"e",
    "one tuple of names as many calls' arguments": b"(" + NAME + b"\x94" + b"h\x00" * 300 + b"t\x940"
    + named(__name__, "taker") + b"\x940" + b"](" + b"h\x02h\x01R" * 300 + b"e",
    "one tuple of taken names as many calls' arguments": b"(" + named(__name__, "taken") + b"\x94" + b"h\x00" * 300
    + b"t\x940" + named(__name__, "taker") + b"\x940" + b"](" + b"h\x02h\x01R" * 300 + b"e",
    "one tuple of numbers as many calls' arguments": b"(" + b"K\x01" * 300 + b"t\x940"
    + named("builtins", "set") + b"\x940" + b"](" + b"h\x01h\x00R" * 300 + b"e",
    "one tuple of names as many states": b"(" + NAME + b"\x94" + b"h\x00" * 300 + b"t\x940"
    + named(__name__, "taker") + b"\x940" + b"](" + b"h\x02)Rh\x01b" * 300 + b"e",
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_what_is_shared_is_walked_once(name: str, lists: Lists) -> None:
    """Steps in proportion to the stream: a tuple that is named many times is not walked as often."""
    data = whole(SHARED[name])
    assert steps(data, lists) < 80 * len(data)


HASHED = {
    "the format of a view": named("tiffin.pickling", "restore_memoryview") + b"C\x01a%bK\x01\x85\x87R",
    "the order of axes": named("numpy._core.numeric", "_frombuffer") + b"(C\x01a" + dtype("u1")
    + b"K\x01K\x01\x86" + text("K") + b"%b%b\x86tR",
    "the factory of a default": named("collections", "defaultdict") + b"%b\x85R",
    "the name of a bit generator": named("numpy.random._pickle", "__bit_generator_ctor") + b"%b\x85R}b",
    "the unit of a date": named("numpy", "dtype") + text("M8") + b"\x89\x88\x87R(K\x04" + text("<")
    + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00N(%bK\x01K\x01K\x01t\x86tb",
    "a code of an array": named("numpy._core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\x00\x85%b\x87R",
    "a key": b"}%bNs",
    "an item of a set": b"\x8f(%b\x90",
    "the name of a global": b"%b%b\x93",
}  # fmt: skip


@pytest.mark.parametrize("name", HASHED)
def test_no_tuple_of_a_stranger_is_hashed_or_ordered(name: str) -> None:
    """The hash of a tuple that is doubled sixty times, or its comparison with another such, would never end."""
    count = HASHED[name].count(b"%b")
    # Each of them is made apart: what is the same object is equal at once.
    streams, at = [], 0
    for _ in range(count):
        stream = b"K\x01\x94"
        for level in range(60):
            stream += b"0" + memo(at + level) * 2 + b"\x86\x94"
        streams.append(stream)
        at += 61
    with pytest.raises(Unfollowable):
        made(whole(HASHED[name] % tuple(streams)))


def test_one_state_is_not_given_to_many(lists: Lists) -> None:
    """Ten thousand instances with one state of a thousand attributes would take as much memory as ten million attributes."""
    state = b"}(" + b"".join(text(f"a{number}") + b"N" for number in range(1000)) + b"u\x940"
    many = named(__name__, "Listed") + b"\x940](" + b"h\x01)\x81h\x00b" * 10_000 + b"e"
    tracemalloc.start()
    try:
        with pytest.raises(Unfollowable, match="one state"):
            made(whole(state + many), lists)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


def test_fields_of_dtypes_are_counted() -> None:
    """A record of sixty-four fields takes a hundred times the bytes that name it again."""
    from tiffin.inspection import InspectionLimits

    names = [f"f{number}" for number in range(64)]
    head = b"(" + b"".join(map(text, names)) + b"t\x940" + dtype("u1") + b"\x940"
    head += (
        b"}(" + b"".join(text(name) + b"h\x01K" + bytes([at]) + b"\x86" for at, name in enumerate(names)) + b"u\x940"
    )
    one = named("numpy", "dtype") + text("V64") + b"\x89\x88\x87R(K\x03" + text("|") + b"Nh\x00h\x02K\x40K\x01K\x10tb"
    assert made(whole(head + one)).names == tuple(names)
    assert len(made(whole(head + b"](" + one * 100 + b"e"))) == 100
    with pytest.raises(Unfollowable, match="fields"):
        parse_pickle(
            Tape(), memoryview(whole(head + b"](" + one * 100 + b"e")), limits=InspectionLimits(max_members=6000)
        )
    with pytest.raises(Unfollowable, match="more memory"):
        made(whole(head + b"](" + one * 1500 + b"e"))


LONG = 1 << (8 * 200_000)


@pytest.mark.parametrize(
    "operations",
    [
        named("builtins", "range") + b"K\x00" + number(LONG) + number(LONG >> 800_000) + b"\x87R",
        array(dtype("u1"), b"(" + number(LONG) + b"\x94" + (b"h\x00" * 31) + b"t", b"B\0\0\0\0"),
        named("datetime", "timedelta") + number(LONG) + b"\x85R",
    ],
    ids=["range", "shape", "timedelta"],
)
def test_no_maker_reckons_with_numbers_of_very_many_digits(operations: bytes) -> None:
    """To divide or multiply them takes far longer than to read them: some millions of digits, hours."""
    with pytest.raises(Unfollowable, match="of a number of more than 4096 bits"):
        made(whole(operations))


def test_arrays_of_objects_are_not_nested_deeply() -> None:
    """Numpy frees each within the other: of some ten thousand the program would end without a word."""
    objects = dtype("O8", b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3f")
    start = named("numpy._core.multiarray", "_reconstruct") + b"q\x00" + named("numpy", "ndarray")
    start += b"K\x00\x85C\x01b\x87q\x01" + objects + b"q\x02K\x01\x85q\x030000"

    def nested(levels: int) -> bytes:
        return whole(start + b"h\x00h\x01R(K\x01h\x03h\x02\x89]" * levels + b"N" + b"atb" * levels, 3)

    assert made(nested(3))[0][0][0] is None
    with pytest.raises(Unfollowable, match="more than 1000 arrays of arrays of objects"):
        made(nested(1200))


def test_a_fill_value_is_not_asked_for_its_text(lists: Lists) -> None:
    """Turned into an element of a text's array, an instance would run its class's code."""
    masked = np.ma.MaskedArray(np.array(["ab"]), [False])
    function, arguments, state = masked.__reduce__()
    fill = np.empty((), object)
    fill[()] = Listed()

    class Forged:
        def __reduce__(self) -> Any:
            return function, arguments, (*state[:6], fill)

    with pytest.raises(Unfollowable, match="it makes a masked array otherwise than numpy does"):
        made(pickle.dumps(Forged(), 4), lists)
    assert made(pickle.dumps(masked, 4), lists).tolist() == ["ab"]


def test_random_states_that_share_what_they_are_given_are_bounded() -> None:
    """Each takes some kilobytes, and time to be seeded, whatever few bytes ask for it."""
    state = {"bit_generator": "MT19937", "state": np.random.RandomState(0).get_state(legacy=False)["state"]}  # type: ignore[call-overload]

    class Forged:
        def __reduce__(self) -> Any:
            return np.random.RandomState(0).__reduce__()[0], (), {**state, "has_gauss": 0, "gauss": 0.0}

    assert len(made(pickle.dumps([Forged() for _ in range(10)], 4))) == 10
    with pytest.raises(Unfollowable, match="more memory than its bytes bear out"):
        made(pickle.dumps([Forged() for _ in range(2000)], 4))


@pytest.mark.parametrize("how", ["dict", "list, filled later", "instance"])
def test_what_many_instances_share_is_not_checked_for_each(lists: Lists, how: str) -> None:
    """Checks look through what an instance holds: a thousand that share one large part would each do it."""
    looked = 0

    def check(instance: Any) -> None:
        nonlocal looked
        looked += 1

    lists.add(checks={f"{__name__}.Listed": check})
    shared: Any = dict.fromkeys(range(100_000)) if how == "dict" else [0] * 100_000
    if how == "instance":
        shared, shared.part = Listed(), shared  # type: ignore[attr-defined]
    many = [Listed() for _ in range(2000)]
    for one in many:
        one.part = shared  # type: ignore[attr-defined]
    held = [many, shared]
    with pytest.raises(Unfollowable, match="it shares its parts so often"):
        made(pickle.dumps(held, 4), lists)
    assert looked == 0
    for one in many:
        one.part = [1] * 20  # type: ignore[attr-defined]
    many[0].part = many  # type: ignore[attr-defined]
    made(pickle.dumps(many, 4), lists)
    assert looked == 2000


@pytest.mark.parametrize("how", ["list", "tuple"])
def test_what_one_instance_holds_again_and_again_is_not_checked(lists: Lists, how: str) -> None:
    """One check alone may look through each of a hundred thousand parts, and all of them may be one large array."""
    looked = []
    lists.add(checks={f"{__name__}.Listed": looked.append})
    large, one = np.zeros(100_000), Listed()
    many = [large] * 20_000
    one.parts = tuple(many) if how == "tuple" else many  # type: ignore[attr-defined]
    with pytest.raises(Unfollowable, match="it shares its parts so often"):
        made(pickle.dumps(one, 4), lists)
    assert looked == []
    one.parts = [large] * 100  # type: ignore[attr-defined]
    assert len(made(pickle.dumps(one, 4), lists).parts) == 100
    assert len(looked) == 1


@pytest.mark.parametrize("shape", [(0, 1 << 40), (1 << 40, 0), (0, 1 << 20, 1 << 20), (1 << 46, 0)])
@pytest.mark.parametrize("kind", [object, float])
def test_an_array_without_elements_takes_no_time_for_its_other_axes(shape: tuple[int, ...], kind: type) -> None:
    """To count through the places of one whose other axis is a million millions long would take for ever."""
    given = np.empty(shape, kind)
    assert made(pickle.dumps(given, 4)).shape == shape
