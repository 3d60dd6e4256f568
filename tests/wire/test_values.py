"""Values: what has a typed form arrives equal and of the same type, and everything else is refused by name."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from inside.wire import _shared_memory
from tiffin.exceptions import FrameError, PluginError, UnsendableError
from tiffin.values import ValueKind, register_kind, registry
from tiffin.wire import Agreement, decode_call, decode_value, encode_call, encode_value


def ends() -> tuple[Agreement, Agreement]:
    """Return both ends of a connection, after they have greeted each other."""
    here, there = Agreement(), Agreement()
    greeting = here.greeting()
    here.hear(there.greeting())
    there.hear(greeting)
    return here, there


def through(value: Any) -> Any:
    here, there = ends()
    header, buffers = encode_value(value, peer=here)
    here.say(there.hear)
    return decode_value(header, own(buffers), kinds=there.receives)


def own(buffers: list[Any]) -> list[Any]:
    return [bytearray(b if type(b) is bytes else np.ascontiguousarray(b).reshape(-1).view(np.uint8)) for b in buffers]


def same(a: Any, b: Any) -> bool:
    """Whether values and types are equal, NaN included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(x, y) for p, q in zip(a.items(), b.items(), strict=True) for x, y in zip(p, q, strict=True)
        )
    if isinstance(a, float) and a != a:
        return b != b
    return a == b and repr(a) == repr(b)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs"]), max_size=3)
    | st.binary()
)
dtypes = (
    npst.boolean_dtypes()
    | npst.integer_dtypes(endianness="?")
    | npst.floating_dtypes(endianness="?")
    | npst.complex_number_dtypes()
    | npst.datetime64_dtypes()
    | npst.timedelta64_dtypes()
    | npst.byte_string_dtypes()
    | npst.unicode_string_dtypes()
    | npst.array_dtypes(npst.integer_dtypes() | npst.floating_dtypes() | npst.unicode_string_dtypes())
)
arrays = npst.arrays(dtypes, npst.array_shapes(min_dims=0, min_side=0, max_side=4))
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(
            st.text(max_size=5) | st.integers() | st.tuples(st.booleans(), st.binary()), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(values)
@settings(max_examples=400, deadline=None)
def test_values_arrive_equal_and_of_the_same_type(value):
    """Any nesting of plain values and arrays of plain dtypes comes back the same, bit by bit."""
    assert same(through(value), value)


@given(st.lists(values, max_size=3), st.dictionaries(st.text(), values, max_size=3))
@settings(max_examples=100, deadline=None)
def test_calls_arrive_as_they_were_made(args, kwargs):
    """Positional and keyword arguments come back the same, whatever the names."""
    header, buffers = encode_call("predict", args, kwargs, (1.5, True))
    method, positional, named, extra = decode_call(header, own(buffers))
    assert (method, extra) == ("predict", (1.5, True))
    assert same(positional, tuple(args))
    assert same(named, kwargs)


@pytest.mark.parametrize(
    "value",
    [
        [0.5] * 5000,
        list(range(5000)),
        [2**63, *range(5000)],
        [True, *[1] * 5000],
        ["é" * 700, "", "x" * 700],
        ["a" * 2000, None, "b"],
        "long " * 1000,
        [float("nan"), float("inf"), -0.0],
        np.arange(24.0).reshape(2, 3, 4)[:, ::2, ::-1],
        np.asfortranarray(np.arange(4000.0).reshape(40, 100)),
        np.arange(2000.0)[::-1],
        np.broadcast_to(np.arange(3), (1000, 3)),
        np.zeros((0, 5)),
        np.array(["a", None, "c" * 2000], object),
        np.array([["a"], ["b"]], object),
        np.array(3, "M8[25s]"),
        np.zeros(3, [("a", "<i2"), ("b", "<f8", (2,))]),
        np.zeros(2, np.dtype({"names": ["a"], "formats": ["<i4"], "offsets": [4], "itemsize": 16})),
        np.float64(1.5),
        np.str_("x"),
        np.datetime64("2020-01-01", "ns"),
        {},
        (),
    ],
    ids=lambda value: str(type(value).__name__) + str(value)[:12].replace("\n", " "),
)
def test_odd_shapes_and_sizes_arrive_too(value):
    """Long lists and strings, arrays of every layout and empty things come back the same."""
    result = through(value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        assert result.dtype == object
        assert result.tolist() == value.tolist()
    else:
        assert same(result, value)


def test_arrays_are_writable_when_they_arrive():
    """Models that work in place find arrays that they may write to, as they would without another process."""
    value = np.arange(4.0)
    value.flags.writeable = False
    result = through([value])[0]
    result += 1
    assert result.tolist() == [1, 2, 3, 4]


class Point(NamedTuple):
    x: int


class Color(enum.IntEnum):
    RED = 1


class Thing:
    pass


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (Thing(), "kwargs['x']"),
        ([1, {"a": (2, Thing())}], "kwargs['x'][1]['a'][1]"),
        (Point(1), "kwargs['x']"),
        (Color.RED, "kwargs['x']"),
        (collections.OrderedDict(), "kwargs['x']"),
        ({1, 2}, "kwargs['x']"),
        (decimal.Decimal(1), "kwargs['x']"),
        (datetime.date(2020, 1, 1), "kwargs['x']"),
        (np.matrix([1]), "kwargs['x']"),
        (np.array([1, Thing()], object), "kwargs['x'][0]"),
        (np.array([["a", "b"], ["c", 5]], object), "kwargs['x'][1, 1]"),
        (np.zeros(1, [("a", "O")]), "kwargs['x']"),
        ({Thing: 1}, f"kwargs['x'][{Thing!r}]"),
        (lambda: None, "kwargs['x']"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_typed_form_is_refused_by_name(value, where):
    """The error names the path to the value and its type, before anything is sent."""
    with pytest.raises(UnsendableError) as caught:
        encode_call("predict", (1,), {"x": value})
    assert caught.value.where == where
    assert where in str(caught.value)
    assert caught.value.type_name in str(caught.value)


def test_values_that_contain_themselves_are_refused():
    """A list inside itself is an error, not a crash."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(UnsendableError, match="nested more than"):
        encode_value(value)


def test_too_many_small_values_are_refused_with_a_hint():
    """A header beyond the limit is refused by the sender, who is told to use arrays."""
    with pytest.raises(UnsendableError, match="arrays and data frames"):
        encode_value([("x" * 900,) for _ in range(20_000)])


def test_an_integer_of_thousands_of_digits_is_refused():
    """What Python itself does not convert is refused by name."""
    with pytest.raises(UnsendableError, match="digits"):
        encode_value(10**5000)


class Celsius:
    def __init__(self, degrees: Any) -> None:
        self.degrees = degrees


class Fahrenheit(Celsius):
    pass


class CelsiusKind(ValueKind):
    name = "celsius"
    types = (Celsius,)

    def send(self, value):
        return value.degrees

    def receive(self, parts):
        return Celsius(parts)


@pytest.fixture
def celsius():
    register_kind(kind := CelsiusKind())
    yield kind
    registry.forget([kind])


def test_a_registered_kind_makes_a_class_sendable(celsius):
    """A class that the core does not know crosses once its kind is registered; subclasses do not, if nobody asked."""
    result = through({"a": Celsius(np.arange(3))})
    assert type(result["a"]) is Celsius
    assert result["a"].degrees.tolist() == [0, 1, 2]
    with pytest.raises(UnsendableError, match="Fahrenheit"):
        through(Fahrenheit(1))


def test_two_kinds_of_one_name_are_refused(celsius):
    """A name in a frame must mean one kind; the error names both."""

    class Other(CelsiusKind):
        pass

    with pytest.raises(PluginError, match=r"CelsiusKind and .*Other"):
        register_kind(Other())


def test_a_kind_that_the_receiver_does_not_take_is_refused_before_anything_is_sent(celsius):
    """The sender is told at once."""
    here, there = Agreement(), Agreement()
    registry.forget([celsius])
    here.hear(there.greeting())
    register_kind(celsius)
    with pytest.raises(UnsendableError, match="'celsius'"):
        encode_value(Celsius(1), peer=here)


def test_a_kind_that_is_learned_later_is_said_before_the_frame_that_needs_it(celsius):
    """Agreements grow while calls go on."""
    registry.forget([celsius])
    here, there = ends()
    register_kind(celsius)
    there.say(here.hear)
    header, buffers = encode_value(Celsius(1), peer=here)
    here.say(there.hear)
    assert decode_value(header, buffers, kinds=there.receives).degrees == 1


def test_a_frame_cannot_name_a_kind_that_was_not_agreed_on(celsius):
    """Nor one that is registered, nor one that nobody knows; and nothing is imported for it."""
    _, there = ends()
    for name in ("celsius", "pandas.DataFrame", "nowhere.Thing", ["celsius"]):
        with pytest.raises(FrameError):
            decode_value(json.dumps({"x": [name, 1]}).encode(), [], kinds=there.receives)


def test_frames_of_calls_import_nothing():
    """Only an announcement does, and only what the receiver's own kind names; a frame before it is refused."""
    program = """if True:
        import sys, tiffin.values.kinds
        from tiffin.exceptions import FrameError
        from tiffin.wire import Agreement, decode_value
        end = Agreement()
        end.greeting()
        frame = b'{"x":["polars.DataFrame",1]}'
        for _ in range(2):
            try: decode_value(frame, [], kinds=end.receives)
            except FrameError as error: print("polars" in sys.modules, "agreed" in str(error))
            end.hear({"takes": [], "sends": ["polars.DataFrame", "antigravity.Thing"]})
        print("antigravity" in sys.modules)
    """
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[:3] == ["False True", "True False", "False"]


@pytest.mark.parametrize("said", [None, [], {}, {"takes": [1], "sends": []}, {"takes": "a", "sends": []}])
def test_what_is_no_agreement_is_a_frame_error(said):
    """A peer that says anything else is not listened to."""
    with pytest.raises(FrameError):
        Agreement().hear(said)


class TestPandas:
    """Frames, series and indexes."""

    pd = pytest.importorskip("pandas")

    def frame(self) -> Any:
        pd = self.pd
        return pd.DataFrame(
            {
                "number": [1.5, None],
                "text": ["a", None],
                "kind": pd.Categorical(["u", "v"], ordered=True),
                "count": pd.array([1, None], dtype="Int64"),
                "share": pd.array([0.5, None], dtype="Float32"),
                "flag": pd.array([True, None], dtype="boolean"),
                "string": pd.array(["q", None], dtype="string"),
                "objects": pd.Series(["x", None], dtype=object, index=["r", "s"]).array,
                "when": pd.to_datetime(["2020-01-01", "2021-06-01"]),
                "there": pd.to_datetime(["2020-01-01", "2021-06-01"]).tz_localize("Europe/Berlin"),
                "long": pd.to_timedelta([1, 2], unit="s"),
            },
            index=["r", "s"],
        )

    def test_frames_arrive_equal(self):
        """Columns of every kind that has a form keep values, dtypes, missing values and labels."""
        frame = self.frame()
        self.pd.testing.assert_frame_equal(through(frame), frame)

    def test_a_frame_of_one_dtype_arrives_as_one_block(self):
        """Numbers only: one array crosses, not one for each column."""
        frame = self.pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=[1, 2, 2, 4], index=[5, 6, 7])
        here, there = ends()
        header, buffers = encode_value(frame, peer=here)
        here.say(there.hear)
        # The block, and the labels of columns and rows.
        assert len(buffers) == 3
        self.pd.testing.assert_frame_equal(decode_value(header, own(buffers), kinds=there.receives), frame)

    def test_duplicate_column_names_survive(self):
        """Two columns of one name and different dtypes stay two columns."""
        frame = self.pd.DataFrame([[1, "a"]])
        frame.columns = ["x", "x"]
        self.pd.testing.assert_frame_equal(through(frame), frame)

    @pytest.mark.parametrize("rows", [0, 1, 3])
    def test_series_and_indexes_arrive_equal(self, rows):
        """Series with names, attributes, and indexes of several kinds."""
        pd = self.pd
        series = pd.Series(np.arange(rows), index=pd.date_range("2020", periods=rows, freq=None), name=("a", 1))
        series.attrs["unit"] = "m"
        result = through(series)
        pd.testing.assert_series_equal(result, series, check_freq=False)
        assert result.attrs == {"unit": "m"}
        for index in (
            pd.RangeIndex(2, 8, 3, name="n"),
            pd.Index(["a", "b"]),
            pd.Index([1.5]),
            pd.CategoricalIndex(["u"]),
        ):
            pd.testing.assert_index_equal(through(index), index)

    @pytest.mark.parametrize("part", ["col", "other col"])
    def test_columns_without_a_form_are_refused_by_name(self, part):
        """The path leads to the column."""
        frame = self.pd.DataFrame({"a": [1], part: [Thing()]})
        with pytest.raises(UnsendableError) as caught:
            encode_call("predict", (), {"x": frame}, peer=ends()[0])
        assert caught.value.where == ("kwargs['x'].col" if part == "col" else "kwargs['x']['other col']")
        assert "Thing" in caught.value.type_name

    def test_periods_and_multiindexes_are_refused_by_name(self):
        """What pandas has and frames have not is said, with its place."""
        pd = self.pd
        with pytest.raises(UnsendableError, match=r"result\.p .*period"):
            encode_value(peer=ends()[0], value=pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="D")}))
        with pytest.raises(UnsendableError, match="reset_index"):
            encode_value(peer=ends()[0], value=pd.DataFrame([1], index=pd.MultiIndex.from_tuples([(1, 2)])))


