"""What is built is what the file's own reader would make: honest values of all kinds, and streams that readers refuse."""

# ruff: noqa: E501 - a stream reads better on one line

from __future__ import annotations

import collections
import datetime
import decimal
import io
import pickle
import uuid
import zlib
from typing import Any

import numpy as np
import pytest
from operations import array, dtype, made, named, number, text, whole

from same_object import difference
from tiffin.building import Lists, core_lists
from tiffin.inspection import Tape, Unfollowable, read_npy

BIG = np.dtype([("a", ">i4"), ("b", "<f8")])
ARRAYS = [
    np.arange(3.0), np.arange(3, dtype=">f8"), np.array(["a", "bc"], ">U2"), np.array([(1, 2.0)], BIG),
    np.array([(1, 2.0)], [("a", ">i4"), ("b", ">f8")]), np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-01"], ">M8[s]"),
    np.array([3], "m8"), np.zeros((2, 3), order="F"), np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2), np.zeros(3)[::2],
    np.array([[1, None], ["x", 3.5]], object), np.asfortranarray(np.array([[1, None], ["x", 3.5]], object)),
    np.array([[[1, 2]], [[3, None]]], object).transpose(2, 0, 1), np.zeros((0, 2), object), np.array(None, object),
    np.zeros(0), np.zeros((3, 0)), np.array([], "S0"), np.array(["", ""], "U"), np.array(5), np.array([True]),
    np.frombuffer(b"12345678", "f8"), np.frombuffer(b"", "f8"), np.zeros((2, 3), order="F")[:, :0], np.array([b"a\0", b"b"]),
    np.ma.MaskedArray([1, 2], [0, 1]), np.ma.MaskedArray(np.arange(4.0).reshape(2, 2), [[0, 1], [1, 0]]).T,
    np.ma.MaskedArray([1, None], [0, 1], dtype=object), np.ma.MaskedArray([1.0, 2], fill_value=7),
]  # fmt: skip
SCALARS = [
    np.float64(3), np.str_("a"), np.bytes_(b""), np.str_(""), np.datetime64("2020-01-01"), np.timedelta64(3, "s"),
    np.longdouble(3), np.complex64(1j), np.bool_(True), np.datetime64("NaT"), np.dtype("f8"), np.dtype(BIG), np.dtype("M8"),
    np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"]}, align=True),
]  # fmt: skip
RANDOM = [
    np.random.RandomState(3), np.random.RandomState(np.random.MT19937(4)), np.random.default_rng(2),
    np.random.Generator(np.random.MT19937(3)), np.random.Philox(3), np.random.SFC64(1), np.random.PCG64DXSM(1),
]  # fmt: skip
PLAIN = [
    None, True, -(1 << 70), 1.5, float("nan"), -0.0, "é", b"ab", bytearray(b"ab"), bytearray(), b"", 3j, slice(1, None, 2), range(4),
    {1: 2, (1, "a"): 3.5}, {1, 2}, frozenset({3}), [[]], ((),), collections.OrderedDict(a=1), collections.Counter("aab"),
    collections.defaultdict(list, a=[1]), collections.deque([1, 2], 3), datetime.date(2020, 1, 2), datetime.timedelta(3, 4, 5),
    datetime.datetime(2020, 1, 2, 3, 4, 5, 6, datetime.UTC, fold=1), datetime.time(1, 2, 3, 4, fold=1),
    datetime.timezone(datetime.timedelta(hours=1), "x"), decimal.Decimal("1.50"), uuid.UUID(int=5), Ellipsis, NotImplemented, int,
]  # fmt: skip
VALUES = ARRAYS + SCALARS + RANDOM + PLAIN


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, bit by bit, writable alike, and of the same types within."""
    if isinstance(
        one, (bytearray, range, datetime.date, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal)
    ):
        return type(one) is type(other) and repr(one) == repr(other)
    return not difference(one, other)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_built_is_what_pickle_makes(value: Any, protocol: int) -> None:
    """Of each kind of value that core makes, in each protocol."""
    data = pickle.dumps(value, protocol)
    assert is_same(made(data), pickle.loads(data))


@pytest.mark.parametrize("protocol", [2, 5])
def test_an_ordered_dict_keeps_its_attributes(protocol: int) -> None:
    """Weights of modules have their versions there."""
    value = collections.OrderedDict(a=1)
    value._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]
    built = made(pickle.dumps(value, protocol))
    assert (built, vars(built)) == (value, vars(value))


@pytest.mark.parametrize("compressed", [0, 3])
@pytest.mark.parametrize(
    "value", [value for value in ARRAYS if type(value) is np.ndarray], ids=lambda value: f"{value.dtype}"[:40]
)
def test_what_is_built_is_what_joblib_makes(value: Any, compressed: int) -> None:
    """Arrays that stand raw in the file get this machine's byte order, as joblib does it, and lie where compiled code can use them."""
    joblib = pytest.importorskip("joblib")
    file = io.BytesIO()
    joblib.dump([value, "between", value], file, compress=compressed)
    data = file.getvalue()
    loaded = joblib.load(io.BytesIO(data))
    found = made(bytearray(zlib.decompress(data) if compressed else data), joblib=True)
    assert is_same(found, loaded)
    assert found[0].flags.aligned


