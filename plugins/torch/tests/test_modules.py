"""Modules: weights in safetensors' format beside a pickle of all else; whole ones; exported programs; options."""

from __future__ import annotations

import copy
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.exceptions import (
    NotKeptWarning,
    PicklingError,
    SignatureError,
    StoreError,
    UntrustedModelError,
)

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file
network = pytest.importorskip("tiffin_torch.conformance").network


class Odd(torch.nn.Module):  # type: ignore[misc]
    """Has tensors of every sort, and in odd places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 3)
        self.second = torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
        self.frozen.group = "slow"  # type: ignore[attr-defined]
        self.register_buffer("mean", torch.arange(3.0))
        self.register_buffer("scratch", torch.full((2,), 7, dtype=torch.int64), persistent=False)
        self.image = torch.nn.Parameter(torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last))
        self.table = {"half": torch.ones(2, dtype=torch.bfloat16), "complex": torch.ones(2, dtype=torch.complex64)}
        self.empty = torch.zeros(0, 3)


def test_a_module_comes_back_with_all_that_it_had() -> None:
    """Ties, gradients, attributes, buffers that are not persistent, memory formats and tensors outside of the state."""
    module = Odd()
    model = tiffin.save("odd", module, signatures={})
    assert {"model.pkl", "weights.safetensors"} <= set(model.info.files)
    loaded = model.load()
    assert loaded.second.weight is loaded.first.weight
    assert (loaded.frozen.requires_grad, loaded.frozen.group, loaded.first.weight.requires_grad) == (
        False,
        "slow",
        True,
    )
    assert loaded.image.is_contiguous(memory_format=torch.channels_last)
    assert loaded.scratch.tolist() == [7, 7]
    assert loaded.empty.shape == (0, 3)
    for name, value in {**module.state_dict(), **module.table}.items():
        other = {**loaded.state_dict(), **loaded.table}[name]
        assert (other.dtype, torch.equal(other, value)) == (value.dtype, True), name


def test_other_programs_read_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has the names of the state_dict, and needs neither Tiffin nor trust; the module needs trust."""
    model = tiffin.save("net", network())
    tiffin.models.export_model(model.tag, tmp_path / "net.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    stranger = tiffin.models.import_model(tmp_path / "net.tar")
    weights = load_file(stranger.path_of("weights.safetensors"))
    network().load_state_dict(weights)
    assert set(weights) == set(network().state_dict())
    with pytest.raises(UntrustedModelError, match=r"torch\.nn\.modules"):
        stranger.load()


def test_weights_alone_come_by_their_path_and_run_no_code(tmp_path: Path) -> None:
    """A file of safetensors' format; second names of tied weights come with it."""
    model = tiffin.save("odd", Odd(), signatures={})
    weights = tiffin.torch.save_model("weights", model.path_of("weights.safetensors"))
    loaded = weights.load()
    assert torch.equal(loaded["second.weight"], loaded["first.weight"])
    assert list(weights.info.files) == ["weights.safetensors"]


def test_weights_are_mapped_and_may_be_written_to() -> None:
    """Each load has its own, and the stored file stays as it is."""
    model = tiffin.save("net", network())
    first, second = model.load(), model.load()
    with torch.no_grad():
        first[0].weight.zero_()
    assert torch.equal(second[0].weight, network()[0].weight)
    assert torch.equal(model.load()[0].weight, network()[0].weight)
    first[0](torch.ones(1, 4)).sum().backward()
    assert first[0].weight.grad is not None


def test_memory_that_tensors_share_is_said_to_be_lost() -> None:
    """A view of another weight comes back as a copy."""
    module = network()
    module.register_buffer("view", module[0].weight.detach()[1:])
    with pytest.warns(NotKeptWarning, match="'view' and '0.weight' share memory"):
        model = tiffin.save("views", module, signatures={})
    assert torch.equal(model.load().view, network()[0].weight[1:])


def test_a_compiled_module_is_stored_without_its_compilation() -> None:
    """What is lost is said."""
    with pytest.warns(NotKeptWarning, match=r"torch\.compile"):
        model = tiffin.save("net", torch.compile(network()))
    assert type(model.load()) is torch.nn.Sequential


def test_the_class_of_a_script_goes_by_value(tmp_path: Path) -> None:
    """A module of a class of `__main__` loads in a program that does not have it; one of an importable class by name."""
    save = """
        import tiffin, torch

        class Twice(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.tensor([2.0]))

            def forward(self, x):
                return x * self.weight

        tiffin.save("twice", Twice(), input_example=torch.ones(2, 1))
    """
    load = "import tiffin, torch; print(tiffin.load('twice')(torch.ones(1)).tolist())"
    for program in (save, load):
        command = [sys.executable, "-c", textwrap.dedent(program)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert result.stdout == "[2.0]\n"


def test_a_whole_module_is_what_torch_save_writes() -> None:
    """Other programs load it; another format than the two is refused."""
    model = tiffin.torch.save_model("whole", network(), format="whole")
    assert list(model.info.files) == ["model.pt"]
    other = torch.load(model.path_of("model.pt"), weights_only=False)
    assert torch.equal(other[0].weight, model.load()[0].weight)
    with pytest.raises(ValueError, match="neither 'state_dict' nor 'whole'"):
        tiffin.torch.save_model("whole", network(), format="hole")


def exported(**axes: Any) -> Any:
    return torch.export.export(network().eval(), (torch.zeros(2, 4),), **axes)


def test_an_exported_program_runs_as_its_module() -> None:
    """It is batchable if its first axis may have any length, as its export says."""
    free = tiffin.save(
        "free", exported(dynamic_shapes=({0: torch.export.Dim("rows")},)), input_example=torch.zeros(3, 4)
    )
    assert list(free.info.files) == ["model.pt2"]
    assert free.info.signatures["__call__"].batchable
    with free.to_runner() as runner:
        assert torch.allclose(runner.run(torch.ones(5, 4)), network().eval()(torch.ones(5, 4)))
    assert not tiffin.save("fixed", exported()).info.signatures["__call__"].batchable


def test_the_users_module_stays_as_it_was_at_save() -> None:
    """Its mode, its buffers and its weights; a forward that counts counts on a copy, which has no weights of its own."""

    class Counting(torch.nn.Linear):  # type: ignore[misc]
        calls = 0
        seen: Any = None

        def forward(self, x: Any) -> Any:
            self.calls += 1
            type(self).seen = self.weight
            return super().forward(x)

    module = Counting(4, 3)
    tiffin.save("counting", module, input_example=torch.zeros(2, 4), signatures={"__call__": {"batchable": True}})
    assert module.training
    assert module.calls == 0
    assert Counting.seen is module.weight


def test_options_place_what_is_loaded() -> None:
    """A type of elements is that of weights and of inputs; no other option of this name, and no device that is not here."""
    model = tiffin.save("net", network())
    assert tiffin.torch.load_model("net", device="cpu", dtype="bfloat16")[0].weight.dtype is torch.bfloat16
    assert tiffin.load("net")[0].weight.dtype is torch.float32
    with model.with_options(dtype="float64").to_runner() as runner:
        assert runner.run(torch.ones(2, 4)).dtype is torch.float64
    missing = "cuda:9" if torch.cuda.is_available() else "cuda"
    for device in (missing, "cdua"):
        with pytest.raises(SignatureError, match=f"device='{device}' is no device that is here"):
            tiffin.torch.load_model("net", device=device)
    with pytest.raises(SignatureError, match="dtype='int64' is no type of floating-point numbers"):
        tiffin.load("net", dtype="int64")
    with pytest.raises(SignatureError, match="Did you mean 'device'"):
        tiffin.load("net", devise="cpu")
    weights = tiffin.torch.save_model(
        "weights", {"a": torch.ones(2), "n": torch.arange(2), "deep": {"b": torch.ones(1)}}
    )
    loaded = tiffin.load(weights.tag, dtype="float16")
    assert [loaded["a"].dtype, loaded["n"].dtype, loaded["deep"]["b"].dtype] == [
        torch.float16,
        torch.int64,
        torch.float16,
    ]


class Force(torch.nn.Module):  # type: ignore[misc]
    """Needs gradients to answer, and takes tensors in a dict."""

    def forward(self, atoms: Any) -> Any:
        x = atoms["x"].detach().requires_grad_()
        return torch.autograd.grad((x * x).sum(), x)[0]

    def plain(self, x: Any) -> Any:
        return type(x).__name__


def test_a_module_that_needs_gradients_gets_them() -> None:
    """By an option; arrays become tensors for the module itself only, in dicts too; answers may be changed in place."""
    signatures: Any = {"__call__": {"batchable": True}, "plain": {}}
    model = tiffin.save("force", Force(), signatures=signatures, gradients=True)
    with model.to_runner() as runner:
        answer = runner.run({"x": np.ones((2, 3), dtype="float32")})
        answer += 1
        assert answer.tolist() == [[3.0] * 3] * 2
        assert runner.plain.run(np.ones(2)) == "ndarray"
    with model.with_options(gradients=False).to_runner() as runner, pytest.raises(RuntimeError, match="grad"):
        runner.run({"x": torch.ones(2, 3)})


def test_answers_of_inference_mode_may_be_changed_in_place() -> None:
    """They are plain tensors for whoever gets them."""
    with tiffin.save("net", network()).to_runner() as runner:
        answer = runner.run(torch.ones(2, 4))
        answer += 1
        assert not answer.is_inference()


@pytest.mark.parametrize("damage", ["cut", "gone", "less"])
def test_weights_that_are_damaged_or_missing_are_told(damage: str, tmp_path: Path) -> None:
    """By the file's name, and what to do."""
    model = tiffin.save("net", network())
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in model.info.files:
        (folder / file).write_bytes(model.path_of(file).read_bytes())
    weights = folder / "weights.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-4])
    elif damage == "gone":
        weights.unlink()
    else:
        from safetensors.torch import save_file

        save_file({"0.weight": torch.ones(1)}, weights)
    import tiffin_torch

    with pytest.raises((StoreError, PicklingError), match=r"weights\.safetensors"):
        tiffin_torch.load(folder, {}, True, None)


def test_a_file_that_is_none_of_torchs_is_told(tmp_path: Path) -> None:
    """At save, which tries it; by its name first."""
    (tmp_path / "bad.pt").write_bytes(b"not a model")
    with pytest.raises(StoreError, match=r"model\.pt' cannot be read"):
        tiffin.torch.save_model("bad", tmp_path / "bad.pt")
    (tmp_path / "bad.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"it should end in \.pt, \.pth, \.pt2, \.safetensors"):
        tiffin.torch.save_model("bad", tmp_path / "bad.bin")


def compiled(**more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(network(), **more)


def test_torchscript_is_stored_under_its_own_name(tmp_path: Path) -> None:
    """Compiled modules and functions, and files of them; its methods' arguments keep their names."""
    model = tiffin.save("script", compiled(), input_example=torch.zeros(2, 4))
    assert model.framework == "torchscript"
    with model.to_runner() as runner:
        assert torch.allclose(runner.run(torch.ones(5, 4)), network().eval()(torch.ones(5, 4)))
    compiled().save(str(tmp_path / "net.pt"))
    loaded = tiffin.torchscript.save_model("file", tmp_path / "net.pt").load()
    assert torch.equal(loaded.state_dict()["0.weight"], network()[0].weight)
    (tmp_path / "bad.pt").write_bytes(b"not a model")
    with pytest.raises(StoreError, match=r"model\.pt' cannot be read"):
        tiffin.torchscript.save_model("bad", tmp_path / "bad.pt")


def test_the_trainer_of_a_lightning_module_stays_behind() -> None:
    """Its module is stored by its own adapter, with both versions."""
    lightning = pytest.importorskip("lightning.pytorch")
    from tiffin_torch._lightning_module import make

    module = make()
    module.trainer = lightning.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    model = tiffin.save("net", module, input_example=torch.zeros(2, 4))
    assert model.framework == "lightning"
    assert {"torch", "lightning"} <= set(model.info.context.framework_versions)
    loaded = tiffin.pytorch_lightning.load_model("net")
    assert loaded._trainer is None
    assert torch.equal(loaded.layers[0].weight, copy.deepcopy(network())[0].weight)