@pytest.mark.parametrize("size", [8, 200])
def test_arrays_of_one_dtype_and_shape_arrive_equal_whatever_their_layout(size):
    """A header is written once for arrays that are alike; large ones in the order of Fortran get their own, and keep it."""
    array = np.arange(size * size, dtype=np.float64).reshape(size, size)
    strided = np.repeat(array, 2, axis=1)[:, ::2]
    assert strided.flags.c_contiguous is strided.flags.f_contiguous is False
    for value in (array, array, np.asfortranarray(array), strided, array.T, array.T.copy()) * 2:
        assert same(through(value), value)
        header, buffers = encode_call("predict", (value,), {})
        method, (arrived,), kwargs, extra = decode_call(header, own(buffers))
        assert (method, kwargs, extra) == ("predict", {}, None)
        assert same(arrived, value)
        if size == 200:
            assert arrived.flags.f_contiguous is value.flags.f_contiguous


def test_a_header_that_was_read_before_is_held_against_its_buffers_again():
    """A peer gains nothing by sending a good frame first: too few bytes, or too many buffers, are refused all the same."""
    call, [buffer] = encode_call("predict", (np.ones((3, 4)),), {})
    value, _ = encode_value(np.ones((3, 4)))
    for header, decode in ((call, decode_call), (value, decode_value)):
        for _ in range(3):
            decode(header, own([buffer]))
        for wrong in ([], [buffer[:-8]], [buffer + bytes(8)], [buffer, buffer]):
            with pytest.raises(FrameError):
                decode(header, own(wrong))


def test_what_is_read_as_a_call_and_as_a_value_is_kept_apart():
    """A header that is good in a frame of one sort is refused in one of the other, however often it was read."""
    call, [buffer] = encode_call("predict", (np.ones(3),), {})
    value, _ = encode_value(np.ones(3))
    for _ in range(2):
        decode_call(call, own([buffer]))
        decode_value(value, own([buffer]))
        with pytest.raises(FrameError):
            decode_value(call, own([buffer]))
        with pytest.raises(FrameError):
            decode_call(value, own([buffer]))


def test_a_header_that_was_read_before_brings_no_integers_in_memory_that_their_sender_may_change():
    """A peer that is not believed sends an array through the socket first, and the like through shared memory then."""
    array = np.arange(4)
    lent = np.zeros(array.nbytes, np.uint8).view(_shared_memory.Lent)
    call, [buffer] = encode_call("predict", (array,), {})
    value, _ = encode_value(array)
    for header, decode in ((call, decode_call), (value, decode_value)):
        decode(header, own([buffer]))
        with pytest.raises(FrameError, match="its sender may change"):
            decode(header, [lent])
