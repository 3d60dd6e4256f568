"""Options: a class or a dict of defaults; only what the adapter declares."""

from __future__ import annotations

from typing import Any

import attrs
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
