"""What the conformance kit checks this adapter with: `tiffin plugins check transformers`. No hub is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiffin.testing import Subject

_WORDS = ("the", "a", "model", "reads", "writes", "small", "words", "and", "stops", "here", "hello", "world", "user")
_TEXTS = ["the model reads", "hello", "a small model writes words"]


def subjects() -> list[Subject]:
    """Return models, pipelines, a tokenizer, an image processor, and one of both."""
    import numpy

    texts = tokenizer("left")(_TEXTS, return_tensors="pt", padding=True)
    image = numpy.linspace(0, 255, 3 * 16 * 16).reshape(16, 16, 3).astype("uint8")
    pixels = image_processor()([image, image[::-1]], return_tensors="pt")

    def subject(name: str, make: Callable[[], Any], inputs: Any, **more: Any) -> Subject:
        return Subject(framework="transformers", name=name, make=make, inputs=inputs, same=_same, close=_close, **more)

    writing = {"__call__": texts, "generate": texts, "stream": {n: v[2:] for n, v in texts.items()}}
    return [
        subject("language model", language_model, writing, partial_kwargs={"generate": {"max_new_tokens": 3}}),
        subject("image model", image_model, {"__call__": pixels}),
        subject("classification", classification, {"__call__": _TEXTS}, partial_kwargs={"__call__": {"top_k": 2}}),
        subject("text generation", text_generation, {"__call__": _TEXTS, "stream": "the model"}),
        subject("tokenizer", tokenizer, {"__call__": _TEXTS}),
        subject("image processor", image_processor, {"__call__": image}),
        subject("processor", processor, {"__call__": _images()}),
    ]


def tokenizer(side: str = "right") -> Any:
    """Return a tokenizer of whole words; models that write need it to pad on the left."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    vocabulary = {word: number for number, word in enumerate([*special.values(), *_WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, padding_side=side, model_max_length=32, **special)


def model(name: str = "BertModel") -> Any:
    """Return a model of BERT's of two small layers."""
    import torch
    import transformers

    torch.manual_seed(15)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=17, max_position_embeddings=32, pad_token_id=0, num_labels=3, **sizes)
    return getattr(transformers, name)(config).eval()


def language_model() -> Any:
    """Return a model of GPT-2's of two small layers, which writes the likeliest word."""
    import torch
    import transformers

    torch.manual_seed(15)
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = transformers.GPT2Config(
        vocab_size=17, n_positions=32, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5, **ids
    )
    made = transformers.GPT2LMHeadModel(config).eval()
    made.generation_config.do_sample, made.generation_config.max_new_tokens = False, 5
    return made


def image_model(name: str = "ViTModel") -> Any:
    """Return a model for images of one small layer."""
    import torch
    import transformers

    torch.manual_seed(15)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_labels=3, **sizes)
    return getattr(transformers, name)(config).eval()


def classification() -> Any:
    """Return a pipeline that classifies texts."""
    import transformers

    made = model("BertForSequenceClassification")
    return transformers.pipeline(
        "text-classification", model=made, tokenizer=tokenizer(), device="cpu", function_to_apply="sigmoid"
    )


def text_generation() -> Any:
    """Return a pipeline that writes."""
    import transformers

    return transformers.pipeline("text-generation", model=language_model(), tokenizer=tokenizer("left"), device="cpu")


def image_classification() -> Any:
    """Return a pipeline that classifies images."""
    import transformers

    made = image_model("ViTForImageClassification")
    return transformers.pipeline("image-classification", model=made, image_processor=image_processor(), device="cpu")


def image_processor() -> Any:
    """Return what makes arrays of images."""
    from transformers import ViTImageProcessorPil

    return ViTImageProcessorPil(size={"height": 16, "width": 16})


def feature_extractor() -> Any:
    """Return what makes arrays of sound."""
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(sampling_rate=16000)


def processor() -> Any:
    """Return a tokenizer and an image processor as one."""
    from transformers import CLIPImageProcessor, CLIPProcessor

    return CLIPProcessor(
        image_processor=CLIPImageProcessor(crop_size=16, size={"shortest_edge": 16}), tokenizer=tokenizer()
    )


def _images() -> list[Any]:
    from PIL import Image

    return [Image.new("RGB", (16, 16), color) for color in ("red", "green", "white")]


def _same(one: Any, other: Any) -> bool:
    return _alike(one, other, 1e-6)  # several threads may add in another order


def _close(one: Any, other: Any) -> bool:
    return _alike(one, other, 1e-4)


def _alike(one: Any, other: Any, tolerance: float) -> bool:
    import numpy
    import torch

    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and bool(torch.allclose(one, other, tolerance, tolerance))
    if isinstance(one, numpy.ndarray):
        return one.dtype == other.dtype and bool(numpy.allclose(one, other, tolerance, tolerance))
    if isinstance(one, float):
        return bool(abs(one - other) <= tolerance)
    if hasattr(one, "keys"):
        return one.keys() == other.keys() and all(_alike(one[name], other[name], tolerance) for name in one.keys())  # noqa: SIM118
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(_alike(a, b, tolerance) for a, b in zip(one, other, strict=True))
    return bool(one == other)
