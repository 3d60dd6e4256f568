"""Measure adapters against their frameworks' own calls, and what it costs to have all of them installed.

Run: python benchmarks/adapters.py [--only NAME …] [--mib 100] [--rounds 5] [--no-environments]

Each adapter whose framework is installed here saves and loads a tiny model, and a large one where that is made in seconds, by
turns with the framework's own call (which for a save is followed by fsync and sha256, as a store needs them). The best of all
rounds counts. Limits: a large save takes 1.3 times its own, a large load 1.1 times; of a tiny model a save may take 4 ms
more, a load 1 ms more.

What all adapters cost is measured in environments made for that, from wheels: `tiffin plugins list` takes at most 1.5 times
what it takes with none, and an object's adapter is found among all within 20 ms the first time. Exits with 1 when a limit is
missed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import environments
from measuring.results import Figure, show

import tiffin

MIB = 1 << 20
TREES = ("xgboost", "lightgbm", "catboost")
"""Adapters of what takes minutes to train to such a size, and has no other way to it: measured with tiny models only."""
LIMITS = {"save": (1.3, 4.0), "load": (1.1, 1.0)}
"""What → times of a large model's own, and milliseconds more than a tiny one's own."""


class Case:
    """One framework: how to make a model of about so many bytes, and the calls of its own."""

    def __init__(
        self,
        framework: str,
        make: Callable[[int], Any],
        save: Callable[[Any, Path], object],
        load: Callable[[Path], object],
        package: str = "",
    ) -> None:
        self.framework, self.make, self.save, self.load = framework, make, save, load
        self.package = package or framework

    @property
    def is_installed(self) -> bool:
        """Whether framework and adapter are here."""
        from tiffin.plugins import registry

        return importlib.util.find_spec(self.package) is not None and registry().has(self.framework)


def durable(save: Callable[[Any, Path], object], model: Any, folder: Path) -> None:
    """Write a model by its framework's call, sync it, and hash it."""
    save(model, folder)
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            hashlib.file_digest(opened, "sha256")


def rows(count: int) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=(count, 4)).astype("float32"), random.normal(size=count).astype("float32")


def linear(size: int) -> Any:
    import torch

    side = max(2, int((size / 4) ** 0.5))
    return torch.nn.Linear(side, side)


