"""What users of transformers meet: folders without pickles, texts of several callers in one batch, streams, clear errors."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.exceptions import (
    ModelTypeError,
    NotKeptWarning,
    RunnerError,
    SignatureError,
    StoreError,
    TiffinError,
    UntrustedModelError,
)
from tiffin.values import Inseparable, find_kind

pytestmark = pytest.mark.slow
transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from tiffin_transformers import conformance  # noqa: E402 - imports the framework

TEXTS = ["the model reads", "hello", "a small model writes words"]


def folder_of(obj: Any, folder: Path) -> Path:
    """Write what `save_pretrained` writes."""
    obj.save_pretrained(folder)
    return folder


def change(folder: Path, file: str, **fields: Any) -> None:
    """Change fields of a file of JSON."""
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps({**content, **fields}), encoding="utf-8")


def loaded(folder: Path, **options: Any) -> Any:
    """Load a folder as the adapter does."""
    import tiffin_transformers

    defaults = tiffin_transformers.context_info().options
    assert isinstance(defaults, dict)
    return tiffin_transformers.load(folder, {**defaults, **options})


def as_from_a_stranger(model: Any, folder: Path) -> Any:
    """Return a model as a stranger's: exported, and imported into another store."""
    archive = tiffin.models.export_model(model, folder.with_suffix(".tar"))
    return tiffin.models.import_model(archive, store=tiffin.models.ModelStore(folder))


def test_a_pipeline_comes_back_as_it_was_made() -> None:
    """Task, model, tokenizer and parameters, an enumeration among them; no file is a pickle."""
    pipe = conformance.classification()
    model = tiffin.transformers.save_model("reviews", pipe, labels={"stage": "trial"})
    assert {Path(name).suffix for name in model.info.files} <= {".json", ".safetensors", ".jinja"}
    assert model.info.options["task"] == "text-classification"
    again = tiffin.transformers.load_model("reviews:latest")
    assert type(again) is type(pipe)
    assert again(TEXTS) == pipe(TEXTS)
    assert again._postprocess_params == pipe._postprocess_params


def test_what_a_pipeline_was_made_with_and_cannot_be_kept_is_told() -> None:
    """Such as a function."""
    pipe = conformance.text_generation()
    pipe._postprocess_params["clean"] = len
    with pytest.warns(NotKeptWarning, match="'clean'"):
        tiffin.save("writer", pipe)


def test_texts_of_several_callers_are_one_batch() -> None:
    """Each caller gets its own answers, as if it had been alone; a text by itself is answered as one."""
    pipe = conformance.classification()
    alone = [pipe(text) for text in TEXTS]
    with tiffin.save("reviews", pipe).to_runner() as runner:

        async def ask() -> list[Any]:
            return list(await asyncio.gather(*(runner.async_run([text]) for text in TEXTS)))

        for answer, wanted in zip(asyncio.run(ask()), alone, strict=True):
            assert answer[0]["label"] == wanted[0]["label"]
            assert answer[0]["score"] == pytest.approx(wanted[0]["score"], abs=1e-5)
        assert runner.run(TEXTS[0])[0]["score"] == pytest.approx(alone[0][0]["score"], abs=1e-5)
        assert runner.run([]) == []


def test_a_chat_by_itself_is_told_from_a_batch() -> None:
    """A list of messages would be a batch of them; a list of chats is answered chat by chat."""
    pipe = conformance.text_generation()
    pipe.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    chat = [{"role": "user", "content": "hello"}]
    with tiffin.save("writer", pipe).to_runner() as runner:
        with pytest.raises(ValueError, match="give a list of chats"):
            runner.run(chat)
        [[answer]] = runner.run([chat])
        assert [message["role"] for message in answer["generated_text"]] == ["user", "assistant"]
        assert "".join(runner.stream.run(chat)) == answer["generated_text"][1]["content"]


@pytest.mark.parametrize("numpy", [False, True])
def test_encodings_are_padded_where_calls_merge_and_outputs_cut_back(numpy: bool) -> None:
    """Of each caller's texts, the answer is as long as they are, and what it would be alone."""
    words, model = conformance.tokenizer(), conformance.model("BertForTokenClassification")
    model.config.output_hidden_states = True
    tensors = "np" if numpy else "pt"
    brought = [words([text], return_tensors=tensors) for text in TEXTS]
    with tiffin.save("tagger", model).to_runner() as runner:
        alone = [runner.run(value) for value in brought]
        kind = find_kind(brought[0])
        assert kind is not None
        assert len({kind.key(value, 0) for value in brought}) == 1
        joined = kind.join(brought, 0)
        assert joined["attention_mask"].sum(1).tolist() == [3, 1, 5]
        whole = runner.run(joined)
    answered = find_kind(whole)
    assert answered is not None
    for part, wanted in zip(answered.separate(whole, [1, 1, 1], 0, [brought]), alone, strict=True):
        assert part.logits.shape == wanted.logits.shape
        assert torch.allclose(part.logits, wanted.logits, atol=1e-5)
        assert [state.shape for state in part.hidden_states] == [state.shape for state in wanted.hidden_states]


