"""Kinds of values: what tokenizers and processors return, padded where calls merge, and what models return, cut back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from transformers import image_processing_base
from transformers.utils import ModelOutput

from tiffin.signatures import infer_spec
from tiffin.values import Inseparable, ValueKind, find_kind, registry

_PADDED = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask")
"""What has a value for each token: zeros are added where another caller's texts are longer, and the mask leaves them out."""
_ALONG_TOKENS = {
    "last_hidden_state": (1,), "hidden_states": (1,), "start_logits": (1,), "end_logits": (1,), "attentions": (2, 3),
}  # fmt: skip
"""Field of an output → the axes along which it has a value for each token. Logits have one where they have three axes."""


_ENCODINGS = {
    "text": transformers.BatchEncoding,
    "features": transformers.BatchFeature,
    "images": image_processing_base.BatchFeature,
}


class EncodingKind(ValueKind):
    """What a tokenizer, a feature extractor or an image processor returns: batches side by side, by name.

    Texts of several callers are padded to the longest, on the right, where there is a mask that leaves the padding out.
    What a fast tokenizer says besides, as of words, stays behind where values are joined, cut or sent.
    """

    name = "transformers.BatchEncoding"
    types = tuple(_ENCODINGS.values())

    def count(self, value: Any, axis: int) -> int | None:
        """Return the rows that all values have in common."""
        return _dicts().count(_data(value), axis)

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the names and what their values need to join; of what is padded all but the length."""
        data, padded = _data(value), _padded(value, axis)
        others = {name: item for name, item in data.items() if name not in padded}
        rest = _dicts().key(others, axis)
        return (
            None
            if rest is None
            else (
                type(value),
                tuple(data),
                rest,
                tuple((n, str(data[n].dtype), str(getattr(data[n], "device", ""))) for n in padded),
            )
        )

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one, padded to the longest."""
        padded = _padded(values[0], axis)
        length = max((value["input_ids"].shape[1] for value in values), default=0) if padded else 0
        return type(values[0])(
            _dicts().join(
                [{n: _pad(v, length) if n in padded else v for n, v in value.items()} for value in values], axis
            )
        )

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return these rows of each value."""
        return type(value)(_dicts().cut(_data(value), start, stop, axis))

    def own(self, part: Any) -> Any:
        """Return copies."""
        return type(part)({name: _own(item) for name, item in part.items()})

    def settle(self, result: Any) -> Any:
        """Return values off the gradient graph."""
        return type(result)({name: registry.settle(item) for name, item in result.items()})

    def send(self, value: Any) -> Any:
        """Return what the class is for, and the values by name."""
        return [next(name for name, kind in _ENCODINGS.items() if kind is type(value)), _data(value)]

    def receive(self, parts: Any) -> Any:
        """Return one of the classes."""
        name, data = parts
        return _ENCODINGS[name](dict(data))

    def spec(self, value: Any, axis: int | None) -> Mapping[str, Any] | None:
        """Return the spec of each value, with the length of texts free."""
        found = {name: infer_spec(item, batch_dim=axis) for name, item in value.items()}
        for name in _padded(value, axis or 0):
            found[name] = {**found[name], "shape": [found[name]["shape"][0], None]}
        return {"type": "dict", "properties": found}


class OutputKind(ValueKind):
    """What models return: batches side by side, by name; those of padded texts are cut back to their length."""

    name = "transformers.ModelOutput"
    types = (ModelOutput,)
    subclasses = True

    def count(self, value: Any, axis: int) -> int | None:
        """Return the rows that all fields have in common."""
        return _dicts().count(dict(value), axis)

    def key(self, value: Any, axis: int) -> Hashable:
        """Return the class, and what the fields need to join."""
        inner = _dicts().key(dict(value), axis)
        return None if inner is None else (type(value), inner)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return one output."""
        return type(values[0])(**_dicts().join([dict(value) for value in values], axis))

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return these rows of each field."""
        return type(value)(**_dicts().cut(dict(value), start, stop, axis))

    def own(self, part: Any) -> Any:
        """Return copies."""
        return type(part)(**{name: _own(item) for name, item in part.items()})

    def settle(self, result: Any) -> Any:
        """Return fields off the gradient graph."""
        return type(result)(**{name: registry.settle(item) for name, item in result.items()})

    def separate(self, result: Any, counts: Sequence[int], axis: int, brought: Sequence[Sequence[Any]]) -> list[Any]:
        """Return each caller's rows, as long as its own texts.

        Raises:
            Inseparable: a field may have a value for each token, and it is not known whether it does.
        """
        parts = self.split(result, counts, axis)
        for values in brought:
            lengths = [_length(value, axis) for value in values]
            longest = max(lengths)
            if longest and len(set(lengths)) > 1:
                parts = [type(p)(**_cut_back(p, longest, n)) for p, n in zip(parts, lengths, strict=True)]
        return parts

    def send(self, value: Any) -> Any:
        """Return the class's name and the fields."""
        return [type(value).__name__, dict(value)]

    def receive(self, parts: Any) -> Any:
        """Return an output of the class, where it is a common one or is loaded; else one of the base class."""
        name, fields = parts
        kind = getattr(transformers.modeling_outputs, name, None) or _loaded(ModelOutput).get(name)
        if isinstance(kind, type) and issubclass(kind, ModelOutput):
            return kind(**fields)
        return ModelOutput(fields)

    def spec(self, value: Any, axis: int | None) -> Mapping[str, Any] | None:
        """Return no more than that it is an output: lengths of texts differ from call to call."""
        return {"type": "object", "class": "transformers.utils.generic.ModelOutput"}


