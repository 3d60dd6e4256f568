"""How calls are taken apart: which arguments are batched, which calls may share a batch, what is refused."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
from typing import Any

import numpy
import pytest

from tiffin.batching import BatchAxes, Prepared, prepare
from tiffin.exceptions import BatchInputError, BatchRowsError

X = numpy.arange(12.0).reshape(3, 4)


def take_apart(
    *args: Any, batch_dim: Any = 0, parameters: tuple[str, ...] | None = ("x", "y"), **kwargs: Any
) -> Prepared:
    return prepare("predict", BatchAxes.parse(batch_dim), parameters, args, kwargs)


@pytest.mark.parametrize(
    ("batch_dim", "inputs", "output"),
    [
        (0, 0, 0),
        (1, 1, 1),
        (-1, -1, -1),
        ((0, 1), 0, 1),
        ([1, 0], 1, 0),
        ({"x": 0, "y": None}, {"x": 0, "y": None}, 0),
        (({"x": 1}, 2), {"x": 1}, 2),
    ],
)
def test_a_batch_dim_is_a_number_a_pair_or_a_mapping(batch_dim: Any, inputs: Any, output: int) -> None:
    """Each form says the axes of inputs and output."""
    assert BatchAxes.parse(batch_dim) == (inputs, output)


@pytest.mark.parametrize("batch_dim", [None, "0", 0.0, True, (0,), (0, 1, 2), {"x": "0"}, {0: 0}, (0, None)])
def test_anything_else_is_refused(batch_dim: Any) -> None:
    """With the value in the message."""
    with pytest.raises(BatchInputError, match="batch_dim is"):
        BatchAxes.parse(batch_dim)


def test_calls_merge_over_positional_and_keyword_arguments() -> None:
    """Each batched argument is joined in its place; the others stay as they are."""
    first = take_apart(X, weights=X[:, 0], scale=2)
    second = take_apart(X[:1], weights=X[:1, 0], scale=2)
    assert first.key == second.key
    assert first.layout is not None
    args, kwargs = first.layout.merge([first.payload, second.payload])
    assert numpy.array_equal(args[0], numpy.concatenate([X, X[:1]]))
    assert numpy.array_equal(kwargs["weights"], numpy.concatenate([X[:, 0], X[:1, 0]]))
    assert kwargs["scale"] == 2


def test_a_mapping_says_which_arguments_are_batched() -> None:
    """By name, for positional arguments too; what it does not name is compared instead."""
    batch_dim = {"x": 1, "y": None}
    first = take_apart(X, X, batch_dim=batch_dim)
    assert first.rows == 4
    assert first.key == take_apart(X[:, :2], X.copy(), batch_dim=batch_dim).key
    assert first.key != take_apart(X[:, :2], X + 1, batch_dim=batch_dim).key
    assert first.layout is not None
    args, _ = first.layout.merge([first.payload, first.payload])
    assert args[0].shape == (3, 8)
    assert numpy.array_equal(args[1], X)


def test_the_template_does_not_keep_the_first_calls_rows_alive() -> None:
    """Batched arguments are left out of it."""
    layout = take_apart(X, scale=3).layout
    assert layout is not None
    assert layout.args == (None,)
    assert layout.kwargs == {"scale": 3}


class Colour(enum.Enum):
    RED = 1


SAME = [
    1,
    1.5,
    "text",
    b"bytes",
    None,
    True,
    (1, "a"),
    [1, [2]],
    {"a": [1]},
    {1, 2},
    Colour.RED,
    numpy.float64(2),
    int,
    len,
    numpy.dtype("f4"),
    datetime.date(2026, 1, 1),
    slice(1, 2),
    math.nan,
]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_calls_with_equal_other_arguments_merge(value: Any) -> None:
    """Equal by type and value."""
    assert take_apart(X, option=value, batch_dim={"x": 0}).key == take_apart(X, option=value, batch_dim={"x": 0}).key


DIFFERENT = [
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    ("1", 1),
    ((1,), [1]),
    ({"a": 1}, {"a": 2}),
    ([1, 2], [2, 1]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    (numpy.float32(1), numpy.float64(1)),
    (1, numpy.int64(1)),
    (None, 0),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=repr)
def test_calls_with_different_other_arguments_do_not(left: Any, right: Any) -> None:
    """A method could tell these apart."""
    left, right = (take_apart(X, option=value, batch_dim={"x": 0}).key for value in (left, right))
    assert left != right


def test_what_cannot_be_compared_travels_alone() -> None:
    """Objects of unknown classes, large arrays, arrays of objects."""

    class Option:
        pass

    large, objects = numpy.zeros(100_000), numpy.array([object()])
    for value in (Option(), [Option()], large, objects):
        prepared = take_apart(X, option=value, batch_dim={"x": 0})
        assert prepared.key is None
        assert prepared.layout is not None


@pytest.mark.parametrize("args", [(), (5,), ("text",), (numpy.zeros((0, 4)),), ([],)])
def test_a_call_without_rows_runs_as_it_is(args: tuple[Any, ...]) -> None:
    """What it means is for the method to say."""
    assert take_apart(*args) == (None, 1, (args, {}), None)


def test_arguments_with_different_numbers_of_rows_are_refused() -> None:
    """The error names both."""
    with pytest.raises(BatchInputError, match="argument 0 of 'predict' has 3 rows, and argument 'y' has 2") as caught:
        take_apart(X, y=[1, 2])
    assert caught.value.method == "predict"


def test_an_axis_that_an_argument_does_not_have_is_refused() -> None:
    """With the shape in the message."""
    with pytest.raises(BatchInputError, match=r"shape \(3,\) has no axis 1"):
        take_apart(X[:, 0], batch_dim=1)


def test_an_argument_declared_as_a_batch_must_be_one() -> None:
    """Only a mapping declares it; with a number, other values are compared."""
    with pytest.raises(BatchInputError, match="declared as a batch, and is a int"):
        take_apart(5, batch_dim={"x": 0})


def test_a_mapping_needs_the_names_of_positional_arguments() -> None:
    """When they are not known the error says to pass them by name."""
    with pytest.raises(BatchInputError, match="by name"):
        take_apart(X, batch_dim={"x": 0}, parameters=None)
    assert take_apart(x=X, batch_dim={"x": 0}, parameters=None).rows == 3


@pytest.mark.parametrize("result", [numpy.ones(2), [1, 2], numpy.float64(1), 5, None, "abc", (numpy.ones(3), 1)])
def test_a_result_with_the_wrong_number_of_rows_is_an_error(result: Any) -> None:
    """Never a guess; also for what is no batch at all."""
    layout = take_apart(X).layout
    assert layout is not None
    with pytest.raises(BatchRowsError) as caught:
        layout.split_result(result, [1, 2], 3, [X[:1], X[1:]])
    assert caught.value.expected == 3


def test_the_output_has_an_axis_of_its_own() -> None:
    """batch_dim=(0, 1): rows come back as columns."""
    layout = take_apart(X, batch_dim=(0, 1)).layout
    assert layout is not None
    left, right = layout.split_result(X.T, [1, 2], 3, [X[:1], X[1:]])
    assert left.shape == (4, 1)
    assert right.shape == (4, 2)
