"""Configs of sampling masks and pictures (sections 2, 5 and 6)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from methods.common.generators.sampling import SamplingConfig
from methods.seggen.diffusion.config import Precision
from methods.seggen.diffusion.frames import Frames


class SeggenSamplingConfig(SamplingConfig):
    """What sampling masks and sampling pictures share. The work is listed variant by variant, image by image."""

    guidance_scale: float = Field(default=5.0, ge=0)
    """Classifier-free guidance; at most 1 switches it off. Section 12, item 7"""
    scheduler: Literal["euler", "dpm_solver"] = "euler"
    """Euler steps or multistep DPM-Solver++, on the noise schedule of the checkpoint (section 5)."""
    size_px: None = None
    """Nothing to choose: ``frames`` has the sizes."""
    frames: Frames = Frames()
    """Sizes of the pictures; those of the training."""
    precision: Precision = "bfloat16"
    """Precision of the networks on CUDA; float32 elsewhere. Section 5"""
    vae_precision: Precision = "float32"
    """Of the autoencoder on CUDA; float16 only for one that its folder says does not overflow there. Section 6"""
    split: str = "training"
    """Whose images have captions, sizes and masks."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of them, drawn by name, as the training of a generator may have; None for all."""

    @field_validator("scheduler", mode="before")
    @classmethod
    def _no_other_preconditioning(cls, name: Any) -> Any:
        if isinstance(name, str) and "edm" in name.lower():
            raise ValueError(
                f"scheduler {name!r} scales inputs for networks that were trained so, which Stable Diffusion is not; use euler"
            )
        return name


class SampleMasksConfig(SeggenSamplingConfig):
    """How Text2Mask draws masks."""

    num_steps: int = Field(default=200, ge=1)
    """Denoising steps. Section 5 [S]"""
    variants: int = Field(default=10, ge=1)
    """Masks for each training image. Section 2 [S]"""
    min_segment_px: int | None = Field(default=None, ge=0)
    """Connected regions of fewer pixels become what surrounds them; 0 keeps them. None: 20 at 512 pixels a side, and by area so many at
    other sizes. Section 4.5, step 4"""
    max_distance: float | None = Field(default=None, gt=0)
    """Pixels farther than this from every colour, in RGB units, are not rated; None rates all. Section 4.5"""
    num_raw: int = Field(default=16, ge=0)
    """So many pictures of the split's first images are kept as they were drawn."""
    keep_raw: bool = False
    """Whether all of them are, for pictures that are painted from them. Section 4.5, step 6"""


class PaintImagesConfig(SeggenSamplingConfig):
    """How Mask2Img paints pictures: on human masks (ImgSyn), or where role ``masks`` is given on drawn ones (MaskSyn)."""

    num_steps: int = Field(default=40, ge=1)
    """Denoising steps. Section 6 [S]"""
    variants: int = Field(default=50, ge=1)
    """Pictures for each mask: 50 on ADE20K and 10 on COCO for human masks, 1 for drawn ones. Section 2 [S]"""
    control_scale: float = Field(default=1.0, ge=0)
    """Weight of what the ControlNet adds. Section 6"""
    condition: Literal["clean", "raw"] = "clean"
    """Whether a drawn mask is painted from its clean labels, coloured again, or from the picture as it was drawn. Section 4.5, step 6"""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Format of the pictures."""
