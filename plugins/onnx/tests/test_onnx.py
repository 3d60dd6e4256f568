"""Models of ONNX: stored as protos and files, run as sessions in every place, with inputs by position and name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import tiffin
from tiffin.exceptions import PartialKwargsError, SignatureError, StoreError
from tiffin.runners import Runner
from tiffin_onnx import _session, default_signatures
from tiffin_onnx._names import argument_names
from tiffin_onnx.conformance import linear, two_outputs

ROWS = np.linspace(-1, 1, 20, dtype="float32").reshape(5, 4)


def expected(rows: Any) -> Any:
    session = onnxruntime.InferenceSession(linear().SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": rows})[0]


def call(model: Any, place: str, folder: Path, ask: Any) -> Any:
    """Call a runner in a place, and return the answers."""
    with model.to_runner(backend="local" if place == "local" else "process") as runner:
        if place != "attached":
            return asyncio.run(ask(runner))
        folder.chmod(0o700)
        with Runner.attach(runner.listen(folder / "socket")) as attached:
            return asyncio.run(ask(attached))


@pytest.mark.parametrize("place", ["local", "process", "attached"])
def test_a_proto_becomes_a_session_that_is_batched(place: str, tmp_path: Path) -> None:
    """In each place each caller gets its own rows; arrays of another width are converted."""
    proto = linear()
    before = proto.SerializeToString()
    model = tiffin.save("linear", proto)
    assert proto.SerializeToString() == before
    assert isinstance(model.load(), onnxruntime.InferenceSession)

    async def ask(runner: Any) -> Any:
        calls = [runner.run.async_run(ROWS[:rows]) for rows in (1, 2, 5)]
        return await asyncio.gather(*calls, runner.run.async_run(x=ROWS.astype("float64")))

    answers = call(model, place, tmp_path, ask)
    for answer, rows in zip(answers, (1, 2, 5, 5), strict=True):
        assert np.allclose(answer, expected(ROWS[:rows]), atol=1e-6)
        assert answer.dtype == np.float32


def test_the_graph_tells_specs_and_whether_rows_merge() -> None:
    """A length that is fixed, or a second name of a first axis, means that they do not."""
    signature = tiffin.save("linear", linear()).info.signatures["run"]
    assert signature.batchable
    assert (signature.input_spec["shape"], signature.output_spec["shape"]) == ([None, 4], [None, 3])
    fixed, named, scalar = linear(), linear(), linear()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    named.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "other"
    del scalar.graph.output[0].type.tensor_type.shape.dim[:]
    for proto in (fixed, named, scalar):
        assert not default_signatures(proto)["run"]["batchable"]
    unknown = linear()
    unknown.graph.output[0].type.tensor_type.ClearField("shape")
    told = default_signatures(unknown)["run"]
    assert (told["batchable"], "input_spec" in told, "output_spec" in told) == (True, True, False)


def several() -> Any:
    """Return a graph of two inputs, both with rows: ids and mask, and a name that is no Python."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["ids", "the mask"], ["y"])],
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", 2]) for name in ("ids", "the mask")],
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["n", 2])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize("place", ["local", "process", "attached"])
def test_several_named_inputs(place: str, tmp_path: Path) -> None:
    """By position and by name, with an example, merged in each place."""
    ids = np.arange(4).reshape(2, 2)
    model = tiffin.save("several", several(), input_example=tiffin.Arguments(ids, the_mask=ids))
    assert list(model.info.signatures["run"].input_spec["properties"]) == ["ids", "the_mask"]

    async def ask(runner: Any) -> Any:
        return await asyncio.gather(runner.run.async_run(ids, ids), runner.run.async_run(ids=ids[:1], the_mask=ids[1:]))

    both, one = call(model, place, tmp_path, ask)
    assert both.tolist() == (ids * ids).tolist()
    assert one.tolist() == (ids[:1] * ids[1:]).tolist()
    kept = default_signatures(several())["run"]["input_spec"]["properties"]
    assert list(kept) == ["ids", "the_mask"]


def test_inputs_that_have_a_value_take_partial_kwargs() -> None:
    """Checked against the session that the proto becomes; several outputs are a tuple."""
    model = tiffin.save("two", two_outputs(), partial_kwargs={"run": {"factor": 3.0}}, input_example=ROWS)
    with model.to_runner() as runner:
        scaled, sums = runner.run.run(ROWS)
        assert np.allclose(scaled, ROWS * 3)
        assert np.allclose(sums, (ROWS * 3).sum(axis=1), atol=1e-6)
        assert np.allclose(runner.run.run(x_1=ROWS, factor=1.0)[0], ROWS)
    with pytest.raises(PartialKwargsError, match="Did you mean 'factor'"):
        tiffin.save("two", two_outputs(), partial_kwargs={"run": {"facto": 3.0}})
    with pytest.raises(SignatureError, match="'predikt'"):
        tiffin.save("two", two_outputs(), signatures={"predikt": {"batchable": True}})


