"""What the page "Move from BentoML" says differs, row by row; a test of the page counts that no row is without one."""

from __future__ import annotations

import datetime
import importlib
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import tiffin
from bentoml_page import differs
from tiffin import Runnable, models
from tiffin.cli import cli
from tiffin.exceptions import (
    AliasedVersionError,
    ArchiveError,
    InvalidTagError,
    MetadataError,
    ModelNotFoundError,
    NotBatchableWarning,
    RunnerOptionError,
    SignatureError,
    StoreError,
    StoreWarning,
    UntrustedModelError,
)
from tiffin.hints import install_hint


def make(tag: str, **said: Any) -> Any:
    """Make a raw folder of one file."""
    with models.create(tag, **said) as new:
        new.path_of("x").write_text("x", encoding="utf-8")
    return new.model


def command(*arguments: str) -> Any:
    """Run a command."""
    return CliRunner().invoke(cli, ["models", *arguments], prog_name="tiffin")


@differs("bentoml.models.create", "Model.create")
@pytest.mark.parametrize("argument", ["module", "api_version", "context"])
def test_create_takes_no_module(argument: str) -> None:
    """A block of it, at whose end the version is there."""
    with pytest.raises(TypeError, match=argument):
        models.create("a", **{argument: "x"})
    with models.create("a") as new:
        assert models.list() == []
    assert models.list() == [new.model]
    with pytest.raises(StoreError, match="no adapter loads"):
        tiffin.load("a")


@differs("bentoml.models.delete")
def test_delete_spares_versions_with_an_alias_and_can_be_undone() -> None:
    """It returns the tags."""
    make("a:1"), make("a:2")
    models.set_alias("a:2", "prod")
    with pytest.warns(StoreWarning, match="Spared"):
        assert [str(tag) for tag in models.delete("a")] == ["a:1"]
    with pytest.raises(AliasedVersionError):
        models.delete("a:2")
    assert str(models.undelete("a:1").tag) == "a:1"


@differs("bentoml.models.export_model", "Model.export")
def test_export_writes_its_own_format_and_replaces_nothing(tmp_path: Path) -> None:
    """A function, of which the model is the first argument; a URL beside its parts is refused."""
    model = make("a:1")
    written = models.export_model(model, tmp_path)
    assert Path(written).name == "a-1.tiffin"
    with pytest.raises(ArchiveError, match="exists"):
        models.export_model(model, written)
    assert models.export_model(model, written, force=True) == written
    with pytest.raises(ArchiveError, match="whole URL"):
        models.export_model(model, "sftp://host/x", user="ann")
    assert not hasattr(model, "export")


@differs("bentoml.models.import_model", "Model.import_from", "Model.from_path")
def test_what_is_imported_is_from_elsewhere(tmp_path: Path) -> None:
    """Of an archive or a folder; it is saved at once, and what could run code is refused until it is trusted."""
    model = tiffin.picklable_model.save_model("a:1", eval)
    for target, kind in ((tmp_path / "x.zip", None), (tmp_path / "folder", "folder")):
        written = models.export_model(model, target, kind)
        store = models.ModelStore(tmp_path / f"store-{kind}")
        moved = models.import_model(written, store=store)
        assert models.list(store=store) == [moved]
        with pytest.raises(UntrustedModelError):
            moved.load()


@differs("bentoml.models.list")
def test_lists_begin_with_the_newest() -> None:
    """A name that is not there is an error, as there; so is a version, which there is none."""
    first, second = make("a"), make("a")
    assert models.list("a") == [second, first]
    for tag in ("b", "a:1"):
        with pytest.raises(ModelNotFoundError):
            models.list(tag)


@differs("bentoml.models.push", "bentoml.models.pull")
def test_models_are_pushed_to_and_pulled_from_a_remote_that_is_named(tmp_path: Path) -> None:
    """Such as a folder."""
    model = make("a:1")
    models.push("a", f"{tmp_path}/remote")
    other = models.ModelStore(tmp_path / "other")
    assert models.pull("a", f"{tmp_path}/remote", store=other).info.content_digest == model.info.content_digest


@differs("Model.custom_objects")
def test_custom_objects_are_loaded_one_by_one() -> None:
    """Each when it is asked for, and once."""
    model = make("a", custom_objects={"one": [1], "two": [2]})
    objects = model.custom_objects
    assert list(objects) == ["one", "two"]
    model.path_of("custom_objects/two").rename(model.path / "elsewhere")
    assert objects["one"] is objects["one"]
    with pytest.raises(Exception, match="two"):
        objects["two"]