def test_an_output_that_may_have_been_padded_is_not_cut_by_guess() -> None:
    """A field that the adapter does not know, as long as the padded texts: the calls run one by one."""
    brought = [conformance.tokenizer()([text], return_tensors="pt") for text in TEXTS[:2]]
    output = transformers.utils.ModelOutput({"unknown": torch.zeros(2, 3)})
    kind = find_kind(output)
    assert kind is not None
    with pytest.raises(Inseparable, match="unknown"):
        kind.separate(output, [1, 1], 0, [brought])


def test_padding_is_what_the_model_calls_padding() -> None:
    """Merged calls are padded with zeros, and a model may look for another token."""
    torch.manual_seed(15)
    config = transformers.GPT2Config(vocab_size=17, n_positions=32, n_embd=16, n_layer=1, n_head=2, pad_token_id=3)
    model = transformers.GPT2ForSequenceClassification(config).eval()
    brought = [conformance.tokenizer()([text], return_tensors="pt") for text in TEXTS]
    kind = find_kind(brought[0])
    assert kind is not None
    with tiffin.save("judge", model).to_runner() as runner:
        alone = torch.cat([runner.run(value).logits for value in brought])
        assert torch.allclose(runner.run(kind.join(brought, 0)).logits, alone, atol=1e-5)


def test_a_language_model_writes_as_a_whole_and_as_a_stream() -> None:
    """Numbers of tokens by the model alone, text by a pipeline: the pieces together are the whole."""
    model, words = conformance.language_model(), conformance.tokenizer("left")
    prompt = words(["the model"], return_tensors="pt")
    with tiffin.save("tokens", model).to_runner(backend="process") as runner:
        whole = runner.generate.run(prompt)
        assert torch.equal(whole, model.generate(**prompt))
        assert list(runner.stream.run(prompt)) == whole[0, 2:].tolist()
        assert runner.generate.run(prompt, max_new_tokens=2).shape == (1, 4)
    pipe = conformance.text_generation()
    with tiffin.save("text", pipe).to_runner(backend="process") as runner:
        pieces = list(runner.stream.run("the model", max_new_tokens=6))
        assert len(pieces) > 1
        [answer] = runner.run("the model", max_new_tokens=6, return_full_text=False)
        assert "".join(pieces).split() == answer["generated_text"].split()


def test_a_stream_that_nobody_reads_any_more_ends() -> None:
    """And one that fails tells whoever reads it."""
    with tiffin.save("text", conformance.text_generation()).to_runner() as runner:
        stream = runner.stream.run("the model", max_new_tokens=25)
        next(stream)
        stream.close()
        with pytest.raises(ValueError, match="max_new_tokens"):
            list(runner.stream.run("the model", max_new_tokens=-1))
    assert not [thread for thread in threading.enumerate() if thread.name == "tiffin-generate"]


def test_a_stream_is_of_one_prompt() -> None:
    """Several are told, where the stream is read."""
    prompts = conformance.tokenizer("left")(TEXTS, return_tensors="pt", padding=True)
    model = tiffin.save("tokens", conformance.language_model())
    with model.to_runner() as runner, pytest.raises(ValueError, match="A stream is of one prompt, and there are 3"):
        list(runner.stream.run(prompts))


def test_images_go_in_as_they_are() -> None:
    """A list of images is a batch; other processes get them too."""
    pipe = conformance.image_classification()
    images = conformance._images()
    with tiffin.save("images", pipe).to_runner(backend="process") as runner:
        answers = runner.run(images)
    assert [answer[0]["label"] for answer in answers] == [answer[0]["label"] for answer in pipe(images)]


def test_options_place_what_is_loaded() -> None:
    """A type of elements, a device; what is none of them is told before anything is read."""
    model = tiffin.save("bert", conformance.model())
    assert tiffin.load("bert", dtype="bfloat16").dtype is torch.bfloat16
    assert tiffin.load("bert").dtype is torch.float32
    with model.with_options(dtype="float64").to_runner() as runner:
        encoded = conformance.tokenizer()(TEXTS[:1], return_tensors="pt")
        assert runner.run(encoded).last_hidden_state.dtype is torch.float64
    with pytest.raises(SignatureError, match="device='cuda:9' is no device that is here"):
        tiffin.load("bert", device="cuda:9")
    with pytest.raises(SignatureError, match="task='sing' is no task of transformers"):
        tiffin.load("bert", task="sing")


