"""What the conformance kit checks this adapter with: `tiffin plugins check diffusers`. No hub is reached."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a pipeline that makes small images of nothing."""
    few = {"__call__": {"num_inference_steps": 2, "output_type": "np"}}
    seeded: dict[str, Any] = {"framework": "diffusers", "options": {"seed": 15}, "partial_kwargs": few, "same": _same}
    return [
        Subject(name="unconditional", make=unconditional, inputs={"__call__": 2}, **seeded),
    ]


def unconditional() -> Any:
    """Return a pipeline of an untrained network, which takes the number of images."""
    import diffusers
    import torch

    torch.manual_seed(15)
    net = diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    return quiet(diffusers.DDIMPipeline(unet=net.eval(), scheduler=diffusers.DDIMScheduler(num_train_timesteps=100)))


def text_to_image() -> Any:
    """Return a pipeline of untrained networks, which takes a prompt."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(15)
    net = diffusers.UNet2DConditionModel(
        sample_size=4, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, cross_attention_dim=8,
        attention_head_dim=2, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    coder = diffusers.AutoencoderKL(
        block_out_channels=(4, 8), norm_num_groups=4, latent_channels=4, sample_size=8,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    letters = "adgo"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = transformers.CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=8
    )
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=8, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return quiet(
        diffusers.StableDiffusionPipeline(
            vae=coder.eval(), text_encoder=transformers.CLIPTextModel(config).eval(), tokenizer=tokenizer, unet=net.eval(),
            scheduler=diffusers.DDIMScheduler(num_train_timesteps=100), safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )
    )  # fmt: skip


def _same(one: Any, other: Any) -> bool:
    import numpy

    if isinstance(one, int):  # how many images are asked for
        return type(one) is type(other) and one == other
    arrays = [numpy.asarray(images[0] if isinstance(images, list) else images) for images in (one, other)]
    return (
        type(one) is type(other) and len(one) == len(other) and bool(numpy.allclose(arrays[0], arrays[1], 1e-4, 1e-4))
    )


def quiet(pipeline: Any) -> Any:
    """Return the pipeline, without a bar of its steps."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
