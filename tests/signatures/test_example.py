"""Specs from one real call of the method."""

import asyncio

import numpy as np
import pandas as pd
import pytest

from tiffin.exceptions import SignatureError
from tiffin.signatures import (
    Arguments,
    ModelSignature,
    check_signatures,
    describe_spec,
    infer_signature_specs,
    normalise_signatures,
)

X = np.zeros((5, 4))
BATCHABLE = ModelSignature(batchable=True)


def infer(signature, function, example):
    return infer_signature_specs(signature, function, example, method="predict")


def test_both_specs_are_filled_with_a_free_batch_axis():
    """A batchable method's specs leave the number of rows open on both sides."""
    signature = infer(BATCHABLE, lambda x: x.argmax(axis=1), X)
    assert signature.batchable is True
    assert signature.input_spec == {"type": "array", "dtype": "float64", "shape": [None, 4]}
    assert signature.output_spec == {"type": "array", "dtype": "int64", "shape": [None]}


def test_a_method_that_is_not_batchable_keeps_the_examples_shape():
    """Without a batch axis nothing is free, and rows are not counted."""
    signature = infer(ModelSignature(), lambda x: x.sum(axis=0), X)
    assert signature.input_spec["shape"] == [5, 4]
    assert signature.output_spec["shape"] == [4]


def test_each_side_has_its_own_batch_axis():
    """With batch_dim=(0, 1), rows of the input are columns of the output."""
    signature = infer(ModelSignature(batchable=True, batch_dim=(0, 1)), lambda x: x.T, X)
    assert signature.input_spec["shape"] == [None, 4]
    assert signature.output_spec["shape"] == [4, None]


def test_a_wrong_number_of_rows_is_refused_with_both_numbers():
    """A method that does not answer row by row cannot be batchable."""
    with pytest.raises(SignatureError, match=r"input of 5 rows with 4 rows.*batchable=False") as caught:
        infer(BATCHABLE, lambda x: x.sum(axis=0), X)
    assert caught.value.method == "predict"


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (0.5, "The output of method 'predict' must have rows along batch axis 0, but is a value of type float"),
        (np.float64(1), "but is an array with 0 axes"),
        ("abcde", "but is a value of type str"),
        ((np.zeros(5), np.zeros(3)), "The parts of output of method 'predict' must have equally many rows"),
        ({}, "Found none, as it is empty"),
        ((np.zeros(5), 1), "The output[1] of method 'predict' must have rows"),
    ],
)
def test_an_output_without_rows_is_refused(output, says):
    """What has no rows, or parts that differ, is named; batchable=False is the way out."""
    with pytest.raises(SignatureError) as caught:
        infer(BATCHABLE, lambda x: output, X)
    assert says in str(caught.value)
    assert "batchable=False" in str(caught.value)


@pytest.mark.parametrize(
    ("example", "axis"),
    [
        ([1.5, 2.5], 0),
        ([1.5, 2.5], -1),
        (pd.DataFrame({"a": [1, 2]}), 0),
        (pd.Series([1, 2]), 0),
        ((np.zeros((2, 3)), [1, 2]), 0),
        ({"x": np.zeros((2, 3)), "y": pd.Series([1, 2])}, 0),
        (np.zeros((3, 2)), 1),
    ],
)
def test_every_container_has_its_rows_counted(example, axis):
    """Arrays, frames, series, lists, and tuples and dicts of these are batches; the same rows come back."""
    assert infer(ModelSignature(batchable=True, batch_dim=(axis, 0)), lambda x: np.zeros(2), example).output_spec == {
        "type": "array",
        "dtype": "float64",
        "shape": [None],
    }
    with pytest.raises(SignatureError, match="input of 2 rows with 3 rows"):
        infer(ModelSignature(batchable=True, batch_dim=(axis, 0)), lambda x: np.zeros(3), example)


def test_frames_have_no_rows_along_another_axis():
    """A batch axis of 1 on a frame or list is a mistake, not a count of columns."""
    for example in (pd.DataFrame({"a": [1]}), [1, 2]):
        with pytest.raises(SignatureError, match="whose rows lie along axis 0"):
            infer(ModelSignature(batchable=True, batch_dim=1), lambda x: x, example)


def test_given_specs_are_checked_and_kept():
    """A spec that the user gave is compared with the example and the real output, and not replaced."""
    wide = {"type": "array", "shape": (-1, -1)}
    signature = infer(ModelSignature(batchable=True, input_spec=wide, output_spec={"type": "any"}), lambda x: x, X)
    assert signature.input_spec == {"type": "array", "shape": [None, None]}
    assert signature.output_spec == {"type": "any"}
    with pytest.raises(SignatureError, match=r"^input of method 'predict': expected int, found array"):
        infer(ModelSignature(input_spec={"type": "int"}), lambda x: x, X)
    with pytest.raises(SignatureError, match=r"^output of method 'predict': expected dtype int64, found float64"):
        infer(ModelSignature(output_spec={"type": "array", "dtype": "int64"}), lambda x: x, X)


