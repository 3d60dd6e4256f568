"""Specs of values: what is described is accepted again, what contradicts is named."""

import collections
import datetime
import enum
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tiffin.exceptions import SignatureError
from tiffin.signatures import check_spec, infer_spec, plain_spec

Pair = collections.namedtuple("Pair", ["left", "right"])


class Colour(enum.IntEnum):
    RED = 1


class FakeTensor:
    """What a framework's tensor looks like from outside: a shape of its own class, a dtype named with its package."""

    class dtype:
        def __str__(self):
            return "framework.float32"

    dtype = dtype()
    shape = (2, 3)
    name = None


NAN = float("nan")
EXAMPLES = [
    (np.zeros((3, 4)), {"type": "array", "dtype": "float64", "shape": [3, 4]}),
    (np.float32(1), {"type": "array", "dtype": "float32", "shape": []}),
    (np.zeros(2, ">i4"), {"type": "array", "dtype": "int32", "shape": [2]}),
    (np.array(["a", "bcd"]), {"type": "array", "dtype": "str", "shape": [2]}),
    (np.array([b"a"]), {"type": "array", "dtype": "bytes", "shape": [1]}),
    (np.array([None]), {"type": "array", "dtype": "object", "shape": [1]}),
    (np.zeros(1, "datetime64[ns]"), {"type": "array", "dtype": "datetime64[ns]", "shape": [1]}),
    (np.zeros(1, [("a", "<i4")]), {"type": "array", "dtype": "[('a', '<i4')]", "shape": [1]}),
    (FakeTensor(), {"type": "array", "dtype": "float32", "shape": [2, 3]}),
    (
        pd.DataFrame({"b": [1], "a": [0.5], 3: [True]}),
        {
            "type": "frame",
            "columns": [
                {"name": "b", "dtype": "int64"},
                {"name": "a", "dtype": "float64"},
                {"name": 3, "dtype": "bool"},
            ],
        },
    ),
    (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", 1)])),
        {"type": "frame", "columns": [{"name": ["a", 1], "dtype": "int64"}]},
    ),
    (pd.DataFrame({NAN: [1]}), {"type": "frame", "columns": [{"name": "nan", "dtype": "int64"}]}),
    (pd.DataFrame({"dtype": [1]}), {"type": "frame", "columns": [{"name": "dtype", "dtype": "int64"}]}),
    (pd.DataFrame(), {"type": "frame", "columns": []}),
    (pd.Series([1], name="age"), {"type": "series", "name": "age", "dtype": "int64"}),
    (pd.Series(["a"], dtype="category"), {"type": "series", "dtype": "category"}),
    (
        pl.DataFrame({"a": [1], "b": ["x"]}),
        {"type": "frame", "columns": [{"name": "a", "dtype": "Int64"}, {"name": "b", "dtype": "String"}]},
    ),
    (
        pl.DataFrame({"at": [datetime.datetime(2020, 1, 1)]}),
        {"type": "frame", "columns": [{"name": "at", "dtype": "Datetime(time_unit='us', time_zone=None)"}]},
    ),
    (pl.Series("age", [0.5]), {"type": "series", "name": "age", "dtype": "Float64"}),
    ([], {"type": "list"}),
    ([1, 2], {"type": "list", "items": {"type": "int"}}),
    ([1, 2.5], {"type": "list", "items": {"type": "float"}}),
    ([1, "a"], {"type": "list", "items": {"type": "any"}}),
    ([True, 1], {"type": "list", "items": {"type": "any"}}),
    ([[], [1]], {"type": "list", "items": {"type": "list", "items": {"type": "int"}}}),
    (
        [np.zeros((2, 3)), np.zeros((5, 3))],
        {"type": "list", "items": {"type": "array", "dtype": "float64", "shape": [None, 3]}},
    ),
    ([{"a": 1}, {"a": 1.5}], {"type": "list", "items": {"type": "dict", "properties": {"a": {"type": "float"}}}}),
    ([{"a": 1}, {"b": 1}], {"type": "list", "items": {"type": "dict"}}),
    ([{"a": 1}, {2: 1}], {"type": "list", "items": {"type": "dict"}}),
    (Pair(1, "a"), {"type": "tuple", "items": [{"type": "int"}, {"type": "str"}]}),
    ({"x": None, "y": b""}, {"type": "dict", "properties": {"x": {"type": "none"}, "y": {"type": "bytes"}}}),
    ({1: 2}, {"type": "dict"}),
    (Colour.RED, {"type": "int"}),
    (np.float64, {"type": "object", "class": "builtins.type"}),
    ({1, 2}, {"type": "object", "class": "builtins.set"}),
    (datetime.date(2020, 1, 1), {"type": "object", "class": "datetime.date"}),
]


