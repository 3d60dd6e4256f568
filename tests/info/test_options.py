"""Options: a class or a dict of defaults; only what the adapter declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Optional

import attrs
import numpy as np
import pytest

from tiffin import ModelOptions
from tiffin.exceptions import MetadataError, SignatureError
from tiffin.info import options_from, options_to_dict


@attrs.frozen(kw_only=True)
class Compressed(ModelOptions):
    """Options of an adapter that compresses."""

    level: int = attrs.field(default=3, validator=attrs.validators.instance_of(int))
    _secret: str = "x"
    derived: int = attrs.field(init=False, default=7)


def test_options_of_a_class_are_an_instance_of_it() -> None:
    """With the defaults, and what was given."""
    options = options_from(Compressed, {"level": 5})
    assert isinstance(options, Compressed)
    assert (options.level, options.partial_kwargs) == (5, {})


def test_options_of_a_dict_are_a_dict() -> None:
    """A plain dict is as good as a class; the declared one is not changed."""
    declared = {"level": 3}
    options = options_from(declared, {"partial_kwargs": {"predict": {"a": 1}}})
    assert options == {"level": 3, "partial_kwargs": {"predict": {"a": 1}}}
    options["level"] = 9
    assert declared == {"level": 3}


@pytest.mark.parametrize(
    ("default", "given", "fits"),
    [
        (3, 5, True), (3, 2.5, True), (3, True, False), (3, "os.system", False), ("a", "b", True), ("a", 7, False),
        (True, False, True), (True, 1, False), ((), [1], True), ([], "ab", False), (None, "anything", True),
    ],
)  # fmt: skip
def test_defaults_of_a_dict_say_what_their_options_take(default: Any, given: Any, fits: bool) -> None:
    """A plain dict is as good as a class: a number for a name is refused, a whole number is as good as any other."""
    if fits:
        assert options_from({"x": default}, {"x": given})["x"] == (tuple(given) if default == () else given)
        return
    with pytest.raises(SignatureError, match="Options were refused: x: expected"):
        options_from({"x": default}, {"x": given})


def test_without_options_there_are_partial_kwargs_alone() -> None:
    """Every adapter has those."""
    assert options_from(None, {}) == {}
    with pytest.raises(
        SignatureError, match=r"Unknown option 'level'. Options are what the adapter declares: partial_kwargs"
    ):
        options_from(None, {"level": 3})


@pytest.mark.parametrize("declared", [Compressed, {"level": 3}])
def test_an_unknown_option_is_refused_with_a_suggestion(declared: Any) -> None:
    """A misspelled option must not do nothing."""
    with pytest.raises(SignatureError, match=r"Unknown option 'levle'.*Did you mean 'level'"):
        options_from(declared, {"levle": 5})


def test_a_value_that_the_class_refuses_is_told() -> None:
    """The cause is chained."""
    with pytest.raises(SignatureError, match="Options for Compressed were refused") as caught:
        options_from(Compressed, {"level": "high"})
    assert isinstance(caught.value.__cause__, TypeError)


def test_options_are_recorded_so_that_they_can_be_made_again() -> None:
    """By the names that the class takes; empty partial kwargs are left out."""
    options = options_from(Compressed, {"level": 5, "secret": "y"})
    recorded = options_to_dict(options)
    assert recorded == {"level": 5, "secret": "y"}
    assert options_from(Compressed, recorded) == options
    assert options_to_dict({"partial_kwargs": {"predict": {"a": (1,)}}}) == {"partial_kwargs": {"predict": {"a": [1]}}}


def test_options_without_a_plain_form_are_refused() -> None:
    """They stand in the record."""
    with pytest.raises(MetadataError, match=r"options\['level'\] is a set"):
        options_to_dict({"level": {1}})


def test_options_change_by_copies() -> None:
    """And only those that there are."""
    options = Compressed()
    assert options.with_options(level=9).level == 9
    assert options.level == 3
    with pytest.raises(SignatureError, match="Unknown option 'deflate'"):
        options.with_options(deflate=True)


Provider = str | tuple[str, dict[str, Any]]


@attrs.frozen(kw_only=True)
class Typed(ModelOptions):
    """Options of many types."""

    providers: tuple[Provider, ...] = ()
    layers: list[int] = attrs.field(factory=list)
    sizes: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)
    names: Sequence[str] = ()
    mode: Literal["fast", "exact"] = "fast"
    rate: Annotated[float, "per second"] = 0.5
    maybe: Optional[int] = None  # noqa: UP045 - as older code has it
    loose: Any = None
    either: list[int] | tuple[str, ...] = ()
    made: str = attrs.field(default="", converter=str)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("providers", ("CPU", ("CUDA", {"device_id": 1}))),
        ("layers", [1, 2]),
        ("sizes", {"small": (1, 2)}),
        ("names", ("a",)),
        ("mode", "exact"),
        ("rate", 2),
        ("maybe", 3),
        ("maybe", None),
        ("loose", [1, "a"]),
        ("either", [1]),
        ("either", ("a",)),
    ],
)
def test_options_come_back_with_the_types_that_they_had(name: str, value: Any) -> None:
    """A record has no tuples; what is declared as one is one again, also inside lists and dicts."""
    options = options_from(Typed, {name: value})
    recorded = options_to_dict(options)
    assert getattr(options, name) == value
    back = getattr(options_from(Typed, recorded), name)
    assert back == (list(value) if name == "names" else value)  # a sequence may be a list as well


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("providers", "CPU", "providers: expected tuple"),
        ("providers", ["CPU", ("CUDA", {"a": 1}, 2)], r"providers\[1\]: expected str | tuple"),
        ("layers", [1, "two"], r"layers\[1\]: expected int, found 'two'"),
        ("layers", [True], r"layers\[0\]: expected int, found True"),
        ("layers", 1, r"layers: expected list\[int\], found 1"),
        ("sizes", {"small": (1, 2, 3)}, r"sizes\['small'\]: expected tuple\[int, int\]"),
        ("sizes", {1: (1, 2)}, "a key of sizes: expected str, found 1"),
        ("sizes", [], "sizes: expected"),
        ("names", "abc", "names: expected .*Sequence"),
        ("mode", "slow", "mode: expected Literal"),
        ("rate", "fast", "rate: expected float"),
        ("rate", True, "rate: expected float"),
        ("maybe", "1", "maybe: expected"),
        ("either", [1.5], "either: expected"),
    ],
)
def test_options_of_other_types_are_refused_with_their_place(name: str, value: Any, said: str) -> None:
    """A text for a list of texts would be read letter by letter."""
    with pytest.raises(SignatureError, match=f"Options for Typed were refused: {said}"):
        options_from(Typed, {name: value})


def test_numbers_of_numpy_stand_for_pythons_and_converters_decide_themselves() -> None:
    """Both end as plain values."""
    options = options_from(Typed, {"layers": [np.int64(3)], "rate": np.float32(0.5), "made": 7})
    assert (options.layers, options.rate, options.made) == ([3], 0.5, "7")
    assert type(options.layers[0]) is int
    assert (
        options_from(Typed, {"layers": np.arange(2)}).layers == options_from(Typed, {"layers": (0, 1)}).layers == [0, 1]
    )


def test_a_tuple_among_defaults_says_that_it_is_one() -> None:
    """The short form has no types, but what its defaults are."""
    recorded = options_to_dict(options_from({"axes": (0, 1), "names": []}, {"axes": (1, 2), "names": ["a"]}))
    assert options_from({"axes": (0, 1), "names": []}, recorded) == {"axes": (1, 2), "names": ["a"]}


def test_annotations_that_cannot_be_found_are_not_checked() -> None:
    """An options class of a function, whose module postpones annotations, is as good as before."""
    Local = int

    @attrs.frozen(kw_only=True)
    class Hidden(ModelOptions):
        level: Local = 3  # type: ignore[valid-type]

    assert options_from(Hidden, {"level": "x"}).level == "x"
