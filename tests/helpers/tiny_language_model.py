"""A causal language model of a few kilobytes, with a tokenizer and a template for chats. Made from a configuration: no hub.

What it writes makes no sense, and is the same each time: it was never trained, its weights come from a fixed seed.
"""

from __future__ import annotations

from typing import Any

WORDS = [
    *("the", "a", "model", "reads", "writes", "small", "words", "and", "stops", "here", "hello", "world", "user"),
    *("assistant", "system", "yes", "no", ".", "?", "!", ":"),
]
"""The words that the tokenizer knows; all others are one word, `<unk>`."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<s> {{ message['role'] }} : {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<s> assistant : {% endif %}"
)


def tokenizer(length: int = 64) -> Any:
    """Return a tokenizer of whole words, with the special tokens <pad>, <unk>, <s> and </s>, which pads on the left.

    Args:
        length: how many tokens the model takes.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    vocabulary = {word: number for number, word in enumerate([*special.values(), *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, padding_side="left", model_max_length=length, chat_template=CHAT_TEMPLATE, **special
    )


def language_model(length: int = 64) -> tuple[Any, Any]:
    """Return a model of two layers for `generate`, and its tokenizer.

    Args:
        length: how many tokens prompt and answer together may have.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    words = tokenizer(length)
    torch.manual_seed(15)
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=length,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        initializer_range=0.5,
    )
    return GPT2LMHeadModel(config).eval(), words


def text_generation(length: int = 64) -> Any:
    """Return the two as a pipeline, which takes texts and chats, and always picks the likeliest word."""
    from transformers import pipeline

    model, words = language_model(length)
    model.generation_config.do_sample = False
    return pipeline("text-generation", model=model, tokenizer=words, device="cpu")
