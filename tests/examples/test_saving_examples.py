"""Saving with examples: what is kept, of which inputs, and what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tiffin
from scaling import ROWS, Scale
from tiffin.examples import read_file, unpack, unpack_inert
from tiffin.exceptions import ExamplesError, NotKeptWarning, SignatureError
from tiffin.models import default_store


def kept(model: tiffin.Model) -> Any:
    data = default_store().examples(model.info.content_digest)
    assert data is not None
    return read_file(data, "it")


def test_inputs_and_answers_are_kept_and_give_the_specs(saved: tiffin.Model) -> None:
    """An example is an input example too."""
    examples = kept(saved).examples
    assert [example.method for example in examples] == ["apply", "sizes"]
    assert np.array_equal(unpack(examples[0].arguments)[0][0], ROWS, equal_nan=True)
    assert np.array_equal(unpack_inert(examples[0].answer), ROWS * 3, equal_nan=True)
    assert saved.info.signatures["apply"].input_spec == {"type": "array", "dtype": "float64", "shape": [None, 2]}


def test_the_digest_is_that_of_the_model_without_examples(saved: tiffin.Model) -> None:
    """Evidence is no content: trust and signatures hold with and without."""
    without = tiffin.save("scale:2", Scale(3.0), input_example=ROWS)
    assert without.info.content_digest == saved.info.content_digest
    assert "examples" not in (saved.path / "model.yaml").read_text(encoding="utf-8")


def test_several_inputs_and_several_arguments_are_kept() -> None:
    """`Examples` holds inputs, `Arguments` those of one call; partial kwargs count as they do for callers."""
    model = tiffin.save(
        "scale",
        Scale(2.0),
        signatures={"apply": {"batchable": True}},
        partial_kwargs={"apply": {"shift": 1.0}},
        examples=tiffin.Examples(ROWS[:1], tiffin.Arguments(ROWS[1:2], shift=5.0)),
    )
    answers = [unpack_inert(example.answer) for example in kept(model).examples]
    assert [answer.tolist() for answer in answers] == [[[1.2, 1.4]], [[7.0, 11.0]]]
    assert tiffin.models.check("scale").verdict == "equal"


def test_true_keeps_the_input_example() -> None:
    """So one need not write it twice; without one there is nothing to keep."""
    model = tiffin.save("scale", Scale(2.0), input_example=ROWS[:2], examples=True)
    assert len(kept(model).examples) == 2
    with pytest.raises(ExamplesError, match="no input example to keep"):
        tiffin.save("scale", Scale(2.0), examples=True)


def test_a_method_that_changes_its_argument_leaves_the_users_alone() -> None:
    """It is run on what was kept, and what was kept is what went in."""
    rows = ROWS[:2].copy()
    model = tiffin.save("scale", Scale(2.0), signatures={"apply": {}}, input_example=rows, examples=rows)
    cleared = tiffin.save("scale", Scale(2.0), signatures={"clear": {}}, input_example=rows.copy(), examples=rows)
    assert np.array_equal(rows, ROWS[:2])
    assert np.array_equal(unpack(kept(cleared).examples[0].arguments)[0][0], ROWS[:2])
    assert unpack_inert(kept(cleared).examples[0].answer).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert model.info.content_digest != cleared.info.content_digest


def test_answers_without_a_plain_form_are_left_out_and_told() -> None:
    """The others are kept; where none can be, the save is refused."""
    with pytest.warns(
        NotKeptWarning, match="'as_object' to an example: an object of type scaling.Scale has no plain"
    ) as said:
        model = tiffin.save(
            "scale", Scale(2.0), signatures={"apply": {}, "as_object": {}, "in_parts": {"stream": True}}, examples=ROWS
        )
    assert "'in_parts' to an example, which comes in parts" in str(said[0].message)
    assert [example.method for example in kept(model).examples] == ["apply"]
    before = len(tiffin.models.list())
    with pytest.raises(ExamplesError, match="No example can be kept"):
        tiffin.save("scale", Scale(2.0), signatures={"as_object": {}}, examples=ROWS)
    assert len(tiffin.models.list()) == before


def test_an_input_without_a_plain_form_is_refused_before_anything_is_saved() -> None:
    """The path to what it holds is told."""
    with pytest.raises(ExamplesError, match=r"an object of type scaling\.Scale.*at examples\[0\]\[0\]\[0\]\['a'\]"):
        tiffin.save("scale", Scale(2.0), signatures={"apply": {}}, input_example=ROWS, examples={"a": Scale(1.0)})
    with pytest.raises(SignatureError, match="must have rows"):
        tiffin.save("scale", Scale(2.0), examples="text")
    assert tiffin.models.list() == []


def test_no_option_can_be_called_examples() -> None:
    """The argument would hide it."""
    from tiffin.info import RESERVED_OPTIONS
    from tiffin.store.request import ARGUMENTS

    assert "examples" in RESERVED_OPTIONS
    assert "examples" in ARGUMENTS