def _dicts() -> ValueKind:
    found = find_kind({})
    assert found is not None
    return found


def _data(value: Any) -> dict[str, Any]:
    return dict(value.items())


def _padded(value: Any, axis: int) -> list[str]:
    """Return the names of what may be padded: tokens and what is beside them, where there is a mask."""
    if axis or "attention_mask" not in value or "input_ids" not in value:
        return []
    shape = getattr(value["input_ids"], "shape", ())
    ready = len(shape) == 2 and all(
        isinstance(value[n], (torch.Tensor, np.ndarray)) for n in ("input_ids", "attention_mask")
    )
    return [n for n in _PADDED if ready and getattr(value.get(n), "shape", None) == shape]


def _length(value: Any, axis: int) -> int:
    return (
        int(value["input_ids"].shape[1])
        if isinstance(value, transformers.BatchEncoding) and _padded(value, axis)
        else 0
    )


def _pad(array: Any, length: int) -> Any:
    more = length - array.shape[1]
    if not more:
        return array
    return (
        torch.nn.functional.pad(array, (0, more))
        if isinstance(array, torch.Tensor)
        else np.pad(array, ((0, 0), (0, more)))
    )


def _own(item: Any) -> Any:
    kind = find_kind(item)
    return item if kind is None else kind.own(item)


def _cut_back(output: Any, longest: int, length: int) -> dict[str, Any]:
    return {name: _shorter(name, item, longest, length) for name, item in output.items()}


def _shorter(name: str, item: Any, longest: int, length: int) -> Any:
    if isinstance(item, tuple):
        return tuple(_shorter(name, one, longest, length) for one in item)
    axes = _ALONG_TOKENS.get(name, (1,) if name == "logits" and item.ndim == 3 else ())
    if name not in ("logits", "pooler_output", *_ALONG_TOKENS) and longest in item.shape[1:]:
        raise Inseparable(
            f"The field {name!r} may have a value for each token, and texts of several callers were padded"
        )
    for axis in axes:
        item = item.narrow(axis, 0, length) if item.shape[axis] == longest else item
    return item


def _loaded(kind: type[Any]) -> dict[str, type[Any]]:
    found = {kind.__name__: kind}
    for derived in kind.__subclasses__():
        found |= _loaded(derived)
    return found
