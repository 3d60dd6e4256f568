"""A pipeline as runners call it: on its device, one call after the other, with numbers for seeds."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import torch

from tiffin_torch.running import device_for, dtype_of, out_of_memory


class Running:
    """A pipeline, whose call returns what it makes: a list of images, an array of them, or what else the pipeline makes.

    Args:
        pipeline: the pipeline; moved where a device is given.
        options: the adapter's.
        device: "nvidia.com/gpu" or "cpu"; `None` at save: then it stays where it is.
    """

    def __init__(self, pipeline: Any, options: Mapping[str, Any], device: str | None) -> None:
        self._pipeline, self._seed = pipeline, options["seed"]
        self._lock = threading.Lock()  # a scheduler counts its steps
        if device is not None:
            place = device_for(device, options)
            with out_of_memory(place):
                pipeline.to(device=place, dtype=dtype_of(options))
            pipeline.set_progress_bar_config(disable=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_pipeline"], name)

    def __call__(self, *args: Any, seed: int | None = None, **kwargs: Any) -> Any:
        """Make images.

        Args:
            *args: what the pipeline takes: a prompt, or a list of prompts, …
            seed: the same seed makes the same images; `None` stands for the option `seed`, and -1 for any.
            **kwargs: what the pipeline takes by name: num_inference_steps, guidance_scale, output_type, …
        """
        seed = self._seed if seed is None else seed
        if seed != -1:
            # Numbers of the CPU's generator are the same on every device.
            kwargs["generator"] = torch.Generator("cpu").manual_seed(seed)
        with self._lock, torch.no_grad():
            return self._pipeline(*args, **kwargs, return_dict=False)[0]
