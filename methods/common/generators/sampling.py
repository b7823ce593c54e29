"""Sampling pictures from a text-to-image generator, as stages do: what their configs share, and the pipeline that it asks for.

Shape legend: N images, H and W their size in pixels, 3 RGB channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class SamplingConfig(Config):
    """How pictures are sampled, and which part of them a cell makes. A paper's config gives its own defaults and their sources."""

    num_steps: int = Field(ge=1)
    """Denoising steps."""
    guidance_scale: float = Field(ge=0)
    """Classifier-free guidance; at most 1 switches it off."""
    scheduler: Literal["own", "dpm_solver", "euler", "ddim"] = "own"
    """The checkpoint's own scheduler, or on its noise schedule multistep DPM-Solver++, Euler steps or DDIM."""
    size_px: int | None = Field(default=None, ge=16)
    """Side of the square pictures; None for the checkpoint's own size."""
    precision: Literal["float32", "bfloat16", "float16"]
    """Precision of the networks on CUDA; float32 elsewhere."""
    batch_size: int = Field(default=8, ge=1)
    """Pictures that are sampled together; each has its own seed, so this changes rounding at most."""
    shard_index: int = Field(default=0, ge=0)
    """Which part of the work this cell does."""
    num_shards: int = Field(default=1, ge=1)
    """Number of such cells; item i of the work belongs to part i mod n."""

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard_index >= self.num_shards:
            raise ValueError("shard_index must be below num_shards")
        return self

    @property
    def denoisings_per_step(self) -> int:
        """Denoiser evaluations of an image at each step: both halves of classifier-free guidance, or one."""
        return 2 if self.guidance_scale > 1 else 1

    def has(self, position: int) -> bool:
        """Tell whether an item of the work, numbered from 0, belongs to this cell."""
        return position % self.num_shards == self.shard_index


def load_pipeline(folder: Path, config: SamplingConfig, device: torch.device, safety_checker: bool = False) -> Any:
    """Load a generator in the precision and with the scheduler that a config asks for.

    Args:
        folder: a diffusers directory.
        config: how it samples.
        device: where the networks go.
        safety_checker: whether the folder's own safety checker, if it has one, may turn pictures black.

    Raises:
        InputError: it is missing, cannot be loaded, or is not whole.
    """
    import torch

    from methods.common.generators.text_to_image import load_text_to_image

    dtype = getattr(torch, config.precision) if device.type == "cuda" else torch.float32
    pipeline = load_text_to_image(folder, device, dtype, safety_checker)
    if config.scheduler != "own":
        from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

        schedulers: dict[str, Any] = {
            "dpm_solver": DPMSolverMultistepScheduler,
            "euler": EulerDiscreteScheduler,
            "ddim": DDIMScheduler,
        }
        chosen = schedulers[config.scheduler]
        pipeline.scheduler = chosen.from_config(pipeline.scheduler.config)
    return pipeline


def sample_images(
    pipeline: Any, prompts: Sequence[str], seeds: Sequence[int], config: SamplingConfig, **options: Any
) -> NDArray[np.uint8]:
    """Sample one image for each prompt, uint8 RGB [N, H, W, 3], each from its own seed; see :func:`generate_images`."""
    from methods.common.generators.text_to_image import generate_images

    return generate_images(pipeline, prompts, seeds, config.num_steps, config.guidance_scale, config.size_px, **options)