@differs("Model.file_size")
def test_the_size_leaves_the_record_out() -> None:
    """Bytes of the files."""
    assert make("a").size == 1


@differs("Model.load_model")
def test_each_load_gives_another_object() -> None:
    """None is kept."""
    model = tiffin.picklable_model.save_model("a", {"b": 1})
    assert model.load_model() == model.load_model()
    assert model.load_model() is not model.load_model()


@differs("Model.path", "Model.path_of")
def test_paths_are_paths_of_what_is_there() -> None:
    """They are no text, and what they lead to is read-only."""
    model = make("a")
    assert isinstance(model.path, Path)
    assert isinstance(model.path_of("x"), Path)
    assert not model.path_of("x").stat().st_mode & 0o222
    with pytest.raises(StoreError, match="no file or folder 'y'"):
        model.path_of("y")


@differs("Model.to_runner", "bentoml.Runner")
def test_a_strategy_is_given_as_resources() -> None:
    """An option of the other name is refused."""
    model = tiffin.picklable_model.save_model("a", len)
    asked = []

    def resources(*about: Any) -> dict[str, str]:
        asked.append(about)
        return {}

    model.to_runner(resources=resources)
    tiffin.Runner(model.to_runnable(), resources=resources)
    assert len(asked) == 2
    with pytest.raises(RunnerOptionError, match="scheduling_strategy"):
        model.to_runner(scheduling_strategy=object)
    with pytest.warns(NotBatchableWarning, match="do not merge"):
        model.to_runner(max_batch_size=10)


@differs("Model.with_options", "ModelInfo.with_options")
def test_options_are_changed_on_the_model_and_checked() -> None:
    """Its record shows them."""
    model = tiffin.picklable_model.save_model("a", len, signatures={"__call__": {}})
    partial = {"__call__": {"x": 1}}
    assert model.with_options(partial_kwargs=partial).info.options == {"partial_kwargs": partial}
    assert not hasattr(model.info, "with_options")
    with pytest.raises(SignatureError, match="Unknown option 'nothing'"):
        model.with_options(nothing=1)


@differs("bentoml.models.ModelContext", "ModelContext.bentoml_version")
def test_the_context_has_tiffins_version() -> None:
    """Under its own name."""
    context = tiffin.ModelContext(framework_name="x", framework_versions={}, tiffin_version="1", python_version="3")
    assert context.to_dict()["tiffin_version"] == "1"
    assert not hasattr(context, "bentoml_version")


@differs("ModelSignature.batch_dim", "ModelSignature.input_spec", "ModelSignature.output_spec")
def test_signatures_have_axes_by_name_and_specs_of_an_example() -> None:
    """And what does not fit a spec that is given is refused."""

    def add(rows: Any, more: Any) -> Any:
        return rows + more

    axes = ({"rows": 0, "more": None}, 0)
    example = tiffin.Arguments(np.ones((2, 3)), 1.0)
    signature = {"batchable": True, "batch_dim": axes}
    saved = tiffin.picklable_model.save_model("a", add, signatures={"__call__": signature}, input_example=example)
    found = saved.info.signatures["__call__"]
    assert found.batch_dim[0] == axes[0]
    assert found.output_spec["shape"] == [None, 3]
    assert found.input_spec
    wrong = attrs.evolve(found, output_spec={"type": "array", "shape": [None, 4]})
    with pytest.raises(SignatureError):
        tiffin.picklable_model.save_model("a", add, signatures={"__call__": wrong}, input_example=example)


@differs("ModelInfo.labels")
def test_labels_are_text_and_can_be_changed() -> None:
    """True and false are the words."""
    assert make("a", labels={"done": True}).info.labels == {"done": "true"}
    models.label("a", done=False, stage="dev")
    assert tiffin.get("a").info.labels == {"done": "false", "stage": "dev"}


