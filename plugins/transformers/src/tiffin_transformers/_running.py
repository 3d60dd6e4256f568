"""What answers: models in inference mode on their device, pipelines that take batches, and what else can be called."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import Pipeline, PreTrainedModel
from transformers.utils import ModelOutput

from tiffin_torch.running import Inference, device_for, dtype_of, out_of_memory

from ._streaming import pieces, tokens

_CACHES = {"cache", "past_key_values", "cache_params"}


def running(obj: Any, options: Mapping[str, Any], device: str | None) -> Any:
    """Return what runs of an object of the library's."""
    if isinstance(obj, PreTrainedModel):
        return RunningModel(obj, options, device)
    if isinstance(obj, Pipeline):
        return RunningPipeline(obj, options, device)
    return OneByOne(obj) if callable(obj) else obj


class RunningModel:
    """A model, whose call takes what a tokenizer or processor returned as its one argument, or arguments by name.

    Args:
        model: the model; moved where a device is given.
        options: the adapter's.
        device: "nvidia.com/gpu" or "cpu"; `None` at save: then the model stays as it is.
    """

    def __init__(self, model: Any, options: Mapping[str, Any], device: str | None) -> None:
        self._model = model
        self._inference = Inference(model, device, options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_inference"], name)

    def __call__(self, inputs: Any = None, **named: Any) -> Any:
        """Answer, without a cache for further tokens; `inputs` is a mapping of arguments, or the model's main input."""
        answer = self._inference(**self._arguments(inputs, named))
        if not isinstance(answer, ModelOutput) or _CACHES.isdisjoint(list(answer)):
            return answer
        return type(answer)(**{name: value for name, value in answer.items() if name not in _CACHES})

    def generate(self, inputs: Any = None, **named: Any) -> Any:
        """Return what the model writes, as numbers of tokens, shape (rows, tokens), the prompts among them."""
        return self._inference.generate(**self._arguments(inputs, named))

    def stream(self, inputs: Any = None, **named: Any) -> Iterator[int]:
        """Yield what the model writes after one prompt, token by token, as numbers."""
        return tokens(self._inference.generate, self._arguments(inputs, named))

    def _arguments(self, inputs: Any, named: dict[str, Any]) -> dict[str, Any]:
        if inputs is not None:
            named = {**(inputs if isinstance(inputs, Mapping) else {self._model.main_input_name: inputs}), **named}
        found = {name: torch.as_tensor(value) if _is_array(value) else value for name, value in named.items()}
        ids, mask, pad = (
            found.get("input_ids"),
            found.get("attention_mask"),
            getattr(self._model.config, "pad_token_id", None),
        )
        if (
            isinstance(ids, torch.Tensor)
            and isinstance(mask, torch.Tensor)
            and ids.shape == mask.shape
            and type(pad) is int
        ):
            # What is padding for the mask is padding for models that look at the tokens: merged calls have zeros there.
            found["input_ids"] = ids.masked_fill(mask == 0, pad)
        return found


class RunningPipeline:
    """A pipeline: a list is a batch of inputs, anything else is one input.

    Args:
        pipeline: the pipeline; moved where a device is given.
        options: the adapter's.
        device: as for a model.
    """

    def __init__(self, pipeline: Any, options: Mapping[str, Any], device: str | None) -> None:
        self._pipeline = pipeline
        # A tokenizer is told how to pad and cut before it is called, so that it has to be one call after the other.
        self._lock = threading.Lock()
        if device is not None:
            place = device_for(device, options)
            with out_of_memory(place):
                pipeline.model.to(device=place, dtype=dtype_of(options))
            pipeline.device = place
            pipeline.model.eval()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_pipeline"], name)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer one input, or each of a list, which is one batch where the tokenizer can pad.

        Raises:
            ValueError: it is a chat by itself, which is a list and so would be a batch of messages.
        """
        if isinstance(inputs, list):
            if not inputs:
                return []
            if _is_message(inputs[0]):
                raise ValueError(
                    "A chat is a list of messages, and a list is a batch: give a list of chats, [[{…}, …]]"
                )
            tokenizer = self._pipeline.tokenizer
            can_pad = tokenizer is None or tokenizer.pad_token_id is not None
            kwargs.setdefault("batch_size", len(inputs) if can_pad else 1)
        with self._lock, torch.no_grad(), _evaluating(self._pipeline.model):
            return self._pipeline(inputs, *args, **kwargs)

    def stream(self, inputs: Any, **kwargs: Any) -> Iterator[str]:
        """Yield what the model writes after one text, or as the answer to one chat, piece by piece.

        Args:
            inputs: a text, or a chat: messages, each a dict with "role" and "content".
            **kwargs: as `generate` of the model takes them.
        """
        pipeline = self._pipeline
        with self._lock:
            if isinstance(inputs, list):
                inputs = pipeline.tokenizer.apply_chat_template(
                    inputs, add_generation_prompt=True, return_dict=True, return_tensors="pt"
                )
            else:
                inputs = pipeline.tokenizer(inputs, return_tensors="pt")
        arguments = {name: value.to(pipeline.model.device) for name, value in inputs.items()}
        # What the pipeline's own call gives to `generate`, its defaults among it.
        complete = getattr(pipeline, "_prepare_generate_kwargs", dict)
        return pieces(pipeline.model.generate, {**arguments, **complete(kwargs)}, pipeline.tokenizer)


class OneByOne:
    """A tokenizer or processor, called once at a time: fast tokenizers refuse two calls at once.

    Args:
        obj: the object.
    """

    def __init__(self, obj: Any) -> None:
        self._obj, self._lock = obj, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_obj"], name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        with self._lock:
            return self._obj(*args, **kwargs)


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Let a model that is being trained answer as it would when it is not; at save it is the user's own."""
    training = [module for module in model.modules() if module.training] if model.training else []
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, torch.Tensor)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and "content" in value
