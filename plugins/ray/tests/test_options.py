"""What a back end is made of: options of actors, settings, runtime environments. No cluster is needed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ray_runnables import Numbers

import tiffin
from tiffin.exceptions import ConfigError, RunnerOptionError, WorkerDiedError
from tiffin.runners import Runner, WorkerSpec
from tiffin_ray import RayBackend, recorded_environment


def spec(runnable: type = Numbers, **fields: Any) -> WorkerSpec:
    """Return what a worker is made from."""
    return WorkerSpec("numbers-0", runnable, **fields)


def test_an_actor_takes_one_processor_unless_told_otherwise() -> None:
    """Ray counts it for as long as the actor lives; a model that runs on GPUs only has one."""

    class OnGpu(Numbers):
        SUPPORTED_RESOURCES = ("nvidia.com/gpu",)

    assert RayBackend().options_for(spec())["num_cpus"] == 1
    assert "num_gpus" not in RayBackend().options_for(spec())
    assert RayBackend().options_for(spec(OnGpu))["num_gpus"] == 1
    assert RayBackend(actor_options={"num_gpus": 0.5}).options_for(spec(OnGpu))["num_gpus"] == 0.5


@pytest.mark.parametrize("name", ["max_restarts", "runtime_env", "max_concurrency"])
def test_options_that_are_the_back_ends_own_are_refused(name: str) -> None:
    """At once where they are given, and not when an actor starts."""
    with pytest.raises(RunnerOptionError, match=f"{name!r} is not for actor_options"):
        RayBackend(actor_options={name: 1})


def test_which_gpu_a_worker_sees_is_left_to_ray() -> None:
    """Thread counts are the runner's, the user's own variables come before."""
    backend = RayBackend(runtime_env={"env_vars": {"OMP_NUM_THREADS": "7"}, "working_dir": "."})
    found = backend.options_for(
        spec(environment={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""})
    )["runtime_env"]
    assert found == {"env_vars": {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "1"}, "working_dir": "."}


def test_a_runtime_environment_may_be_that_of_the_record(store_home: Path) -> None:
    """The versions that the model was saved with, and Tiffin's packages as they are here."""
    model = tiffin.save("numbers", {"a": 1}, signatures={"get": {"batchable": False}})
    pinned = recorded_environment([model])
    assert f"tiffin=={version('tiffin')}" in pinned
    assert f"tiffin-ray=={version('tiffin-ray')}" in pinned
    assert {f"{name}=={number}" for name, number in model.info.context.framework_versions.items()} <= set(pinned)
    made = RayBackend(runtime_env="record").options_for(spec(models=(model,)))
    assert made["runtime_env"]["pip"] == pinned
    with pytest.raises(RunnerOptionError, match="runtime_env='recorded'"):
        RayBackend(runtime_env="recorded")


def test_the_name_ray_stands_for_the_settings(store_home: Path) -> None:
    """`backend="ray"` is what [ray] of config.toml says."""
    store_home.mkdir()
    config = store_home / "config.toml"
    config.write_text('[ray]\nremote = "s3://models"\nnum_cpus = 2\nresources = { far = 1 }\n', encoding="utf-8")
    made: Any = Runner(Numbers, backend="ray").engine.backend
    assert isinstance(made, RayBackend)
    options = made.options_for(spec())
    assert (options["num_cpus"], options["resources"]) == (2, {"far": 1})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("num_cpu = 1", "Did you mean 'num_cpus'"),
        ("num_cpus = 'two'", "is not int or float"),
        ("memory = true", "memory"),
    ],
)
def test_settings_that_are_none_are_refused(store_home: Path, line: str, words: str) -> None:
    """A misspelled one would silently not count."""
    store_home.mkdir()
    (store_home / "config.toml").write_text(f"[ray]\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        Runner(Numbers, backend="ray")


def test_a_program_that_has_left_the_cluster_starts_no_other_one_by_ending_its_runner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray starts a cluster for any call of an actor; the actors of the old one have ended with it."""
    import ray

    worker: Any = RayBackend().create_worker(spec())
    worker._ready, worker._actor = True, object()
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    assert worker.healthy
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    assert not worker.healthy
    worker.close(1)
    worker.kill()
    with pytest.raises(WorkerDiedError, match="cannot take calls"):
        worker.run("scale", (), {})