def test_a_failing_method_is_named_and_its_error_chained():
    """The user sees the method, the error's type and text, and what it was called with."""

    def predict(x):
        raise KeyError("sepal")

    with pytest.raises(SignatureError, match=r"'predict' fails on the input example: KeyError: 'sepal'") as caught:
        infer(ModelSignature(), predict, X)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "type ndarray" in str(caught.value)


@pytest.mark.parametrize("example", [(1, 2), {"a": 1}, None, [1, 2]])
def test_an_example_is_one_argument(example):
    """Tuples and dicts are not spread over several arguments."""
    seen = []
    infer(ModelSignature(), seen.append, example)
    assert seen == [example]


def test_the_spec_is_of_the_example_before_the_call():
    """A method that changes its input in place does not change what is recorded."""

    def predict(items):
        items.append("changed")
        return 1

    assert infer(ModelSignature(), predict, [1]).input_spec == {"type": "list", "items": {"type": "int"}}


def test_axes_by_name_apply_to_the_first_argument():
    """The example is the first argument, so its axis is the one of that name; None means it is not counted."""

    def predict(x, mask=None):
        return x.T

    named = infer(ModelSignature(batchable=True, batch_dim=({"x": 0, "mask": None}, 1)), predict, X)
    assert (named.input_spec["shape"], named.output_spec["shape"]) == ([None, 4], [4, None])
    other = infer(ModelSignature(batchable=True, batch_dim=({"mask": 0}, 1)), predict, X)
    assert (other.input_spec["shape"], other.output_spec["shape"]) == ([5, 4], [4, None])


def test_a_coroutine_is_awaited_even_inside_an_event_loop():
    """An async method's real output is described, as in a notebook, where a loop already runs."""

    async def predict(x):
        await asyncio.sleep(0)
        return x

    async def notebook():
        return infer(BATCHABLE, predict, X)

    assert infer(BATCHABLE, predict, X) == asyncio.run(notebook())
    assert infer(BATCHABLE, predict, X).output_spec["shape"] == [None, 4]


def test_a_stream_has_no_output_spec():
    """Generators are not run: a stream has no one output."""

    def stream(x):
        raise AssertionError("not run")
        yield x

    async def stream_async(x):
        raise AssertionError("not run")
        yield x

    for function in (stream, stream_async):
        signature = infer(BATCHABLE, function, X)
        assert signature.input_spec["shape"] == [None, 4]
        assert signature.output_spec is None


class Matcher:
    """Takes several arguments."""

    def match(self, x, y, /, mask=None, *, scale=1.0):
        return (x + y).sum(axis=1) * scale

    def several(self, *inputs, **more):
        return inputs[0]


def test_several_arguments_are_described_by_their_names():
    """Positional ones too; what has no rows is not counted, and arguments that the example leaves out are not known."""
    example = Arguments(X, X, scale=2.0)
    signature = infer(BATCHABLE, Matcher().match, example)
    rows = {"type": "array", "dtype": "float64", "shape": [None, 4]}
    properties = {"x": rows, "y": rows, "scale": {"type": "float", "default": 1.0}}
    assert signature.input_spec == {"type": "arguments", "properties": properties}
    assert signature.output_spec == {"type": "array", "dtype": "float64", "shape": [None]}
    assert describe_spec(signature.input_spec).startswith("x: array of float64, shape (any, 4), y: array")
    again = ModelSignature.from_any(signature.to_dict())
    assert infer(again, Matcher().match, example) == again == signature


def test_defaults_are_kept_where_they_are_plain():
    """`None`, truth values, finite numbers and texts: what a record and JSON can hold and give back."""

    def method(rows, mask=None, *, mode="fast", power=2, limit=float("inf"), kind=str):
        return rows

    example = Arguments(X, None, mode="slow", power=1, limit=1.0, kind="int")
    properties = infer(ModelSignature(), method, example).input_spec["properties"]
    assert {name: spec["default"] for name, spec in properties.items() if "default" in spec} == {
        "mask": None,
        "mode": "fast",
        "power": 2,
    }
    written = {"rows": {"type": "any"}, "power": {"type": "int", "default": 2}}
    [given] = normalise_signatures({"method": {"input_spec": written}}).values()
    assert ModelSignature.from_any(given.to_dict()).input_spec["properties"] == written
    assert describe_spec(given.input_spec) == "rows: anything, power: int = 2"