@differs("ModelInfo.metadata")
def test_metadata_is_plain() -> None:
    """Tuples are lists, times are times; what has no plain form is refused, with how to write it."""
    import pandas as pd

    time = datetime.datetime(2024, 2, 29, 12)
    kept = {"tuple": (1, 2), "time": time, "stamp": pd.Timestamp(time)}
    assert make("a", metadata=kept).info.metadata == {"tuple": [1, 2], "time": time, "stamp": time}
    for value, how in ((b"x", "value.hex()"), (pd.Series([1]), "value.tolist()"), (pd.DataFrame(), "value.to_dict(")):
        with pytest.raises(MetadataError) as caught:
            make("a", metadata={"a": value})
        assert how in caught.value.fix


@differs("ModelInfo.module", "ModelInfo.options", "ModelInfo.to_dict")
def test_the_record_names_a_framework_and_files() -> None:
    """No module to import; options are a dict."""
    info = tiffin.picklable_model.save_model("a", {"b": 1}).info
    assert info.framework == "picklable"
    assert type(info.options) is dict
    assert "module" not in info.to_dict()
    assert {"framework", "files", "content_digest"} <= info.to_dict().keys()


@differs("bentoml.Tag")
def test_capital_letters_are_refused_with_what_would_do() -> None:
    """And are not made small."""
    with pytest.raises(InvalidTagError, match="For example: 'myname'"):
        tiffin.Tag("MyName")


class Words(Runnable):
    """A runnable."""

    @Runnable.method
    def count(self, text: str) -> int:
        return len(text.split())


@differs("Runner.init_local")
def test_a_runner_ends_with_its_block() -> None:
    """It is started as ever by `init_local`, without a warning, and ends."""
    runner = tiffin.Runner(Words)
    runner.init_local()
    assert runner.count.run("a b") == 2
    runner.stop()
    assert not runner.ready()
    with tiffin.Runner(Words) as runner:
        assert runner.ready()
    assert not runner.ready()


@differs("Runner.init_client")
def test_a_client_attaches_by_an_address(tmp_path: Path) -> None:
    """To a runner that listens; there is no class to give."""
    with tiffin.Runner(Words) as runner:
        address = runner.listen(tmp_path / "sockets" / "words")
        attached = tiffin.Runner.attach(address)
        assert attached.count.run("a b c") == 3
        attached.close()
    with pytest.raises(TypeError):
        tiffin.Runner.attach(address, handle_class=object)  # type: ignore[call-arg]


@differs("Runner.runnable_class", "Runner.runner_methods")
def test_a_runner_has_its_class_and_its_methods_by_name() -> None:
    """Before it is started, too."""
    runner = tiffin.Runner(Words)
    assert runner.runnable is Words
    assert list(runner.methods) == ["count"]


@differs("bentoml models list", "bentoml models delete", "bentoml models import")
@pytest.mark.parametrize("words", [["list"], ["delete", "-y", "a"], ["import", "x"]])
@pytest.mark.parametrize("option", [["--context", "cloud"], ["--do-not-track"]])
def test_commands_know_no_cloud_and_no_tracking(words: list[str], option: list[str]) -> None:
    """What is not there is said to be no option."""
    result = command(*words, *option)
    assert result.exit_code == 2
    assert "No such option" in result.stderr


@differs("bentoml models get", "bentoml models export", "bentoml models push", "bentoml models pull")
def test_commands_get_export_push_and_pull_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML in a pipe; an archive of Tiffin's own name; a remote that is named; no other options."""
    monkeypatch.chdir(tmp_path)
    make("a:1")
    assert yaml.safe_load(command("get", "a").stdout)["version"] == "1"
    assert command("get", "a", "-o", "table").stdout.startswith("FIELD")
    assert command("export", "a").exit_code == 0
    assert Path("a-1.tiffin").is_file()
    assert command("push", "a", "./remote", "-f").exit_code == 0
    assert command("pull", "a", "./remote", "-f", "--as", "b").exit_code == 0
    for words in (["get", "a"], ["export", "a"], ["push", "a", "./remote"], ["pull", "a", "./remote"]):
        assert command(*words, "--context", "cloud").exit_code == 2
    for words in (["push", "a", "./remote", "-t", "2"], ["pull", "a", "./remote", "-F", "x"]):
        assert command(*words).exit_code == 2


