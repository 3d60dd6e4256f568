"""ModelSignature, what stands for one, and the comparison with a model's methods."""

import json
import subprocess
import sys

import attrs
import pytest
import yaml

from tiffin.exceptions import SignatureError
from tiffin.signatures import ModelSignature, check_signatures, find_method, normalise_signatures


class Model:
    """A model with methods, a value, and a method that exists only under a condition."""

    classes_ = (0, 1)

    def predict(self, x, mask=None):
        return x

    def predict_proba(self, x):
        return x

    @property
    def expensive(self):
        raise AssertionError("looking at a model must not compute its properties")


def test_defaults_and_field_names_are_bentomls():
    """A signature without arguments is not batchable, along axis 0, with nothing known."""
    fields = attrs.asdict(ModelSignature())
    bentoml = {"batchable": False, "batch_dim": (0, 0), "input_spec": None, "output_spec": None}
    assert fields == {**bentoml, "stream": False, "thread_affine": False, "idempotent": True}
    assert list(fields)[:4] == list(bentoml)


def test_a_signature_does_not_change():
    """Assigning a field fails; a changed copy is made by attrs.evolve."""
    signature = ModelSignature()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        signature.batchable = True
    assert attrs.evolve(signature, batchable=True, batch_dim=1).batch_dim == (1, 1)


def test_a_signature_a_mapping_and_nothing_all_stand_for_a_signature():
    """Dicts are accepted wherever signatures are, and None means the defaults."""
    signature = ModelSignature(batchable=True)
    assert ModelSignature.from_any(signature) is signature
    assert ModelSignature.from_any({"batchable": True}) == signature
    assert ModelSignature.from_any(None) == ModelSignature()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batchabel": True}, "unknown field 'batchabel'. Did you mean 'batchable'?"),
        (
            {"zzz": 1},
            "unknown field 'zzz'. Its fields are batchable, batch_dim, input_spec, output_spec, stream, thread_affine",
        ),
        ({"batchable": "yes"}, "batchable='yes' of method 'predict' is not True or False"),
        ({"batchable": 1}, "batchable=1 of method 'predict' is not True or False"),
        (True, "not a bool"),
        ([("batchable", True)], "not a list"),
    ],
)
def test_what_is_no_signature_is_refused_by_name(wrong, says):
    """The error says which method, which field, and what was probably meant."""
    with pytest.raises(SignatureError) as caught:
        normalise_signatures({"predict": wrong})
    assert says in str(caught.value)
    assert "'predict'" in str(caught.value)
    assert caught.value.method == "predict"


def test_the_plain_form_survives_yaml_and_json():
    """What is written to a record is read back equal, with specs and axes by name."""
    signature = ModelSignature(
        batchable=True,
        batch_dim=({"x": 0, "mask": None}, 1),
        input_spec={"type": "array", "dtype": "float32", "shape": [None, 4]},
        output_spec={"type": "none"},
    )
    plain = signature.to_dict()
    assert ModelSignature.from_any(yaml.safe_load(yaml.safe_dump(plain))) == signature
    assert ModelSignature.from_any(json.loads(json.dumps(plain))) == signature


def test_defaults_are_left_out_of_the_plain_form_but_batchable_never():
    """A record always says whether a method is batchable."""
    assert ModelSignature().to_dict() == {"batchable": False}
    assert ModelSignature(batchable=True).to_dict() == {"batchable": True}


def test_bentomls_records_are_read():
    """The forms that BentoML writes into model.yaml, batch_dim as a list or a number, mean the same here."""
    record = yaml.safe_load("predict: {batchable: true, batch_dim: [0, 0]}\nembed: {batchable: true, batch_dim: 1}\n")
    assert normalise_signatures(record) == {
        "predict": ModelSignature(batchable=True),
        "embed": ModelSignature(batchable=True, batch_dim=(1, 1)),
    }


def test_the_adapters_defaults_count_only_when_the_user_gave_none():
    """Signatures of the user replace the adapter's, they are not merged; an empty mapping is an answer too."""
    defaults = {"predict": {"batchable": True}}
    assert normalise_signatures(None, defaults) == {"predict": ModelSignature(batchable=True)}
    assert normalise_signatures({"embed": None}, defaults) == {"embed": ModelSignature()}
    assert normalise_signatures({}, defaults) == {}
    assert normalise_signatures(None) == {}


def test_specs_of_users_become_plain():
    """Tuples, -1 and dtype spellings end in the one form that is stored."""
    spec = {"type": "array", "dtype": float, "shape": (-1, 4)}
    signature = normalise_signatures({"predict": ModelSignature(input_spec=spec)})["predict"]
    assert signature.input_spec == {"type": "array", "dtype": "float64", "shape": [None, 4]}
    with pytest.raises(
        SignatureError, match=r"The output_spec of method 'predict' is not a spec.*Did you mean 'array'"
    ):
        normalise_signatures({"predict": {"output_spec": {"type": "aray"}}})


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ({"input_spec": {"type": "array", "shape": [5, 4]}}, "The input_spec of method 'f' has the shape (5, 4)"),
        ({"output_spec": {"type": "array", "shape": []}}, "The output_spec of method 'f' has the shape ()"),
        ({"batch_dim": (0, 1), "output_spec": {"type": "array", "shape": [None, 4]}}, "length of batch axis 1 differs"),
        (
            {"input_spec": {"type": "dict", "properties": {"x": {"type": "array", "shape": [3]}}}},
            "The input_spec.properties['x'] of method 'f' has the shape (3,)",
        ),
        (
            {"input_spec": {"type": "tuple", "items": [{"type": "any"}, {"type": "array", "shape": [3]}]}},
            "The input_spec.items[1] of method 'f' has the shape (3,)",
        ),
    ],
)
def test_a_spec_that_fixes_the_batch_axis_contradicts_its_signature(signature, says):
    """A batchable method whose spec allows one batch size only is refused; it is fine when not batchable."""
    with pytest.raises(SignatureError) as caught:
        normalise_signatures({"f": {"batchable": True, **signature}})
    assert says in str(caught.value)
    assert normalise_signatures({"f": signature})["f"].batchable is False