@pytest.mark.parametrize(("value", "spec"), EXAMPLES, ids=[repr(spec)[:60] for _, spec in EXAMPLES])
def test_each_kind_of_value_is_described(value, spec):
    """The spec is as documented, accepts its value, is its own canonical form, and survives YAML and JSON."""
    assert infer_spec(value) == spec
    for back in (spec, yaml.safe_load(yaml.safe_dump(spec)), json.loads(json.dumps(spec))):
        assert plain_spec(back) == spec
        check_spec(back, value)


def test_the_batch_axis_is_free():
    """batch_dim frees one axis of arrays, also inside tuples and dicts, counted from the end when negative."""
    assert infer_spec(np.zeros((3, 4)), batch_dim=0)["shape"] == [None, 4]
    assert infer_spec(np.zeros((3, 4)), batch_dim=-1)["shape"] == [3, None]
    spec = infer_spec({"x": np.zeros((3, 4)), "y": (np.zeros(3),)}, batch_dim=0)
    assert spec["properties"]["x"]["shape"] == [None, 4]
    assert spec["properties"]["y"]["items"][0]["shape"] == [None]


def test_the_axes_of_a_lists_items_stay_fixed():
    """In a list, the list itself is the batch; its items are whole rows."""
    assert infer_spec([np.zeros(3)], batch_dim=0)["items"]["shape"] == [3]


def test_an_axis_that_an_array_lacks_cannot_be_free():
    """The error gives the shape and the axis."""
    with pytest.raises(SignatureError, match=r"shape \(3,\) has no batch axis 1"):
        infer_spec(np.zeros(3), batch_dim=1)


arrays = hnp.arrays(
    st.sampled_from(["f4", "f8", "i8", "u1", "?", "U3", "S2", "M8[s]", ">f8"]), hnp.array_shapes(min_side=0, max_side=3)
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
frames = st.lists(st.sampled_from(["a", "b", "c", 1]), unique=True).map(
    lambda names: pd.DataFrame({name: np.zeros(2) for name in names})
)
values = st.recursive(
    scalars | arrays | frames,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(values)
def test_a_spec_accepts_the_value_that_it_was_made_of(value):
    """Describing and checking agree for whatever is nested, also after YAML and JSON."""
    spec = infer_spec(value)
    check_spec(spec, value)
    assert json.loads(json.dumps(spec)) == spec == yaml.safe_load(yaml.safe_dump(spec)) == plain_spec(spec)


@settings(deadline=None)
@given(st.lists(values, max_size=4))
def test_the_spec_of_a_list_accepts_each_item(items):
    """What items have in common is never narrower than one of them."""
    spec = infer_spec(items)
    for item in items:
        check_spec(spec, [item])


def _resized(value, rows):
    """Return a batch like `value`, with another number of rows along axis 0."""
    if isinstance(value, dict):
        return {key: _resized(part, rows) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_resized(part, rows) for part in value)
    if isinstance(value, list):
        return (value * rows)[:rows]
    if isinstance(value, np.ndarray):
        return np.resize(value, (rows, *value.shape[1:]))
    return value.iloc[[0] * rows] if isinstance(value, pd.DataFrame | pd.Series) else value[[0] * rows]


def _batches():
    arrays = hnp.arrays(st.sampled_from(["f8", "U2"]), hnp.array_shapes(min_side=1, max_side=3))
    frame = {"a": [1, 2], "b": ["x", "y"]}
    leaves = arrays | st.sampled_from([pd.DataFrame(frame), pl.DataFrame(frame), pd.Series([1, 2]), [1.5], ["a", "b"]])
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2).map(tuple)
            | st.dictionaries(st.sampled_from("xy"), inner, min_size=1)
        ),
        max_leaves=4,
    )


