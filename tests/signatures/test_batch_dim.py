"""The batch axes of a method: every form that users write comes out as what it means."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.exceptions import SignatureError
from tiffin.signatures import ModelSignature

axes = st.integers(-3, 5)
by_name = st.dictionaries(st.sampled_from(["x", "y", "mask", "lengths"]), st.none() | axes, min_size=1).filter(
    lambda mapping: any(axis is not None for axis in mapping.values())
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0, (0, 0)),
        (1, (1, 1)),
        ((0, 1), (0, 1)),
        ([0, 0], (0, 0)),
        ({"x": 0, "mask": None}, ({"x": 0, "mask": None}, 0)),
        ({"x": 1, "y": 1}, ({"x": 1, "y": 1}, 1)),
        (({"x": 1, "y": 0}, 2), ({"x": 1, "y": 0}, 2)),
        ([{"x": 1}, 0], ({"x": 1}, 0)),
    ],
)
def test_each_form_of_batch_dim_becomes_an_input_output_pair(written, meant):
    """One number, a pair, a list, a mapping and a pair with a mapping all end as (input, output)."""
    assert ModelSignature(batchable=True, batch_dim=written).batch_dim == meant
    assert ModelSignature.from_any({"batch_dim": written}).batch_dim == meant


@given(axes | st.tuples(axes | by_name, axes))
def test_every_batch_dim_comes_back_from_its_plain_form(written):
    """`to_dict` and `from_any` are inverses for every batch_dim."""
    signature = ModelSignature(batchable=True, batch_dim=written)
    assert ModelSignature.from_any(signature.to_dict()) == signature


def test_the_shortest_plain_form_is_chosen():
    """Equal axes are one number, shared ones by name a mapping, and the default is left out."""

    def plain(batch_dim):
        return ModelSignature(batch_dim=batch_dim).to_dict().get("batch_dim")

    assert plain((0, 0)) is None
    assert plain((1, 1)) == 1
    assert plain((0, 1)) == [0, 1]
    assert plain(({"x": 1, "mask": None}, 1)) == {"x": 1, "mask": None}
    assert plain(({"x": 1}, 0)) == [{"x": 1}, 0]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("0", "is not the number of an axis"),
        (0.0, "is not the number of an axis"),
        (True, "is not the number of an axis"),
        (None, "is not the number of an axis"),
        ((0,), "this one has 1"),
        ((0, 1, 2), "this one has 3"),
        ((0, {"x": 0}), "is not the number of an axis"),
        (({"x": 0}, None), "The output needs an axis of its own"),
        ({}, "names no argument that is batched"),
        ({"mask": None}, "names no argument that is batched"),
        ({"x": "0"}, "is not the number of an axis"),
        ({0: 0}, "0 is not the name of an argument"),
        ({"x": 0, "y": 1}, "axes differ (0, 1), so the output's axis must be given"),
    ],
)
def test_what_is_no_batch_dim_is_refused_with_its_reason(wrong, says):
    """The error names the value, what is wrong with it, and the method where it is known."""
    with pytest.raises(SignatureError) as caught:
        ModelSignature(batch_dim=wrong)
    assert says in str(caught.value)
    assert f"batch_dim={wrong!r}" in str(caught.value)
    with pytest.raises(SignatureError, match="of method 'predict'") as caught:
        ModelSignature.from_any({"batch_dim": wrong}, method="predict")
    assert caught.value.method == "predict"


def test_the_axis_of_an_argument_is_found_by_name():
    """One axis stands for every argument; in a mapping, None and not being named both mean not batched."""
    one = ModelSignature(batchable=True, batch_dim=(0, 1))
    assert one.input_batch_dim("anything") == 0
    assert one.output_batch_dim == 1
    named = ModelSignature(batchable=True, batch_dim={"x": 1, "mask": None})
    assert [named.input_batch_dim(name) for name in ("x", "mask", "other")] == [1, None, None]
    assert named.output_batch_dim == 1


def test_the_users_mapping_is_copied():
    """Changing the mapping after the signature was made does not change the signature."""
    written = {"x": 0}
    signature = ModelSignature(batch_dim=written)
    written["x"] = 7
    signature.to_dict().clear()
    assert signature.batch_dim == ({"x": 0}, 0)


def test_signatures_travel_between_processes():
    """A signature with axes by name pickles and comes back equal."""
    signature = ModelSignature(batchable=True, batch_dim={"x": 0, "mask": None})
    assert pickle.loads(pickle.dumps(signature)) == signature
