"""Modules, weights and tensors of PyTorch: stored, run in every place, and built where nobody trusts them."""

from __future__ import annotations

import asyncio
import pickle
import shutil
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import tiffin
from tiffin.building import Unbuildable
from tiffin.exceptions import StoreError, UntrustedModelError
from tiffin.runners import Runnable, Runner

torch = pytest.importorskip("torch")
tiffin_torch = pytest.importorskip("tiffin_torch")
inspect = pytest.importorskip("tiffin_torch._reader").inspect
makers = tiffin_torch.makers

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def travels() -> Iterator[None]:
    """Classes of this file go to workers by value, as a program's own do."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.9))


class Echo(Runnable):
    def __init__(self) -> None:
        import torch  # noqa: F401 - so that the worker knows tensors before the first call

    @Runnable.method(batchable=True)
    def same(self, value: Any) -> Any:
        return value

    @Runnable.method(batchable=True)
    def rows(self, value: Any) -> Any:
        import torch

        return torch.full((len(value),), len(value), requires_grad=False) + torch.nn.Parameter(torch.zeros(1))


def call(place: str, kind: Any, folder: Path, ask: Any) -> Any:
    """Call a runner in a place, and return the answers."""
    with Runner(kind, backend="local" if place == "local" else "process") as runner:
        if place != "attached":
            return asyncio.run(ask(runner))
        folder.chmod(0o700)
        with Runner.attach(runner.listen(folder / "socket")) as attached:
            return asyncio.run(ask(attached))


@pytest.mark.parametrize("place", ["local", "process", "attached"])
def test_tensors_of_every_type_merge_and_come_apart(place: str, tmp_path: Path) -> None:
    """Each caller gets its own rows, with type and shape, off the gradient graph; calls did run together."""
    names = ["float32", "float16", "bfloat16", "int64", "bool", "complex64", "uint16"]
    values = [torch.arange(rows * 2).reshape(rows, 2).to(getattr(torch, name)) for name in names for rows in (1, 3)]
    values += [torch.nn.Parameter(torch.ones(2, 2)).t(), torch.zeros(0, 5)]

    async def ask(runner: Any) -> Any:
        same = await asyncio.gather(*(runner.same.async_run(value) for value in values))
        rows = await asyncio.gather(*(runner.rows.async_run(torch.ones(n, 2)) for n in (1, 2, 3)))
        return same, rows

    same, rows = call(place, Echo, tmp_path, ask)
    for answer, value in zip(same, values, strict=True):
        assert answer.dtype == value.dtype
        assert torch.equal(answer, value)
        assert not answer.requires_grad
    assert [len(answer) for answer in rows] == [1, 2, 3]
    assert max(int(answer[0]) for answer in rows) > 3


def test_a_module_is_stored_run_and_stays_as_it_was() -> None:
    """In evaluation mode where it runs; the user's own goes on training."""
    module = net()
    expected = net().eval()(torch.ones(2, 4))
    model = tiffin.save("net", module, input_example=torch.zeros(2, 4))
    assert module.training
    assert module[1].num_batches_tracked == 0
    assert model.framework == tiffin.pytorch.get("net").framework == "torch"
    spec = model.info.signatures["__call__"].input_spec
    assert spec == {"type": "array", "dtype": "float32", "shape": [None, 4], "kind": "torch.Tensor"}
    for backend in ("local", "process"):
        with model.to_runner(backend=backend) as runner:
            answer = runner.run(torch.ones(2, 4))
            assert torch.equal(answer, expected)
            assert not answer.requires_grad


class Pair(torch.nn.Module):  # type: ignore[misc]
    """Takes several named inputs."""

    def forward(self, x: Any, mask: Any = None, *, scale: float = 1.0) -> Any:
        return x.sum(dim=1) * scale + (0 if mask is None else mask.sum(dim=1))