def test_a_spec_with_a_free_batch_axis_agrees_with_its_signature():
    """Only the batch axis must be free; specs without a shape say nothing of it."""
    spec = {"type": "tuple", "items": [{"type": "array", "shape": [4, None]}, {"type": "array"}, {"type": "frame"}]}
    signature = normalise_signatures({"f": {"batchable": True, "batch_dim": 1, "input_spec": spec}})["f"]
    assert signature.input_spec == spec


@pytest.mark.parametrize("name", ["", "a b", "a.b", "class", "1st", 3, None])
def test_a_name_that_no_method_can_have_is_refused(name):
    """Method names are identifiers."""
    with pytest.raises(SignatureError, match="cannot be the name of a method"):
        normalise_signatures({name: None})


def test_signatures_that_are_no_mapping_are_refused():
    """A list of method names is not taken for a mapping."""
    with pytest.raises(SignatureError, match=r"signatures=\['predict'\] is not a mapping"):
        normalise_signatures(["predict"])


def test_methods_that_exist_pass():
    """Methods, "__call__" of functions and classes, and argument names in batch_dim are found."""
    check_signatures(Model(), normalise_signatures({"predict": {"batch_dim": {"x": 0, "mask": None}}}))
    check_signatures(len, normalise_signatures({"__call__": None}))
    check_signatures(lambda x: x, normalise_signatures({"__call__": {"batch_dim": {"x": 0}}}))


@pytest.mark.parametrize(
    ("signatures", "says"),
    [
        ({"predict_probe": None}, "The model (Model) has no method 'predict_probe'. Did you mean 'predict_proba'"),
        ({"zzz": None}, "has no method 'zzz'. Its methods are predict, predict_proba."),
        ({"__call__": None}, "has no method '__call__'. It is not callable. Its methods are predict, predict_proba."),
        ({"classes_": None}, "'classes_' of the model (Model) is not a method. It is a value of type tuple"),
        ({"predict": {"batch_dim": {"x": 0, "maks": 0}}}, "not take an argument 'maks'. Did you mean 'mask'?"),
    ],
)
def test_a_method_that_does_not_exist_is_refused_with_those_that_look_alike(signatures, says):
    """The error names the method, the model's class, and what exists; no property is computed for that."""
    with pytest.raises(SignatureError) as caught:
        check_signatures(Model(), normalise_signatures(signatures))
    assert says in str(caught.value)
    assert caught.value.method == next(iter(signatures))


def test_why_a_conditional_method_is_missing_is_passed_on():
    """A method that exists in some configurations only gives its own reason."""

    class Conditional:
        def __get__(self, obj, owner=None):
            raise AttributeError("fit with probability=True")

    class Classifier:
        predict_proba = Conditional()

    with pytest.raises(SignatureError, match="fit with probability=True") as caught:
        find_method(Classifier(), "predict_proba")
    assert isinstance(caught.value.__cause__, AttributeError)


def test_importing_signatures_imports_no_array_library():
    """numpy, pandas and asyncio are paid for only by who uses them."""
    code = (
        "import sys, tiffin.signatures as s;"
        "s.infer_spec({'x': [1.0]}); s.normalise_signatures({'f': {'batchable': True}});"
        "print([name for name in ('numpy', 'pandas', 'polars', 'asyncio', 'yaml', 'difflib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_runners_mind_of_a_method_is_stored() -> None:
    """Only where it is not the default, so that records and digests of before stay what they were."""
    given = {"batchable": True, "thread_affine": True, "idempotent": False}
    signature = ModelSignature.from_any(given)
    assert signature.to_dict() == given
    assert ModelSignature.from_any(signature.to_dict()) == signature
    assert ModelSignature.from_any({"stream": True}).to_dict() == {"batchable": False, "stream": True}
    assert ModelSignature(idempotent=True).to_dict() == {"batchable": False}


@pytest.mark.parametrize("other", ["batchable", "thread_affine"])
def test_a_method_that_streams_is_neither_batchable_nor_bound_to_a_thread(other: str) -> None:
    """The runner could do neither; the method is named."""
    with pytest.raises(SignatureError, match=f"stream=True and {other}=True of method 'talk' exclude"):
        ModelSignature.from_any({"stream": True, other: True}, method="talk")
    with pytest.raises(SignatureError, match="exclude each other"):
        ModelSignature(stream=True, **{other: True})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["stream", "thread_affine", "idempotent"])
def test_what_is_neither_true_nor_false_is_refused(field: str) -> None:
    """A word in a record could mean anything."""
    with pytest.raises(SignatureError, match=f"{field}='yes' of method 'x' is not True or False"):
        ModelSignature.from_any({field: "yes"}, method="x")