@settings(deadline=None)
@given(_batches(), st.integers(0, 7))
def test_a_batchs_spec_accepts_every_other_batch_size(batch, rows):
    """With the batch axis free, only the number of rows may differ, and any number may."""
    check_spec(infer_spec(batch, batch_dim=0), _resized(batch, rows))


FRAME = pd.DataFrame({"a": [1], "b": [0.5]})
CONTRADICTIONS = [
    (infer_spec(np.zeros((2, 4))), np.zeros((3, 4)), "value: expected shape (2, 4), found (3, 4)"),
    (
        {"type": "array", "shape": [None, 4]},
        np.zeros(4),
        "value: expected shape (any, 4), found (4,)",
    ),
    ({"type": "array", "dtype": "f8"}, np.zeros(4, "f4"), "value: expected dtype float64, found float32"),
    (infer_spec(np.zeros(3)), FRAME, "value: expected array of float64, shape (3,), found frame with 2 columns"),
    ({"type": "array"}, [1], "value: expected array, found list of int"),
    ({"type": "array"}, pd.Series([1]), "value: expected array, found series of int64"),
    (infer_spec(FRAME), FRAME[["a"]], "expected the columns ['a', 'b'], found ['a'] (without ['b'])"),
    (infer_spec(FRAME), FRAME[["b", "a"]], "found ['b', 'a'] (another order)"),
    (infer_spec(FRAME), FRAME.assign(c=1), "found ['a', 'b', 'c'] (with ['c'] added)"),
    (infer_spec(FRAME), FRAME.astype({"b": "int64"}), "value['b']: expected dtype float64, found int64"),
    (infer_spec(FRAME), FRAME.to_dict("list"), "expected frame with 2 columns, found dict with the keys 'a', 'b'"),
    (infer_spec(FRAME), pl.DataFrame({"a": [1], "b": [0.5]}), "value['a']: expected dtype int64, found Int64"),
    ({"type": "series", "name": "a"}, pd.Series([1], name="b"), "expected the name 'a', found 'b'"),
    ({"type": "series", "dtype": "int64"}, pd.Series([0.5]), "expected dtype int64, found float64"),
    ({"type": "series"}, np.zeros(3), "expected series, found array of float64, shape (3,)"),
    ({"type": "list", "items": {"type": "int"}}, [1, 2.5], "value[1]: expected int, found float"),
    ({"type": "list"}, (1,), "expected list, found tuple of 1"),
    ({"type": "tuple", "items": [{"type": "any"}]}, (1, 2), "expected 1 items, found 2"),
    ({"type": "tuple"}, [1], "expected tuple, found list of int"),
    ({"type": "dict", "properties": {"x": {"type": "int"}}}, {"x": "a"}, "value['x']: expected int, found str"),
    ({"type": "dict", "properties": {"x": {"type": "int"}}}, {"y": 1}, "expected the keys ['x'], found ['y']"),
    ({"type": "dict"}, [1], "expected dict, found list of int"),
    ({"type": "float"}, "1.0", "expected float, found str"),
    ({"type": "float"}, True, "expected float, found bool"),
    ({"type": "int"}, False, "expected int, found bool"),
    ({"type": "int"}, np.float64(1), "expected int, found array of float64, shape ()"),
    ({"type": "none"}, 0, "expected none, found int"),
    ({"type": "object", "class": "datetime.date"}, 1, "expected object of class datetime.date, found int"),
    (
        {"type": "dict", "properties": {"x": {"type": "list", "items": {"type": "array", "dtype": "str"}}}},
        {"x": [np.array(["a"]), np.zeros(1)]},
        "value['x'][1]: expected dtype str, found float64",
    ),
]


@pytest.mark.parametrize(("spec", "value", "says"), CONTRADICTIONS)
def test_a_contradiction_is_named_with_its_place(spec, value, says):
    """The error says where, what was expected and what was found."""
    with pytest.raises(SignatureError) as caught:
        check_spec(spec, value)
    assert says in str(caught.value)