def test_a_path_is_kept_with_the_weights_beside_it(tmp_path: Path) -> None:
    """External data is copied along, and nothing outside of the folder is."""
    onnx.save_model(linear(), tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    model = tiffin.onnx.save_model("big", tmp_path / "big.onnx")
    assert set(model.info.files) == {"model.onnx", "big.data"}
    (tmp_path / "big.data").unlink()
    with model.to_runner() as runner:
        assert np.allclose(runner.run.run(ROWS), expected(ROWS), atol=1e-6)
    with pytest.raises(StoreError, match="there is no such file beside it"):
        tiffin.onnx.save_model("big", tmp_path / "big.onnx")
    proto = onnx.load(tmp_path / "big.onnx", load_external_data=False)
    with pytest.raises(StoreError, match="where these are cannot be told"):
        tiffin.save("big", proto)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    (tmp_path / "bad.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(StoreError, match="cannot lie beside the model"):
        tiffin.onnx.save_model("big", tmp_path / "bad.onnx")


def test_files_that_are_no_models_are_told(tmp_path: Path) -> None:
    """Damaged ones, folders, and models of what the runtime does not have."""
    (tmp_path / "bad.onnx").write_bytes(b"\xffnot a model")
    for path in (tmp_path / "bad.onnx", tmp_path):
        with pytest.raises(StoreError, match="cannot be read as a model of ONNX"):
            tiffin.onnx.save_model("bad", path)
    unknown = linear()
    unknown.graph.node[0].op_type = "Nonsense"
    with pytest.raises(StoreError, match="ONNX Runtime does not take the model"):
        tiffin.save("bad", unknown)
    assert tiffin.models.list() == []


def test_options_reach_the_session() -> None:
    """At save and at load; providers and settings that are not there are refused, in words."""
    model = tiffin.save("linear", linear(), session={"intra_op_num_threads": 2, "graph_optimization_level": "none"})
    options = model.load().get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = tiffin.load("linear", providers=["CPUExecutionProvider"], session={"intra_op_num_threads": 1})
    assert session.get_session_options().intra_op_num_threads == 1
    pair = [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]
    assert tiffin.load("linear", providers=pair).get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(SignatureError, match="providers: expected list"):
        tiffin.load("linear", providers="CPUExecutionProvider")
    with pytest.raises(SignatureError, match="no provider 'MoonExecutionProvider'"):
        tiffin.load("linear", providers=["MoonExecutionProvider"])
    for session in ({"optimized_model_filepath": "x"}, {"intra_op_num_threads": "2"}, {"execution_mode": "odd"}):
        with pytest.raises(SignatureError, match="is no setting of a session's"):
            tiffin.save("linear", linear(), session=session)


@pytest.mark.parametrize("setting", [{"trt_extra_plugin_lib_paths": "x"}, {"cache": "/tmp/x"}, {"deep": {"a": 1}}])
def test_settings_that_name_files_are_refused(setting: dict[str, Any]) -> None:
    """They come with a stranger's model, and could load a library."""
    with pytest.raises(SignatureError, match="could run code"):
        tiffin.save("linear", linear(), providers=[("CPUExecutionProvider", setting)])


def test_a_strangers_model_needs_no_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is code."""
    tiffin.models.export_model(tiffin.save("linear", linear()).tag, tmp_path / "linear.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    stranger = tiffin.models.import_model(tmp_path / "linear.tar")
    assert np.allclose(stranger.load().run(None, {"x": ROWS})[0], expected(ROWS), atol=1e-6)


def test_inputs_of_another_kind_are_refused() -> None:
    """Floats are not cut to whole numbers; what is missing is named."""
    with tiffin.save("several", several()).to_runner() as runner:
        with pytest.raises(TypeError, match="the input 'ids' takes int64, and was given float64"):
            runner.run.run(np.ones((1, 2)), np.ones((1, 2)))
        with pytest.raises(TypeError, match="the_mask"):
            runner.run.run(np.ones((1, 2), "int64"))


def test_a_worker_uses_what_the_runner_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads, and a GPU only where it sees one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert _session._settings(onnxruntime, {}).intra_op_num_threads == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not _session._is_wanted("CUDAExecutionProvider")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    assert _session._is_wanted("CUDAExecutionProvider")
    model = tiffin.save("linear", linear())
    assert tuple(model.to_runnable().SUPPORTED_RESOURCES) == ("nvidia.com/gpu", "cpu")
    with model.to_runner(backend="process", workers=2) as runner:
        assert np.allclose(runner.run.run(ROWS), expected(ROWS), atol=1e-6)


def test_both_versions_are_recorded() -> None:
    """That of the runtime by the name of the build that is installed."""
    versions = tiffin.save("linear", linear()).info.context.framework_versions
    assert versions == {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}


def test_names_of_inputs_become_arguments() -> None:
    """Each another one."""
    assert argument_names(["x", "input.1", "input_1", "1", "for", "a b"]) == [
        "x",
        "input_1",
        "input_1_",
        "_1",
        "_for",
        "a_b",
    ]


def test_what_a_stranger_wrote_computes_nothing_before_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product of large constants takes hours, and 200 bytes: unless it is trusted, it is not made in a load."""
    seen: list[Any] = []
    session = onnxruntime.InferenceSession

    def opened(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs.get("disabled_optimizers"))
        return session(*args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", opened)
    ours = tiffin.save("ours", linear())
    seen.clear()
    ours.load()
    assert seen == [None]
    tiffin.models.export_model(ours.tag, tmp_path / "ours.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    theirs = tiffin.models.import_model(tmp_path / "ours.tar")
    theirs.load()
    assert seen == [None, ["ConstantFolding"]]
    monkeypatch.setenv("TIFFIN_TRUST_POLICY", "never")
    np.testing.assert_array_equal(tiffin.get(theirs.tag).load().run(None, {"x": ROWS})[0], expected(ROWS))
    monkeypatch.delenv("TIFFIN_TRUST_POLICY")
    tiffin.models.trust(theirs.tag)
    theirs.load()
    assert seen[-1] is None
