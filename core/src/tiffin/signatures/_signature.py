"""What is known of one of a model's methods: whether its calls may be merged, and what goes in and out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import attrs

from tiffin.exceptions import SignatureError
from tiffin.signatures._batch_dim import BatchDim, parse_batch_dim, plain_batch_dim
from tiffin.signatures._text import did_you_mean, of_method

_YES = {
    "batchable": "calls may be merged along batch_dim",
    "stream": "the method is a generator, whose items go to the caller one by one",
    "thread_affine": "it must run in the thread that loaded the model",
    "idempotent": "it may run twice with the same arguments",
}
"""What each field that is true or false says where it is true."""


def _truth(value: object, field: str, *, method: str = "") -> bool:
    if isinstance(value, bool):
        return value
    raise SignatureError(
        f"{field}={value!r}{of_method(method)} is not True or False",
        why=f"It has the type {type(value).__name__}",
        fix=f"Give True if {_YES[field]}, else False",
        method=method,
    )


def _parse_batch_dim(value: Any) -> BatchDim:
    return parse_batch_dim(value)


def _check_truth(instance: object, attribute: attrs.Attribute[bool], value: object) -> None:
    _truth(value, attribute.name)


@attrs.frozen
class ModelSignature:
    """One method of a model, as callers and batching see it.

    Instances do not change; `attrs.evolve` makes changed copies. Those with specs or axes by name are not hashable.

    Args:
        batchable: whether several calls may be merged into one along `batch_dim`, and its answer be split again.
        batch_dim: the batch axis: one number for input and output, a pair (input, output), or a mapping from
            argument name to axis (`None`, or not named: that argument is not batched), alone or as a pair's input.
            Kept as a pair. Means nothing while `batchable` is false.
        input_spec: plain data that describes the input (see `infer_spec`), or `None` if nothing is known.
        output_spec: the same of the output.
        stream: whether the method is a generator, whose items go to the caller one by one.
        thread_affine: whether it must run in the thread that loaded the model.
        idempotent: whether it may run twice with the same arguments: to find the call that made a batch fail, or because a
            worker died.

    Raises:
        SignatureError: a field has a wrong type or form, or a method that streams is batchable or thread-affine.
    """

    __module__ = "tiffin"  # pickles hold the public name, wherever the file is

    batchable: bool = attrs.field(default=False, validator=_check_truth)
    batch_dim: BatchDim = attrs.field(default=(0, 0), converter=_parse_batch_dim)
    input_spec: Any | None = None
    output_spec: Any | None = None
    stream: bool = attrs.field(default=False, validator=_check_truth)
    thread_affine: bool = attrs.field(default=False, validator=_check_truth)
    idempotent: bool = attrs.field(default=True, validator=_check_truth)

    def __attrs_post_init__(self) -> None:
        _refuse_stream(self.stream, {"batchable": self.batchable, "thread_affine": self.thread_affine}, "")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelSignature:
        """Return the signature that a mapping of its fields stands for; see `from_any`."""
        return cls.from_any(data)

    @classmethod
    def from_any(cls, value: ModelSignature | Mapping[str, Any] | None, *, method: str = "") -> ModelSignature:
        """Return the signature that `value` stands for.

        Args:
            value: a signature, a mapping with some of its fields, or `None` for all defaults. Specs are copied,
                not examined: `normalise_signatures` does that.
            method: the method that it belongs to, for errors.

        Raises:
            SignatureError: the value is something else, has an unknown field, or a field with a wrong type.
        """
        if value is None:
            return cls()
        if isinstance(value, ModelSignature):
            return value
        if not isinstance(value, Mapping):
            raise SignatureError(
                f"The signature{of_method(method)} is {value!r}",
                why=f"A signature is a ModelSignature or a mapping of its fields, not a {type(value).__name__}",
                fix="Write, for example, {'batchable': True}",
                method=method,
            )
        for key in value:
            if key not in _FIELDS:
                raise SignatureError(
                    f"The signature{of_method(method)} has an unknown field {key!r}",
                    fix=did_you_mean(str(key), _FIELDS, otherwise="Its fields are"),
                    method=method,
                )
        truths = {field: _truth(value[field], field, method=method) for field in _YES if field in value}
        _refuse_stream(truths.get("stream", False), truths, method)
        return cls(
            **truths,
            batch_dim=parse_batch_dim(value.get("batch_dim", 0), method=method),
            input_spec=_copy(value.get("input_spec")),
            output_spec=_copy(value.get("output_spec")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the signature as plain data, which `from_any` reads back.

        Fields that have their default are left out, `batchable` never is. `batch_dim` takes its shortest form: one
        number if input and output have the same axis, else a list of two, or a mapping where arguments are named.
        Shares nothing with the signature.
        """
        plain: dict[str, Any] = {"batchable": self.batchable}
        if self.batch_dim != (0, 0):
            plain["batch_dim"] = plain_batch_dim(self.batch_dim)
        if self.input_spec is not None:
            plain["input_spec"] = _copy(self.input_spec)
        if self.output_spec is not None:
            plain["output_spec"] = _copy(self.output_spec)
        for field, default in (("stream", False), ("thread_affine", False), ("idempotent", True)):
            if getattr(self, field) is not default:
                plain[field] = not default
        return plain

    def input_batch_dim(self, argument: str) -> int | None:
        """Return the batch axis of the argument with this name, `None` if it is not batched.

        Does not look at `batchable`. Where one axis stands for all arguments, any name gives that axis.
        """
        given = self.batch_dim[0]
        return given.get(argument) if isinstance(given, dict) else given

    @property
    def output_batch_dim(self) -> int:
        """The batch axis of what the method returns."""
        return self.batch_dim[1]


def _refuse_stream(stream: bool, others: Mapping[str, bool], method: str) -> None:
    wrong = [field for field in ("batchable", "thread_affine") if others.get(field)]
    if stream and wrong:
        raise SignatureError(
            f"stream=True and {wrong[0]}=True{of_method(method)} exclude each other",
            why="Methods that stream run unmerged, several at a time",
            fix="Leave one of them out",
            method=method,
        )


_FIELDS = ("batchable", "batch_dim", "input_spec", "output_spec", "stream", "thread_affine", "idempotent")


def _copy(spec: Any) -> Any:
    """Return a copy of a spec. A save makes several, and of plain values this takes a tenth of what `deepcopy` does."""
    if type(spec) is dict:
        return {key: _copy(item) for key, item in spec.items()}
    if type(spec) is list:
        return [_copy(item) for item in spec]
    return spec if spec is None or isinstance(spec, (str, int, float)) else copy.deepcopy(spec)
