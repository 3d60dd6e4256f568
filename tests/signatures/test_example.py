"""Specs from one real call of the method."""

import asyncio

import numpy as np
import pandas as pd
import pytest

from tiffin.exceptions import SignatureError
from tiffin.signatures import ModelSignature, infer_signature_specs

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