def save_torch(model: Any, folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(model.state_dict(), folder / "model.safetensors")
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(type(model), file)


def load_torch(folder: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    with torch.device("meta"):
        model = torch.nn.Linear(*reversed(weights["weight"].shape))
    model.load_state_dict(weights, assign=True)
    return model


def scripted(size: int) -> Any:
    import torch

    return torch.jit.script(linear(size))


def load_script(folder: Path) -> Any:
    import torch

    return torch.jit.load(str(folder / "model.pt"))


def graph(size: int) -> Any:
    import onnx
    from onnx import helper, numpy_helper

    side = max(2, int((size / 4) ** 0.5))
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", side]) for name in ("x", "y")]
    weights = numpy_helper.from_array(np.ones((side, side), "float32"), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    made = helper.make_graph([node], "graph", values[:1], values[1:], [weights])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def load_graph(folder: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def xgboost_trees(size: int) -> Any:
    import xgboost

    return xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(*rows(100)), 2)


def load_xgboost(folder: Path) -> Any:
    import xgboost

    return xgboost.Booster(model_file=folder / "model.ubj")


def lightgbm_trees(size: int) -> Any:
    import lightgbm

    return lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(*rows(100)), 2)


def load_lightgbm(folder: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=folder / "model.txt")


def catboost_trees(size: int) -> Any:
    import catboost

    settings = {"iterations": 2, "depth": 2, "thread_count": 1, "allow_writing_files": False, "verbose": False}
    return catboost.CatBoost(settings).fit(*rows(100))


def load_catboost(folder: Path) -> Any:
    import catboost

    return catboost.CatBoost().load_model(folder / "model.cbm")


def neighbours(size: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(1, algorithm="brute").fit(*rows(max(4, size // 16)))


def save_pickle(model: Any, folder: Path) -> None:
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(model, file, 5)


def load_pickle(folder: Path) -> Any:
    with (folder / "model.pkl").open("rb") as file:
        return pickle.load(file)


CASES = [
    Case("sklearn", neighbours, save_pickle, load_pickle),
    Case("onnx", graph, lambda model, at: (at / "model.onnx").write_bytes(model.SerializeToString()), load_graph),
    Case("torch", linear, save_torch, load_torch),
    Case("torchscript", scripted, lambda model, at: model.save(str(at / "model.pt")), load_script, "torch"),
    Case("xgboost", xgboost_trees, lambda model, at: model.save_model(at / "model.ubj"), load_xgboost),
    Case("lightgbm", lightgbm_trees, lambda model, at: model.save_model(at / "model.txt"), load_lightgbm),
    Case("catboost", catboost_trees, lambda model, at: model.save_model(at / "model.cbm"), load_catboost),
]


def by_turns(rounds: int, *actions: Callable[[int], object]) -> list[list[float]]:
    """Return the seconds that each action takes in each round; one round before is not counted."""
    taken: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 1):
        for action, samples in zip(actions, taken, strict=True):
            began = time.perf_counter()
            action(number)
            samples.append(time.perf_counter() - began)
    return [samples[1:] for samples in taken]


def measure(case: Case, size: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Yield the figures of a model of about so many bytes."""
    model = case.make(size)
    kind = "tiny" if size < MIB else "large"

    def own(number: int) -> None:
        target = folder / f"{case.framework}-{kind}-{number}"
        target.mkdir()
        durable(case.save, model, target)

    def ours(number: int) -> None:
        tiffin.save(f"{case.framework}-{kind}:v{number}", model)

    saves = by_turns(rounds, own, ours)
    at = folder / f"{case.framework}-{kind}-0"
    loads = by_turns(rounds, lambda _: case.load(at), lambda _: tiffin.load(f"{case.framework}-{kind}:v0"))
    bytes_of = sum(file.stat().st_size for file in at.iterdir())
    for what, (mine, its) in {"save": saves[::-1], "load": loads[::-1]}.items():
        times, more = LIMITS[what]
        limit = min(its) * times if kind == "large" else min(its) + more / 1e3
        said = (
            f"{case.framework}: {what} {bytes_of / MIB:.0f} MiB"
            if kind == "large"
            else f"{case.framework}: {what} tiny"
        )
        yield Figure(said, mine, "ms", round(limit * 1e3, 2), ("its own", its))


FIND = """
import time
import tiffin.plugins
began = time.perf_counter()
tiffin.plugins.registry().adapter_for(object())
print(time.perf_counter() - began)
"""


def installed_together(rounds: int) -> Iterator[Figure]:
    """Yield what having all adapters costs, in environments of wheels."""
    found = [path.parent.name for path in sorted((environments.ROOT / "plugins").glob("*/pyproject.toml"))]
    without, together = environments.tiffin(), environments.tiffin(*found, name="tiffin-all", dependencies=False)

    def run(python: Path) -> Callable[[int], object]:
        command = [environments.command(python, "tiffin"), "plugins", "list"]
        return lambda _: subprocess.run(command, check=True, capture_output=True)

    none, every = by_turns(rounds, run(without), run(together))
    yield Figure(f"plugins list, of {len(found)}", every, "ms", round(min(none) * 1500, 1), ("none", none))
    finds = [
        float(subprocess.run([together, "-c", FIND], check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    yield Figure("an adapter is found among all", finds, "ms", 20.0)


def main() -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=[case.framework for case in CASES], metavar="NAME")
    parser.add_argument("--mib", type=int, default=100, help="size of the large model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-environments", action="store_true", help="without what all adapters cost together")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    hold = True
    with tempfile.TemporaryDirectory(prefix="adapters-") as folder:
        os.environ["TIFFIN_HOME"] = str(Path(folder, "home"))
        for case in CASES:
            if case.framework not in (chosen.only or [case.framework]):
                continue
            if not case.is_installed:
                print(f"{case.framework}: not installed here")
                continue
            figures = [*measure(case, 1 << 10, 4 * chosen.rounds, Path(folder))]
            if case.framework not in TREES:
                figures += measure(case, chosen.mib * MIB, chosen.rounds, Path(folder))
            hold &= show(case.framework, figures)
    if not chosen.no_environments and not chosen.only:
        hold &= show("all together", installed_together(chosen.rounds))
    print("\nAll limits hold." if hold else "\nA limit is missed.")
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())