def test_the_error_names_the_method():
    """The place and the method stand in the text, the method also as an attribute."""
    with pytest.raises(SignatureError, match=r"^input of method 'predict': expected int, found str\.") as caught:
        check_spec({"type": "int"}, "a", where="input", method="predict")
    assert caught.value.method == "predict"


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"type": "float"}, 1),
        ({"type": "float"}, np.float32(1)),
        ({"type": "int"}, np.int8(1)),
        ({"type": "bool"}, np.bool_(True)),
        ({"type": "str"}, np.str_("a")),
        ({"type": "bytes"}, bytearray(b"a")),
        ({"type": "any"}, object()),
        ({"type": "array"}, np.zeros((1, 2, 3))),
        ({"type": "array", "dtype": "float32", "shape": [-1, 3]}, FakeTensor()),
        ({"type": "frame"}, FRAME),
        ({"type": "frame", "columns": [{"name": "a"}, {"name": "b", "dtype": float}]}, FRAME),
        ({"type": "series"}, pd.Series([1], name="a")),
        ({"type": "list"}, [1, "a"]),
        ({"type": "list", "items": {"type": "int"}}, []),
        ({"type": "tuple"}, (1, 2)),
        ({"type": "dict"}, {1: 2}),
        ({"type": "object"}, {1}),
        ({"type": "object", "class": "datetime.date"}, datetime.datetime(2020, 1, 1)),
    ],
)
def test_what_a_spec_leaves_out_is_not_checked(spec, value):
    """Shorter specs are wider; whole numbers pass as floats, numpy's scalars as Python's, subclasses as their base."""
    check_spec(spec, value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (None, "The spec is not a spec: None"),
        ("float", "The spec is not a spec: 'float'"),
        ({}, "Write, e.g., {'type': 'float'}"),
        ({"type": "aray"}, "Did you mean 'array'?"),
        ({"type": ["float"]}, "The spec is not a spec"),
        ({"type": "array", "shap": [1]}, "unknown field 'shap': {'type': 'array', 'shap': [1]}. Did you mean 'shape'?"),
        ({"type": "array", "shape": 3}, "The spec.shape has the wrong form: 3"),
        ({"type": "array", "shape": [-2]}, "The spec.shape has the wrong form: [-2]"),
        ({"type": "array", "shape": [True]}, "The spec.shape has the wrong form: [True]"),
        ({"type": "frame", "columns": ["a"]}, "The spec.columns[0] has the wrong form: 'a'"),
        ({"type": "frame", "columns": [{"name": "a", "type": "int"}]}, "The spec.columns[0] has an unknown field"),
        ({"type": "list", "items": {"type": "x"}}, "The spec.items is not a spec"),
        ({"type": "tuple", "items": {"type": "int"}}, "The spec.items has the wrong form"),
        ({"type": "dict", "properties": {"x": 1}}, "The spec.properties['x'] is not a spec"),
        ({"type": "dict", "properties": {1: {"type": "int"}}}, "The spec.properties has the wrong form"),
        ({"type": "object", "class": int}, "The spec.class has the wrong form"),
    ],
)
def test_what_is_no_spec_is_refused_with_its_place(wrong, says):
    """A mistake in a spec is found when it is given, not when a value comes."""
    with pytest.raises(SignatureError) as caught:
        plain_spec(wrong)
    assert says in str(caught.value)


def test_a_lazy_frame_is_not_computed():
    """What would have to be computed to be looked at is described by its class only."""
    spec = infer_spec(pl.LazyFrame({"a": [1]}))
    assert spec["type"] == "object"
    assert spec["class"].endswith("LazyFrame")


def test_three_items_that_differ_pairwise_are_still_described():
    """Joining goes on after items of another length or shape were met."""
    assert infer_spec([(), (1,), ()])["items"] == {"type": "tuple"}
    assert infer_spec([np.zeros(1), np.zeros((1, 1)), np.zeros(1)])["items"] == {"type": "array", "dtype": "float64"}
    assert infer_spec([datetime.date.min, {1}, {2}])["items"] == {"type": "object"}
    assert infer_spec([pd.Series([1]), pd.Series([1], name="a")])["items"] == {"type": "series", "dtype": "int64"}