@differs("bentoml.sklearn.save_model")
def test_estimators_that_answer_row_by_row_are_batchable_unasked() -> None:
    """Which they would not be."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    assert tiffin.sklearn.save_model("a", model).info.signatures["predict"].batchable


@differs("bentoml.xgboost.save_model")
def test_parameters_of_xgboosts_estimators_are_kept() -> None:
    """And `predict` is batchable unasked. Where XGBoost is not installed, the name says what to install."""
    assert "tiffin-xgboost" in install_hint("xgboost")
    xgboost = pytest.importorskip("xgboost")
    pytest.importorskip("tiffin_xgboost")
    model = tiffin.xgboost.save_model("a", xgboost.XGBRegressor(n_estimators=2).fit([[0.0], [1.0]], [0.0, 1.0]))
    assert model.info.signatures["predict"].batchable
    assert model.load().get_params()["n_estimators"] == 2


@differs("bentoml.lightgbm.save_model")
def test_lightgbms_estimators_stay_estimators() -> None:
    """With their parameters; and `predict` is batchable unasked."""
    assert "tiffin-lightgbm" in install_hint("lightgbm")
    lightgbm = pytest.importorskip("lightgbm")
    pytest.importorskip("tiffin_lightgbm")
    rows = np.arange(80.0).reshape(40, 2)
    model = tiffin.lightgbm.save_model("a", lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(rows, rows[:, 0]))
    assert model.info.signatures["predict"].batchable
    assert model.load().get_params()["n_estimators"] == 2


@pytest.mark.slow
@differs("bentoml.catboost.save_model")
def test_catboosts_parameters_are_kept_as_they_were_given() -> None:
    """And `predict` is batchable unasked."""
    assert "tiffin-catboost" in install_hint("catboost")
    catboost = pytest.importorskip("catboost")
    pytest.importorskip("tiffin_catboost")
    given = {"iterations": 2, "verbose": False, "allow_writing_files": False}
    rows = np.arange(80.0).reshape(40, 2)
    model = tiffin.catboost.save_model("a", catboost.CatBoost(given).fit(rows, rows[:, 0]))
    assert model.info.signatures["predict"].batchable
    assert model.load().get_params() == given


@pytest.mark.slow
@differs("bentoml.keras.load_model", "bentoml.keras.save_model")
def test_keras_models_of_one_input_are_batchable_unasked() -> None:
    """In Keras' own format; on a device that an option names."""
    assert "tiffin-keras" in install_hint("keras")
    pytest.importorskip("keras")
    from tiffin_keras.conformance import dense

    model = tiffin.keras.save_model("a", dense())
    assert {name for name, one in model.info.signatures.items() if one.batchable} == {"predict", "__call__"}
    assert tiffin.keras.load_model("a", device="cpu:0").output_shape == (None, 2)
    for argument in ("tf_signatures", "tf_save_options", "include_optimizer"):
        with pytest.raises(SignatureError, match=argument):
            tiffin.keras.save_model("a", dense(), **{argument: True})


@pytest.mark.slow
@differs("bentoml.tensorflow.load_model", "bentoml.tensorflow.save_model")
def test_signatures_of_tensorflow_are_those_of_the_model(tmp_path: Path) -> None:
    """Those of a folder too, whatever it was written with."""
    assert "tiffin-tensorflow" in install_hint("tensorflow")
    tf = pytest.importorskip("tensorflow")
    from tiffin_tensorflow.conformance import module

    assert set(tiffin.tensorflow.save_model("a", module()).info.signatures) == {"__call__", "explain"}
    assert tiffin.tensorflow.load_model("a", device="cpu:0")(np.ones((1, 4), "float32")).shape == (1, 3)
    made = module()
    tf.saved_model.save(made, str(tmp_path / "folder"), signatures={"score": made.__call__})
    assert "score" in tiffin.tensorflow.save_model("b", tmp_path / "folder").info.signatures
    for argument in ("tf_signatures", "tf_save_options"):
        with pytest.raises(SignatureError, match=argument):
            tiffin.tensorflow.save_model("a", made, **{argument: True})


@pytest.mark.slow
@differs("bentoml.flax.load_model", "bentoml.flax.save_model")
def test_a_module_of_flax_comes_with_its_variables() -> None:
    """Bound to them."""
    assert "tiffin-flax" in install_hint("flax")
    pytest.importorskip("flax")
    from tiffin_flax.conformance import bound

    model = tiffin.flax.save_model("a", bound())
    assert model.info.signatures["__call__"].batchable
    module, variables = tiffin.flax.load_model("a", device="cpu").unbind()
    assert module.apply(variables, np.ones((1, 4), "float32")).shape == (1, 3)
    with pytest.raises(SignatureError, match="init"):
        tiffin.flax.load_model("a", init=False)