def test_several_named_inputs_and_partial_kwargs() -> None:
    """Specs by name are those of `forward`; partial kwargs are checked against it."""
    example = tiffin.Arguments(torch.ones(2, 4), mask=torch.ones(2, 4))
    model = tiffin.save("pair", Pair(), input_example=example, partial_kwargs={"__call__": {"scale": 2.0}})
    assert list(model.info.signatures["__call__"].input_spec["properties"]) == ["x", "mask"]
    with model.to_runner() as runner:
        assert runner.run(torch.ones(1, 4), mask=torch.ones(1, 4)).tolist() == [12.0]
    with pytest.raises(tiffin.exceptions.PartialKwargsError, match="Did you mean 'scale'"):
        tiffin.save("pair", Pair(), partial_kwargs={"__call__": {"scal": 2.0}})


def test_a_worker_with_a_faked_gpu_says_what_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment names one GPU; without one that works, the module stays on the CPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    model = tiffin.save("net", net())
    assert tuple(model.to_runnable().SUPPORTED_RESOURCES) == ("nvidia.com/gpu", "cpu")
    with model.to_runner(backend="process", workers=2) as runner:
        assert runner.run(torch.ones(2, 4)).shape == (2, 3)


def abroad(model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a model as a stranger's: exported, and imported into another store."""
    tiffin.models.export_model(model.tag, folder / "model.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(folder / "elsewhere"))
    return tiffin.models.import_model(folder / "model.tar")


def test_a_strangers_weights_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal in type, shape, strides, sharing and metadata; without torch's unpickler."""
    weights = net().state_dict()
    shared = torch.arange(12.0).reshape(3, 4)
    others = {name: torch.ones(2).to(getattr(torch, name)) for name in ("bfloat16", "bool", "complex64", "float8_e5m2")}
    extra = {"whole": shared, "turned": shared.t()[1:], "empty": torch.zeros(0, 3), "epoch": 3, **others}
    weights.update(extra)
    weights["parameter"] = torch.nn.Parameter(torch.ones(3))
    stranger = abroad(tiffin.torch.save_model("weights", weights), tmp_path, monkeypatch)
    monkeypatch.setattr(torch, "load", None)
    built = stranger.load()
    assert type(built) is OrderedDict
    assert list(built) == list(weights)
    assert built._metadata == weights._metadata
    for name, value in weights.items():
        if isinstance(value, torch.Tensor):
            assert (built[name].dtype, built[name].stride()) == (value.dtype, value.stride()), name
            assert torch.equal(built[name].to(torch.complex128), value.to(torch.complex128)), name
    assert type(built["parameter"]) is torch.nn.Parameter
    built["whole"][0, 1] = 99
    assert built["turned"][0, 0] == 99
    module = net()
    module.load_state_dict({name: built[name] for name in module.state_dict()})


def test_a_file_is_stored_as_it_is_and_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path; a checkpoint of plain data and tensors."""
    checkpoint = {"epoch": 2, "weights": {"a": torch.ones(2)}, "shape": torch.ones(2, 3).shape}
    torch.save(checkpoint, tmp_path / "best.pth")
    model = tiffin.torch.save_model("file", tmp_path / "best.pth")
    assert list(model.info.files) == ["model.pth"]
    built = abroad(model, tmp_path, monkeypatch).load()
    assert (built["epoch"], built["shape"], built["weights"]["a"].tolist()) == (2, (2, 3), [1.0, 1.0])


def test_a_strangers_module_needs_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its classes are on no list; nothing of it ran."""
    stranger = abroad(tiffin.save("net", net()), tmp_path, monkeypatch)
    with pytest.raises(UntrustedModelError, match=r"torch\.nn\.modules"):
        stranger.load()
    assert torch.equal(stranger.load(trust=True)[0].weight, net()[0].weight)


def edited(path: Path, target: Path, change: Any) -> Path:
    """Write an archive anew, each member as `change(name, content)` gives it; `None` leaves it out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = change(entry.filename.partition("/")[2], old.read(entry))
            if content is not None:
                new.writestr(entry.filename, content)
    return target


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, data: None if name == "data/0" else data, "'data/0' is missing"),
        (lambda name, data: data[:-1] if name == "data/0" else data, "another size than its bytes"),
        (lambda name, data: b"big" if name == "byteorder" else data, "another order of bytes"),
        (lambda name, data: data.replace(b"FloatStorage", b"DoubleStorag"), "unknown class"),
        (lambda name, data: data.replace(b"storage", b"storagE"), "no storage"),
        (lambda name, data: None if name == "data.pkl" else data, "no archive of torch.save's"),
    ],
)
def test_files_that_torch_does_not_write_are_refused(change: Any, said: str, tmp_path: Path) -> None:
    """Told apart, and never built."""
    torch.save({"a": torch.arange(6.0)}, tmp_path / "good.pt")
    assert inspect(tmp_path / "good.pt").problems == ()
    found = inspect(edited(tmp_path / "good.pt", tmp_path / "bad.pt", change))
    assert found.tape is None
    assert said in found.problems[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x00K\x06\x85", b"K\x01K\x06\x85"),  # begins one element later
        (b"K\x00K\x06\x85", b"K\x00K\x07\x85"),  # is longer
        (b"K\x01\x85", b"K\x09\x85"),  # steps further
        (b"\x89ccoll", b"Nccoll"),  # needs no truth value of a gradient
    ],
)
def test_a_tensor_that_reaches_outside_of_its_storage_is_not_built(
    old: bytes, new: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled code would read other memory."""
    torch.save({"a": torch.arange(6.0)}, tmp_path / "good.pt")
    bad = edited(tmp_path / "good.pt", tmp_path / "bad.pt", lambda name, data: data.replace(old, new))
    assert bad.read_bytes() != (tmp_path / "good.pt").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})  # which would refuse it at save
        model = tiffin.torch.save_model("bad", bad)
    with pytest.raises(UntrustedModelError, match="cannot be built"):
        abroad(model, tmp_path, monkeypatch).load()