def test_the_users_own_pipeline_stays_as_it_was_at_save() -> None:
    """Its mode too; its example is answered as later calls are."""
    pipe = conformance.classification()
    pipe.model.train()
    pipe.model.bert.embeddings.eval()
    model = tiffin.save("reviews", pipe, input_example=TEXTS, examples=True)
    assert pipe.model.training
    assert not pipe.model.bert.embeddings.training
    assert model.info.signatures["__call__"].input_spec == {"type": "list", "items": {"type": "str"}}


def test_memory_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the device, and what to do."""
    model = tiffin.save("bert", conformance.model())

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(RunnerError, match="does not fit into the memory of cpu: tried to allocate 2 GiB"):
        model.to_runnable()()
    with pytest.raises(RunnerError, match="does not fit"):
        tiffin.load("bert", device="cpu")


def test_a_class_of_the_users_own_is_left_to_another_adapter() -> None:
    """A folder would bring back what it derives from; asked for by name, the reason is told."""

    class Own(transformers.BertModel):  # type: ignore[misc]
        """A class that the library does not have."""

    own = Own(conformance.model().config)
    assert tiffin.save("own", own, signatures={}).framework == "torch"
    with pytest.raises(ModelTypeError, match="Own is no class of transformers' own"):
        tiffin.transformers.save_model("own", own)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing weights", "weights of BertModel are missing, 'encoder.layer.1"),
        ("no weights", "model.safetensors"),
        ("cut", "cannot read"),
        ("pickled weights", "model.safetensors"),
        ("another type", "is of the type 'bert', and the files of 'gpt2'"),
        ("a newer class", "no class 'SuperBertModel' for a model"),
        ("an adapter", "an adapter of PEFT"),
        ("a kernel", "names code to fetch"),
        ("no JSON", r"config\.json"),
        ("JSON without end", r"config\.json"),
    ],
)
def test_a_folder_that_is_not_in_order_is_told(damage: str, said: str, tmp_path: Path) -> None:
    """By what is wrong with it, and what to do."""
    folder = folder_of(conformance.model(), tmp_path / "bert")
    weights = folder / "model.safetensors"
    if damage == "missing weights":
        from safetensors.torch import load_file, save_file

        kept = {name: value for name, value in load_file(weights).items() if ".layer.1." not in name}
        save_file(kept, weights, metadata={"format": "pt"})
    elif damage == "no weights":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "pickled weights":
        weights.unlink()
        torch.save(conformance.model().state_dict(), folder / "pytorch_model.bin")
    elif damage == "another type":
        change(folder, "config.json", model_type="gpt2")
    elif damage == "a newer class":
        change(folder, "config.json", architectures=["SuperBertModel"], transformers_version="99.1")
    elif damage == "an adapter":
        (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}', encoding="utf-8")
    elif damage == "a kernel":
        change(folder, "config.json", attn_implementation="someone/kernel")
    else:
        text = "{" if damage == "no JSON" else '{"a":' * 100_000
        (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=said) as caught:
        loaded(folder)
    if damage == "a newer class":
        assert "the files are of 99.1" in caught.value.why


def test_a_folder_is_taken_by_name(tmp_path: Path) -> None:
    """With a task it is a pipeline, else a model; weights in pickles are left out, and told if there are no others."""
    pipe = conformance.classification()
    pipe.save_pretrained(tmp_path / "folder")
    (tmp_path / "folder" / "pytorch_model.bin").write_bytes(b"a pickle")
    model = tiffin.transformers.save_model("folder", tmp_path / "folder")
    assert "pytorch_model.bin" not in model.info.files
    assert type(model.load()) is type(pipe.model)
    whole = tiffin.transformers.save_model("pipeline", tmp_path / "folder", task="text-classification").load()
    assert type(whole) is type(pipe)
    assert type(whole.tokenizer) is type(pipe.tokenizer)
    with pytest.raises(StoreError, match="it has no configuration"):
        tiffin.transformers.save_model("none", tmp_path)


CODE = """
from transformers import BertModel

open("ran", "w").close()


class Own(BertModel):
    pass
