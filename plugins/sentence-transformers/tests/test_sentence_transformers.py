"""What users of sentence-transformers meet: embeddings that merge, folders whose names of classes are checked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.exceptions import SignatureError, StoreError

pytestmark = pytest.mark.slow
sentence_transformers = pytest.importorskip("sentence_transformers")
torch = pytest.importorskip("torch")

from tiffin_sentence_transformers import conformance  # noqa: E402 - imports the framework

TEXTS = ["a model", "small", "reads small words"]


def bert(folder: Path, name: str) -> Path:
    """Write a small model of BERT's with a tokenizer."""
    import transformers

    torch.manual_seed(15)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=7, max_position_embeddings=16, pad_token_id=1, num_labels=1, **sizes)
    getattr(transformers, name)(config).save_pretrained(folder)
    words = transformers.PreTrainedTokenizerFast(
        tokenizer_object=conformance.tokenizer(), unk_token="[UNK]", pad_token="[PAD]", model_max_length=16
    )
    words.save_pretrained(folder)
    return folder


def loaded(folder: Path) -> Any:
    """Load a folder as the adapter does."""
    import tiffin_sentence_transformers

    return tiffin_sentence_transformers.load(folder, {"model_class": "", "device": "", "dtype": ""})


def test_texts_of_several_callers_are_embedded_together(tmp_path: Path) -> None:
    """Each gets its own rows; a text by itself has one row of its own."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(str(bert(tmp_path / "bert", "BertModel")))
    model = sentence_transformers.SentenceTransformer(modules=[body, Pooling(8)], device="cpu")
    saved = tiffin.sentence_transformers.save_model("embedder", model)
    assert not [name for name in saved.info.files if Path(name).suffix not in (".json", ".safetensors", ".jinja")]
    alone = [model.encode([text], show_progress_bar=False) for text in TEXTS]
    with saved.to_runner(backend="process") as runner:

        async def ask() -> list[Any]:
            return list(await asyncio.gather(*(runner.encode.async_run([text]) for text in TEXTS)))

        for answer, wanted in zip(asyncio.run(ask()), alone, strict=True):
            assert np.allclose(answer, wanted, atol=1e-5)
        assert np.allclose(runner.encode.run(TEXTS[0]), alone[0][0], atol=1e-5)


def test_pairs_are_compared(tmp_path: Path) -> None:
    """By a cross-encoder, whose method is `predict`."""
    model = sentence_transformers.CrossEncoder(
        str(bert(tmp_path / "bert", "BertForSequenceClassification")), device="cpu", local_files_only=True
    )
    pairs = [("a model", "small"), ("words", "reads words")]
    wanted = model.predict(pairs)
    saved = tiffin.save("judge", model)
    assert saved.framework == "sentence_transformers"
    with saved.to_runner() as runner:
        assert np.allclose(runner.predict.run(pairs), wanted, atol=1e-5)


def test_options_place_what_is_loaded() -> None:
    """A type of elements and a device."""
    tiffin.save("embedder", conformance.embeddings())
    assert next(tiffin.load("embedder", dtype="float64").parameters()).dtype is torch.float64
    with pytest.raises(SignatureError, match="device='cuda:9' is no device that is here"):
        tiffin.load("embedder", device="cuda:9")


def test_a_module_of_the_users_own_is_left_to_another_adapter() -> None:
    """That for PyTorch's modules."""

    class Own(torch.nn.Module):  # type: ignore[misc]
        """A module that the library does not have."""

        def forward(self, features: Any) -> Any:
            return features

    model = conformance.embeddings()
    model.append(Own())
    assert tiffin.save("own", model, signatures={}).framework == "torch"


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("modules.json", [{"idx": 0, "name": "0", "path": "", "type": "os.system"}], r"names os\.system"),
        ("modules.json", [{"idx": 0, "name": "0", "path": "", "type": "own.Dense"}], r"names own\.Dense"),
        ("modules.json", [{"idx": 0, "path": "", "type": "sentence_transformers.base.model.pickle"}], "names sent"),
        ("1_Dense/config.json", {"in_features": 8, "activation_function": "torch.hub.load"}, r"names torch\.hub\.load"),
        ("router_config.json", {"types": {"0": "os.system"}}, r"names os\.system"),
        ("config.json", {"sentence_transformers": {"activation_fn": "torch.hub.list"}}, r"names torch\.hub\.list"),
        ("config_sentence_transformers.json", {"model_type": "os"}, "names os"),
        ("modules.json", "{", "cannot read"),
    ],
)
def test_files_name_no_other_class_than_the_librarys(file: str, content: Any, said: str, tmp_path: Path) -> None:
    """They come from strangers, too; nothing that they name is imported."""
    folder = tmp_path / "embedder"
    conformance.embeddings().save_pretrained(str(folder), create_model_card=False)
    (folder / file).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(StoreError, match=said):
        loaded(folder)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    """And a folder is taken by name."""
    folder = tmp_path / "embedder"
    conformance.embeddings().save_pretrained(str(folder), create_model_card=False)
    model = tiffin.sentence_transformers.save_model("embedder", folder)
    assert np.allclose(model.load().encode(TEXTS), conformance.embeddings().encode(TEXTS))
    (folder / "1_Dense" / "model.safetensors").unlink()
    with pytest.raises(StoreError, match="sentence-transformers cannot read"):
        loaded(folder)