def test_an_array_that_lies_askew_is_copied() -> None:
    """Old files of joblib's do not align their arrays, and compiled code may rely on it."""
    joblib = pytest.importorskip("joblib")
    from joblib import numpy_pickle

    for before in range(8):
        file = io.BytesIO()
        value = [b"x" * before, np.arange(5.0)]
        pickler = numpy_pickle.NumpyPickler(file)
        wrap = pickler._create_array_wrapper

        def without_padding(array: Any, wrap: Any = wrap) -> Any:
            wrapper = wrap(array)
            del wrapper.numpy_array_alignment_bytes
            return wrapper

        pickler._create_array_wrapper = without_padding
        pickler.dump(value)
        found = made(bytearray(file.getvalue()), joblib=True)
        assert found[1].flags.aligned
        assert is_same(found, joblib.load(io.BytesIO(file.getvalue())))


def test_an_array_of_numpys_own_files_keeps_its_byte_order() -> None:
    """As numpy and skops read it."""
    from tiffin.building import build

    file = io.BytesIO()
    np.save(file, np.arange(3, dtype=">f8"))
    tape = Tape()
    tape.result = read_npy(tape, memoryview(bytearray(file.getvalue())))
    assert build(tape, core_lists()).dtype.str == ">f8"


class Plain:
    """A class that the tests' lists hold."""


@pytest.fixture
def lists() -> Lists:
    """Return lists with one class."""
    found = core_lists()
    found.add([f"{__name__}.Plain"])
    return found