class Opens:
    """Pickles as what opens a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["model.ptx", "model.pt.old", "model.pt2x", "model.ptw"])
def test_no_file_is_read_that_nobody_has_judged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose names only begin as those of code files are no code files; so they must not be read as such."""
    bad = tmp_path / name.replace("model", "bad")
    bad.write_bytes(pickle.dumps(Opens(tmp_path / "ran"), 2))
    with monkeypatch.context() as patch:
        patch.setattr(tiffin_torch, "_SUFFIXES", (bad.suffix,))
        copy = shutil.copyfile
        patch.setattr(tiffin_torch.shutil, "copyfile", lambda source, target: copy(source, target.parent / name))
        patch.setattr("tiffin_torch._files.load_files", lambda path: {})
        model = tiffin.torch.save_model("bad", bad)
    assert list(model.info.files) == [name]
    with pytest.raises(StoreError, match="cannot be read"):
        abroad(model, tmp_path, monkeypatch).load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("field", ["storage", "offset", "size", "hooks", "metadata", "gradient"])
def test_no_object_of_a_strangers_is_asked_whether_it_is_true(field: str) -> None:
    """An instance of a listed class has methods of its own: to ask for its truth, length or equality would run them."""

    class Asked:
        def _refuse(self, *_: Any) -> Any:
            raise AssertionError("it was asked")

        __bool__ = __len__ = __eq__ = __hash__ = __lt__ = __index__ = __iter__ = _refuse

    given: dict[str, Any] = {
        "storage": ("float32", np.zeros(8, np.uint8)),
        "offset": 0,
        "size": (2,),
        "stride": (1,),
        "gradient": False,
        "hooks": OrderedDict(),
        "metadata": {},
    }
    made = makers()
    rebuild, parameter = made["torch._utils._rebuild_tensor_v2"], made["torch._utils._rebuild_parameter"]
    tensor = rebuild.make(tuple(given.values()), None)
    assert tensor.tolist() == [0.0, 0.0]
    for one in (
        Asked(),
        OrderedDict if field == "hooks" else Asked(),
        {"a": Asked()} if field == "metadata" else Asked(),
    ):
        with pytest.raises(Unbuildable):
            rebuild.make(tuple({**given, field: one}.values()), None)
    with pytest.raises(Unbuildable):
        parameter.make((tensor, False, Asked()), None)
    with pytest.raises(Unbuildable):
        made["torch.Size"].make(((Asked(),),), None)


def test_numbers_of_a_service_become_tensors() -> None:
    """By the spec, which names their kind."""
    from tiffin.values import from_numpy

    made = from_numpy(
        np.ones((2, 3)), {"type": "array", "dtype": "float32", "shape": [None, 3], "kind": "torch.Tensor"}
    )
    assert (made.dtype, made.shape) == (torch.float32, (2, 3))
