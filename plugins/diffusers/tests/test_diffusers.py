"""What users of diffusers meet: images for a seed, options of a call, folders without code, clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.exceptions import ModelTypeError, SignatureError, StoreError

pytestmark = pytest.mark.slow
diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")

from tiffin_diffusers import conformance  # noqa: E402 - imports the framework


def folder_of(folder: Path) -> Path:
    """Write what `save_pretrained` writes."""
    conformance.unconditional().save_pretrained(folder)
    return folder


def loaded(folder: Path, **options: Any) -> Any:
    """Load a folder as the adapter does."""
    import tiffin_diffusers

    return tiffin_diffusers.load(folder, {"device": "", "dtype": "", "seed": -1, **options})


def test_images_come_out_the_same_for_the_same_seed() -> None:
    """Of this process and of another; of a call's own seed before the stored one, and others without any."""
    few = {"__call__": {"num_inference_steps": 2}}
    model = tiffin.diffusers.save_model("noise", conformance.unconditional(), seed=3, partial_kwargs=few)
    with model.to_runner() as here, model.to_runner(backend="process") as there:
        images = here.run(2)
        assert [(image.mode, image.size) for image in images] == [("RGB", (8, 8))] * 2
        assert [np.asarray(image).tolist() for image in images] == [np.asarray(i).tolist() for i in there.run(2)]
        other = here.run(2, seed=4, output_type="np")
        assert other.shape == (2, 8, 8, 3)
        assert not np.allclose(other, here.run(2, output_type="np"))
    with model.with_options(seed=-1).to_runner() as runner:
        assert not np.allclose(runner.run(1, output_type="np"), runner.run(1, output_type="np"))


def test_a_prompt_and_its_guidance_go_in() -> None:
    """By position and by name."""
    model = tiffin.save("dogs", conformance.text_to_image(), seed=3)
    assert model.framework == "diffusers"
    with model.to_runner() as runner:
        answers = [runner.run("a dog", num_inference_steps=2, guidance_scale=g, output_type="np") for g in (1.0, 9.0)]
    assert not np.allclose(*answers)


def test_options_place_what_is_loaded() -> None:
    """A type of elements and a device."""
    model = tiffin.save("noise", conformance.unconditional())
    assert tiffin.diffusers.load_model("noise", dtype="float64", device="cpu").unet.dtype is torch.float64
    with pytest.raises(SignatureError, match="device='cuda:9' is no device that is here"):
        tiffin.load("noise", device="cuda:9")
    assert {Path(name).suffix for name in model.info.files} == {".json", ".safetensors"}


def test_a_class_of_the_users_own_is_left_to_another_adapter() -> None:
    """A pipeline of it, or one that has it as a component; asked for by name, the reason is told."""

    class Own(diffusers.DDIMScheduler):  # type: ignore[misc]
        """A class that the library does not have."""

    pipeline = conformance.unconditional()
    pipeline.scheduler = Own(num_train_timesteps=10)
    pipeline.register_modules(scheduler=pipeline.scheduler)
    with pytest.raises(ModelTypeError, match="Own, which is no class of diffusers'"):
        tiffin.diffusers.save_model("own", pipeline)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"_class_name": "os"}, "names os"),
        ({"_class_name": ["pipeline", "Own"]}, "names"),
        ({"unet": ["os", "system"]}, r"names os\.system"),
        ({"unet": ["unet", "Own"]}, r"names unet\.Own"),
        ({"unet": ["transformers", "pipeline"]}, r"names transformers\.pipeline"),
        ({"unet": ["pipeline_utils", "Path"]}, r"names pipeline_utils\.Path"),
    ],
)
def test_an_index_names_no_other_class_than_the_librarys(named: Any, said: str, tmp_path: Path) -> None:
    """It comes from strangers, too; nothing that it names is imported."""
    folder = folder_of(tmp_path / "noise")
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text(encoding="utf-8")), **named}), encoding="utf-8")
    (folder / "unet" / "unet.py").write_text("open('ran', 'w').close()", encoding="utf-8")
    with pytest.raises(StoreError, match=said):
        loaded(folder)


@pytest.mark.parametrize("damage", ["no weights", "cut", "less", "no index"])
def test_a_folder_that_is_not_in_order_is_told(damage: str, tmp_path: Path) -> None:
    """By what is wrong with it."""
    folder = folder_of(tmp_path / "noise")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    if damage == "no weights":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "less":
        from safetensors.torch import load_file, save_file

        save_file(dict(list(load_file(weights).items())[1:]), weights, metadata={"format": "pt"})
    else:
        (folder / "model_index.json").unlink()
    with pytest.raises(StoreError, match=r"cannot (be )?read"):
        loaded(folder)


def test_a_kernel_that_a_component_names_is_refused(tmp_path: Path) -> None:
    """The library would fetch it, and run it; parts of a configuration name kernels, too."""
    folder = folder_of(tmp_path / "noise")
    file = folder / "unet" / "config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "part": {"attn_implementation": "someone/kernel"}}), encoding="utf-8")
    with pytest.raises(StoreError, match="names code to fetch"):
        loaded(folder)


def test_a_folder_is_taken_by_name_and_what_bentomls_module_wrote(tmp_path: Path) -> None:
    """The latter lies one level down."""
    import tiffin_diffusers
    from tiffin.plugins import ForeignModel

    assert type(tiffin.diffusers.save_model("noise", folder_of(tmp_path / "noise")).load()) is diffusers.DDIMPipeline
    files = {"diffusion_model/model_index.json": 1, "diffusion_model/unet/config.json": 1, "bentoml.yaml": 1}
    reading = tiffin_diffusers.read_foreign(
        ForeignModel(tool="bentoml", kind="bentoml.diffusers", fields={}, files=files)
    )
    assert reading is not None
    assert sorted(reading.renames.values()) == ["model_index.json", "unet/config.json"]