NEW = named(__name__, "Plain") + b")\x81"
MINUS = b"J\xff\xff\xff\xff"
SCALAR = named("numpy._core.multiarray", "scalar")
F8 = dtype("f8", order="<")
REFUSED = {
    # a call where writers make a new instance, and the other way round: of a set, readers would make an empty one
    "a new set": named("builtins", "set") + b"](K\x01K\x02e\x85\x81",
    "a new date": named("datetime", "date") + b"C\x04\x07\xe4\x01\x02\x85\x81",
    "a new scalar": SCALAR + F8 + b"C\x08" + b"\0" * 8 + b"\x86\x81",
    "a new random state": named("numpy.random._pickle", "__randomstate_ctor") + b")\x81",
    "a called UUID": named("uuid", "UUID") + b")R}" + text("int") + b"K\x05sb",
    "a called sparse matrix": named("scipy.sparse._csr", "csr_matrix") + b")R}b",
    "a new scalar with keywords": SCALAR + F8 + b"C\x08" + b"\0" * 8 + b"\x86}\x92",
    "a new set with keywords": named("builtins", "set") + b"]\x85}\x92",
    "arguments that look like keywords": SCALAR + F8 + b"C\x08" + b"\0" * 8 + b"\x92",
    # states
    "one state of two instances": b"](" + NEW + b"}" + text("a") + b"K\x01s\x94b" + NEW + b"h\x00be",
    "a state that is a value, too": NEW + b"}\x94" + text("a") + b"K\x01sbh\x00\x86",
    "a state that is a value before": b"}\x94" + text("a") + b"K\x01s" + NEW + b"h\x00b\x86",
    "a state that is in a tuple": NEW + b"}\x94" + text("a") + b"K\x01sbh\x00\x85\x86",
    "a state that holds itself": NEW + b"}\x94" + text("a") + b"h\x00sb",
    "a state that is changed later": NEW + b"}\x94" + text("a") + b"K\x01sb0h\x00" + text("b") + b"K\x02s",
    "a state that is a key's value": NEW + b"}\x94b0}K\x01h\x00s",
    "the state of an array's wrapper as a state": b"}\x94" + NEW + b"h\x00b0" + named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81h\x00b",
    # dtypes
    "dates without a unit": dtype("m8", order="<"),
    "dates of a version without units": named("numpy", "dtype") + text("M8") + b"\x89\x88\x87R(K\x03" + text("<") + b"NNN" + MINUS * 2 + b"K\x00N(C\x01DK\x01K\x01K\x01t\x86tb",
    "numbers with a unit": named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R(K\x04" + text("<") + b"NNN" + MINUS * 2 + b"K\x00N(C\x01DK\x01K\x01K\x01t\x86tb",
    "a dtype with metadata": named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R(K\x04" + text("<") + b"NNN" + MINUS * 2 + b"K\x00}tb",
    "another size than it says": dtype("U4", b"NNNK\x08K\x04K\x08", "<"),
    "another alignment": dtype("S4", b"NNNK\x04K\x08K\x00"), "no alignment": dtype("S4", b"NNNK\x04K\x00K\x00"),
    "a number with an alignment": dtype("f8", b"NNN" + MINUS + b"K\x01K\x00", "<"),
    "a dtype that is aligned": named("numpy", "dtype") + text("f8") + b"\x88\x88\x87R(K\x03" + text("<") + b"NNN" + MINUS * 2 + b"K\x00tb",
    "a native order": dtype("f8", order="="),
    # arrays
    "a buffer in no order": named("numpy._core.numeric", "_frombuffer") + b"(C\x08" + b"\0" * 8 + F8 + b"K\x01\x85" + text("K") + b"tR",
    "bytes that can be changed": array(F8, b"K\x01\x85", b"\x96\x08\0\0\0\0\0\0\0" + b"\0" * 8),
    "a class that is two texts": named("numpy._core.multiarray", "_reconstruct") + text("numpy") + text("ndarray") + b"\x86K\x00\x85C\x01b\x87R(K\x01K\x01\x85" + F8 + b"\x89C\x08" + b"\0" * 8 + b"tb",
    "a version that is no whole number": named("numpy._core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R(G?\xf0\0\0\0\0\0\0K\x01\x85" + F8 + b"\x89C\x08" + b"\0" * 8 + b"tb",
    "one memory of two arrays": b"\x96\x08\0\0\0\0\0\0\0" + b"\0" * 8 + b"\x940](" + 2 * (named("numpy._core.numeric", "_frombuffer") + b"(h\x00" + F8 + b"K\x01\x85" + text("C") + b"tR") + b"e",
    "one view of two arrays": named("tiffin.pickling", "restore_memoryview") + b"\x96\x08\0\0\0\0\0\0\0" + b"\0" * 8 + text("B") + b"K\x08\x85\x87R\x940](" + 2 * (named("numpy._core.numeric", "_frombuffer") + b"(h\x00" + F8 + b"K\x01\x85" + text("C") + b"tR") + b"e",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_readers_would_make_otherwise_is_refused(name: str, lists: Lists) -> None:
    """Or what they refuse, or what they leave behind differently: honest writers write none of it."""
    with pytest.raises(Unfollowable):
        made(whole(REFUSED[name]), lists)


def test_what_the_refused_streams_are_changed_from_is_built(lists: Lists) -> None:
    """So that the refusals above are for the right reason."""
    good = [
        NEW + b"}\x94" + text("a") + b"K\x01sb", SCALAR + F8 + b"C\x08" + b"\0" * 8 + b"\x86R", array(F8, b"K\x01\x85", b"C\x08" + b"\0" * 8),
        dtype("U4", b"NNNK\x10K\x04K\x08", "<"), dtype("S4", b"NNNK\x04K\x01K\x00"), named("builtins", "set") + b"](K\x01K\x02e\x85R",
        named("uuid", "UUID") + b")\x81}" + text("int") + b"K\x05sb",
        named("numpy", "dtype") + text("M8") + b"\x89\x88\x87R(K\x04" + text("<") + b"NNN" + MINUS * 2 + b"K\x00N(C\x01DK\x01K\x01K\x01t\x86tb",
        named("numpy", "dtype") + text("M8") + b"\x89\x88\x87R(K\x04" + text("<") + b"NNN" + MINUS * 2 + b"K\x00}(C\x01DK\x01K\x01K\x01t\x86tb",
        b"\x96\x08\0\0\0\0\0\0\0" + b"\0" * 8 + b"\x940" + named("numpy._core.numeric", "_frombuffer") + b"(h\x00" + F8 + b"K\x01\x85" + text("C") + b"tR",
    ]  # fmt: skip
    for stream in good:
        assert type(made(whole(stream), lists)) is type(pickle.loads(whole(stream)))


def test_a_name_within_a_class_needs_a_protocol_that_has_it(lists: Lists) -> None:
    """Protocols before 4 would look for an attribute with a dot in its name."""
    lists.add(functions=[f"{__name__}:Outer.inner"])
    assert made(whole(text(__name__) + text("Outer.inner") + b"\x93", 4), lists) is Outer.inner
    for protocol in (2, 3):
        with pytest.raises(Unfollowable, match="protocol"):
            made(whole(named(__name__, "Outer.inner"), protocol), lists)


class Outer:
    """Holds a function."""

    @staticmethod
    def inner() -> None:
        """Do nothing."""


def test_only_a_new_buffer_is_made_read_only() -> None:
    """One that the memo holds would be writable there for some readers."""
    view = named("tiffin.pickling", "restore_memoryview")
    rest = text("B") + b"K\x08\x85\x87R"
    assert made(whole(view + b"\x97\x98" + rest), buffers=[memoryview(bytearray(8))]).readonly
    for operations in (b"\x97\x94\x98", b"\x97\x98\x98", b"\x97\x940h\x00\x98"):
        with pytest.raises(Unfollowable):
            made(whole(view + operations + rest), buffers=[memoryview(bytearray(8))])


def test_a_length_has_no_sign() -> None:
    """Readers take the length of a long number for negative from 2 GiB on; so it is too long here, whatever the file has."""
    from inside.inspection import _parse

    take = _parse._Parser.take
    assert made(whole(number(5))) == 5
    seen = []

    def spy(parser: Any, width: int, most: int) -> memoryview:
        seen.append((width, most))
        return take(parser, width, most)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parse._Parser, "take", spy)
        made(whole(number(5)))
    assert seen == [(4, (1 << 31) - 1)]


def test_joblib_unpacks_once(tmp_path: Any) -> None:
    """A packed file in a packed file is none that joblib reads."""
    from tiffin.inspection import inspect_file

    path = tmp_path / "model.joblib"
    for times, good in ((0, True), (1, True), (2, False)):
        data = whole(b"K\x01")
        for _ in range(times):
            data = zlib.compress(data)
        path.write_bytes(data)
        assert (inspect_file(path, "joblib").tape is not None) is good


@pytest.mark.parametrize("instead", [[1, 2], 5, None, {"a": 1}, np.float64(1.0), (np.arange(2.0),)])
def test_what_stands_for_an_array_of_objects_is_one(instead: Any) -> None:
    """Whatever the nested pickle holds is asked for its dtype by joblib, which fails; core takes nothing else for an array."""
    joblib = pytest.importorskip("joblib")
    given = np.array([{}, None], dtype=object)
    nested = pickle.dumps(given, 5)
    file = io.BytesIO()
    joblib.dump(given, file)
    assert is_same(made(bytearray(file.getvalue()), joblib=True), given)
    other = bytearray(file.getvalue().replace(nested, pickle.dumps(instead, 5)))
    assert other != file.getvalue()
    with pytest.raises(Unfollowable, match="in the place of an array"):
        made(other, joblib=True)