@pytest.mark.parametrize("default", [float("nan"), [1], b"1"])
def test_a_default_that_json_cannot_hold_is_refused(default):
    """And a spec that is no argument's has none."""
    with pytest.raises(SignatureError, match=r"input_spec\['x'\].default.* has the wrong form"):
        normalise_signatures({"match": {"input_spec": {"x": {"type": "float", "default": default}}}})
    with pytest.raises(SignatureError, match="unknown field 'default'"):
        normalise_signatures({"match": {"input_spec": {"type": "float", "default": 1.0}}})


def test_axes_by_name_count_the_arguments_that_they_name():
    """Others keep their full shape; those that are counted must agree."""
    by_name = ModelSignature(batchable=True, batch_dim=({"x": 0, "y": None}, 0))
    signature = infer(by_name, Matcher().match, Arguments(X, X[:1]))
    shapes = {name: spec["shape"] for name, spec in signature.input_spec["properties"].items()}
    assert shapes == {"x": [None, 4], "y": [1, 4]}
    with pytest.raises(SignatureError, match=r"differ in their numbers of rows. Found 5 in x, 1 in y"):
        infer(BATCHABLE, Matcher().match, Arguments(X, X[:1]))


def test_arguments_that_a_method_collects_keep_their_place():
    """`*inputs` are a tuple under that name, and each of `**more` has its own."""
    signature = infer(BATCHABLE, Matcher().several, Arguments(X, X, hint="a"))
    properties = signature.input_spec["properties"]
    assert [part["shape"] for part in properties["inputs"]["items"]] == [[None, 4], [None, 4]]
    assert properties["hint"] == {"type": "str"}
    check_signatures(Matcher(), {"several": signature})


@pytest.mark.parametrize(
    ("example", "says"),
    [
        (Arguments(X, X, X, X), "does not take the arguments of the input example: too many positional"),
        (Arguments(X, X, weights=1), "does not take the arguments of the input example: got an unexpected keyword"),
        (Arguments(X), r"fails on the input example: TypeError.*called with the arguments|missing"),
        (Arguments(X, X, scale="a"), r"called with the arguments \(ndarray, ndarray, scale: str\)"),
    ],
)
def test_arguments_that_a_method_does_not_take_are_told(example, says):
    """With the arguments that it was called with."""
    with pytest.raises(SignatureError, match=says):
        infer(ModelSignature(), Matcher().match, example)


def test_a_builtin_that_does_not_tell_its_parameters_is_given_names():
    """Where they are given by keyword they are known, else not."""
    assert infer(ModelSignature(), dict, Arguments(a=1)).input_spec["properties"] == {"a": {"type": "int"}}
    with pytest.raises(SignatureError, match="Give them by keyword"):
        infer(ModelSignature(), dict, Arguments([("a", 1)]))


def test_specs_by_name_are_checked_and_kept():
    """A spec of an argument that the example leaves out is kept as well; an unknown argument is refused."""
    short = {"x": {"type": "array", "shape": (-1, -1)}, "y": {"type": "any"}, "mask": {"type": "none"}}
    [given] = normalise_signatures({"match": {"batchable": True, "input_spec": short}}).values()
    assert given.input_spec["type"] == "arguments"
    assert given.input_spec["properties"]["x"]["shape"] == [None, None]
    assert infer(given, Matcher().match, Arguments(X, X)).input_spec == given.input_spec
    with pytest.raises(SignatureError, match=r"input of method 'predict': expected the arguments .*found 'scale'"):
        infer(given, Matcher().match, Arguments(X, X, scale=1.0))
    with pytest.raises(SignatureError, match=r"input\['x'\] of method 'predict': expected array.*found int"):
        infer(given, Matcher().match, Arguments(1, X))
    one = ModelSignature(input_spec={"x": {"type": "array"}})
    assert infer(one, lambda x: x, X).input_spec["type"] == "arguments"


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ({"input_spec": {"x": {"type": "array", "shape": [5]}}}, r"input_spec\['x'\] .*shape \(5,\)"),
        ({"output_spec": {"x": {"type": "int"}}}, "returns one value"),
        ({"input_spec": {"x": {"y": {"type": "int"}}}}, "is not a spec"),
        ({"input_spec": {"type": "list", "items": {"type": "arguments", "properties": {}}}}, "is not a spec"),
    ],
)
def test_specs_by_name_that_cannot_be_are_refused(signature, says):
    """A fixed batch axis, several outputs, names within names."""
    with pytest.raises(SignatureError, match=says):
        normalise_signatures({"match": {"batchable": True, **signature}})


def test_a_spec_names_arguments_that_the_method_has():
    """A misspelled name is refused with what was meant."""
    with pytest.raises(SignatureError, match=r"does not take an argument 'maks'. Did you mean 'mask'"):
        check_signatures(Matcher(), normalise_signatures({"match": {"input_spec": {"maks": {"type": "any"}}}}))