@differs("bentoml.picklable_model.save_model")
def test_what_cannot_be_called_has_no_signatures() -> None:
    """It is kept as data."""
    assert tiffin.picklable_model.save_model("a", {"b": 1}).info.signatures == {}
    assert list(tiffin.picklable_model.save_model("a", len).info.signatures) == ["__call__"]


@differs("bentoml.onnx.load_model", "bentoml.onnx.save_model")
def test_sessions_of_onnx_have_their_settings_by_name() -> None:
    """At save or at load; and what is called `run` is batchable where the graph says that it can be."""
    from tiffin_onnx.conformance import linear

    model = tiffin.onnx.save_model("a", linear(), session={"intra_op_num_threads": 1})
    assert model.info.signatures["run"].batchable
    session = tiffin.onnx.load_model("a", providers=["CPUExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(SignatureError, match="session_options"):
        tiffin.onnx.load_model("a", session_options={})


@pytest.mark.slow
@differs(
    "bentoml.pytorch_lightning.load_model",
    "bentoml.pytorch_lightning.save_model",
    "bentoml.torchscript.load_model",
    "bentoml.torchscript.save_model",
)
@pytest.mark.parametrize("module", ["lightning", "torchscript"])
def test_kinds_of_pytorchs_modules_have_the_options_of_its_adapter(module: str) -> None:
    """The device is the option `device`, and calls merge unasked."""
    torch = pytest.importorskip("torch")
    info = importlib.import_module(f"tiffin_torch.{module}").context_info()
    assert "device" in info.options
    assert "device_id" not in info.options
    signatures = info.signatures(torch.nn.Linear(2, 1)) if callable(info.signatures) else info.signatures
    assert signatures["__call__"]["batchable"]


@pytest.mark.slow
@differs("bentoml.pytorch.load_model", "bentoml.pytorch.save_model")
def test_pytorchs_module_is_that_of_its_adapter() -> None:
    """`tiffin.torch` under another name: calls merge unasked, and no device is an option."""
    assert "tiffin-torch" in install_hint("pytorch")
    torch = pytest.importorskip("torch")
    model = tiffin.pytorch.save_model("a", torch.nn.Linear(2, 1))
    assert model.info.signatures["__call__"].batchable
    with pytest.raises(SignatureError, match="device_id"):
        tiffin.pytorch.load_model("a", device_id="cpu")


@pytest.mark.slow
@differs("bentoml.transformers.load_model", "bentoml.transformers.save_model")
def test_a_pipeline_of_transformers_knows_its_task() -> None:
    """There is no name for it; a device and a type of elements are options, and code in a folder runs for nobody unasked."""
    assert "tiffin-transformers" in install_hint("transformers")
    pytest.importorskip("transformers")
    from tiffin_transformers.conformance import classification, tokenizer

    model = tiffin.transformers.save_model("a", classification())
    assert model.info.options["task"] == "text-classification"
    assert not model.info.options["trust_remote_code"]
    assert str(tiffin.transformers.load_model("a", dtype="float16", device="cpu").dtype) == "torch.float16"
    for argument in ("pipeline", "task_name", "task_definition"):
        with pytest.raises(SignatureError, match=argument):
            tiffin.transformers.save_model("b", classification(), **{argument: "x"})
    assert type(tiffin.transformers.save_model("b", tokenizer()).load()) is type(tokenizer())


@pytest.mark.slow
@differs("bentoml.diffusers.load_model", "bentoml.diffusers.save_model")
def test_a_pipeline_of_diffusers_returns_its_images() -> None:
    """The same for the same seed; what the loaded pipeline can be told itself is no option."""
    assert "tiffin-diffusers" in install_hint("diffusers")
    pytest.importorskip("diffusers")
    from tiffin_diffusers.conformance import unconditional

    model = tiffin.diffusers.save_model("a", unconditional())
    assert str(tiffin.diffusers.load_model("a", dtype="float64", device="cpu").dtype) == "torch.float64"
    for argument in ("device_id", "torch_dtype", "enable_xformers"):
        with pytest.raises(SignatureError, match=argument):
            tiffin.diffusers.load_model("a", **{argument: True})
    with model.to_runner() as runner:
        one, other = (runner.run(1, seed=3, num_inference_steps=2) for _ in range(2))
    assert one[0].tobytes() == other[0].tobytes()