"""


def test_code_in_a_folder_runs_only_where_its_user_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by its record, and of a stranger's model not before it is trusted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = folder_of(conformance.model(), tmp_path / "own")
    (folder / "modeling_own.py").write_text(CODE, encoding="utf-8")
    change(folder, "config.json", architectures=["Own"], auto_map={"AutoModel": "modeling_own.Own"})
    with pytest.raises(StoreError, match="no class 'Own' for a model") as caught:
        tiffin.transformers.save_model("own", folder)
    assert "modeling_own.py" in caught.value.why
    assert "trust_remote_code=True" in caught.value.fix
    assert not Path("ran").exists()
    model = tiffin.transformers.save_model("own", folder, trust_remote_code=True)
    assert Path("ran").exists()
    assert type(model.load()).__name__ == "Own"
    Path("ran").unlink()
    with pytest.raises(UntrustedModelError, match=r"modeling_own\.py"):
        as_from_a_stranger(model, tmp_path / "stranger").load()
    assert not Path("ran").exists()


@pytest.mark.parametrize("form", ["{}--own.Own", "{}/own.Own"])
def test_a_folder_that_names_code_elsewhere_is_refused(form: str, tmp_path: Path) -> None:
    """A stranger's record may say trust_remote_code, and its folder bring no code that trust would be asked for."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()", encoding="utf-8")
    folder = folder_of(conformance.model(), tmp_path / "bert")
    named = form.format(other)
    change(folder, "config.json", model_type="own", architectures=["Own"], auto_map={"AutoConfig": named})
    with pytest.raises(StoreError, match=r"auto_map in config\.json names code that is elsewhere"):
        loaded(folder, trust_remote_code=True)
    assert not (tmp_path / "ran").exists()


def test_a_kernel_that_a_part_of_a_configuration_names_is_refused(tmp_path: Path) -> None:
    """Models of several parts have a configuration for each."""
    folder = folder_of(conformance.model(), tmp_path / "bert")
    change(folder, "config.json", text_config={"attn_implementation": "someone/kernel"})
    with pytest.raises(StoreError, match="names code to fetch"):
        loaded(folder)


def test_a_strangers_model_loads_and_a_processor_needs_trust(tmp_path: Path) -> None:
    """A folder of weights and settings runs nothing; a processor's names classes that are made with its arguments."""
    model = tiffin.save("bert", conformance.model())
    assert type(as_from_a_stranger(model, tmp_path / "model").load()) is transformers.BertModel
    processor = tiffin.save("clip", conformance.processor())
    with pytest.raises(UntrustedModelError, match=r"processor_config\.json"):
        as_from_a_stranger(processor, tmp_path / "processor").load()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": {"model": "pipeline"}}, "no class 'pipeline' for a model"),
        ({"classes": {"model": "AutoModel"}}, "no class 'AutoModel'"),
        ({"classes": {"model": "os.system"}}, r"no class 'os\.system'"),
        ({"classes": {"model": "PreTrainedModel"}}, "no class 'PreTrainedModel'"),
        ({"classes": {"__init__": "BertModel"}}, "names no part"),
    ],
)
def test_a_record_names_no_other_class_than_the_librarys(options: Any, said: str, tmp_path: Path) -> None:
    """Records come from strangers, too."""
    folder = folder_of(conformance.model(), tmp_path / "bert")
    with pytest.raises(TiffinError, match=said):
        loaded(folder, **options)


def test_what_bentomls_module_wrote_is_read_without_its_pickles(tmp_path: Path) -> None:
    """Its folder is the library's own, and the record has the task."""
    import tiffin_transformers
    from tiffin.plugins import ForeignModel

    folder = folder_of(conformance.classification(), tmp_path / "bento")
    (folder / "pipeline.v2.pkl").write_bytes(b"not read")
    foreign = ForeignModel(
        tool="bentoml",
        kind="bentoml.transformers",
        fields={"options": {"task": "text-classification", "kwargs": {}}},
        files={file.name: file.stat().st_size for file in folder.iterdir()},
    )
    reading = tiffin_transformers.read_foreign(foreign)
    assert reading is not None
    assert type(loaded(folder, **reading.options)) is type(conformance.classification())


def test_arrays_of_numpys_are_inputs_too() -> None:
    """By name, as tensors are."""
    with tiffin.save("bert", conformance.model()).to_runner() as runner:
        answer = runner.run(input_ids=np.array([[4, 5]]), attention_mask=np.ones((1, 2), "int64"))
        assert answer.last_hidden_state.shape == (1, 2, 16)
        answer.last_hidden_state += 1


def test_what_makes_arrays_of_sound_is_stored() -> None:
    """A feature extractor, with its settings."""
    extractor = conformance.feature_extractor()
    again = tiffin.save("sound", extractor).load()
    assert again.to_dict() == extractor.to_dict()
    assert type(again) is type(extractor)


def test_the_library_reads_a_stored_folder_by_itself(tmp_path: Path) -> None:
    """What is stored is what it writes, and nothing of Tiffin's is needed for it."""
    model = tiffin.save("reviews", conformance.classification())
    shutil.copytree(model.path, tmp_path / "copy")
    again = transformers.pipeline("text-classification", str(tmp_path / "copy"), device="cpu")
    assert again(TEXTS[0])[0]["label"] == model.load()(TEXTS[0])[0]["label"]
