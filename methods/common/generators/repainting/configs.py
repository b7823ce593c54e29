"""Configs of every back end. Imports nothing heavy, so that plans can be made from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from methods.common.stage import Config

Precision = Literal["float32", "bfloat16", "float16"]
GLIGEN_NEGATIVE_PROMPT = "longbody, lowres, bad anatomy, bad hands, missing fingers, extra digit, fewer digits, cropped, worst quality, low quality"
"""Source: InstSynth section 3.3 [code]."""


class DiffusionConfig(Config):
    """What the samplers of all diffusion back ends share."""

    num_steps: int = Field(default=50, ge=1)
    """Denoising steps."""
    guidance_scale: float = Field(default=7.5, ge=0)
    """Classifier-free guidance; at most 1 switches it off."""
    negative_prompt: str | None = None
    """Text of the other half of guidance; None for the empty one."""
    size_px: int = Field(default=512, ge=16)
    """Side at which it paints; crops and masks are resized to it."""
    precision: Precision = "float16"
    """Precision of the networks on CUDA, float32 elsewhere. The VAE of the back ends that are written here always works in float32."""


class BlendedLatentConfig(DiffusionConfig):
    """Blended latent diffusion: a text-to-image model, with the background put back after each step.

    Defaults are those of the run, on SDXL; :func:`low_memory` has the ones for Stable Diffusion 2.1. Source: InstSynth section 3.1 [code].
    """

    kind: Literal["blended_latent"] = "blended_latent"
    """Which back end this is."""
    guidance_scale: float = Field(default=5.0, ge=0)
    """Classifier-free guidance. [code]"""
    size_px: int = Field(default=1024, ge=16)
    """Side at which it paints. [code]"""
    skip: float = Field(default=0.25, ge=0, lt=1)
    """Share of the steps, rounded down to a number of them, that are left out at the beginning. [BLD]"""
    start: Literal["noised_source", "noise"] = "noised_source"
    """What the first step gets: the crop with noise, so that the old instance leaks in, or noise alone. [code] [BLD]"""
    background: Literal["before_step", "after_step"] = "before_step"
    """The noise level of the background after a step: that before the step, as released, or the one that the step has reached. [code]"""
    scheduler: Literal["own", "ddim"] = "own"
    """The checkpoint's own, or DDIM with Stable Diffusion's schedule. [code] [BLD]"""


def low_memory() -> BlendedLatentConfig:
    """Return the variant for Stable Diffusion 2.1. Source: InstSynth section 3.1 [BLD]."""
    return BlendedLatentConfig(guidance_scale=7.5, size_px=512, start="noise", scheduler="ddim")


class InpaintingConfig(DiffusionConfig):
    """The stock inpainting pipeline of diffusers, with nine input channels. Defaults: InstSynth section 3.2 [code]."""

    kind: Literal["inpainting"] = "inpainting"
    """Which back end this is."""


class GligenConfig(DiffusionConfig):
    """Grounded inpainting with a gated U-Net. Defaults: InstSynth section 3.3 [code]."""

    kind: Literal["gligen"] = "gligen"
    """Which back end this is."""
    negative_prompt: str | None = GLIGEN_NEGATIVE_PROMPT
    """Text of the other half of guidance. [code]"""
    scheduler: Literal["plms", "ddim", "own"] = "plms"
    """PLMS as in the run; DDIM, with 250 steps, is the alternative; or the checkpoint's own. [GL]"""
    grounding_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps, from the first, in which the gated layers are on; GLIGEN's own default for boxes is 0.3. [code]"""
    box: Literal["union", "first_contour"] = "union"
    """Of a mask of several parts, the box of all, or, as released, that of the first contour. [C InstSynth D27]"""
    box_decimals: int | None = Field(default=2, ge=1)
    """The corners, in [0, 1], are rounded to so many decimals. [code]"""
    max_entities: int = Field(default=30, ge=1)
    """Grounding tokens; all but the first are the learned null token. [GL]"""
    background: Literal["before_step", "after_step"] = "after_step"
    """The noise level of the kept region after a step; see :class:`BlendedLatentConfig`. [GL]"""


class IdentityConfig(Config):
    """Gives the crop back: with focused cropping, the control without a generator. Source: InstSynth section 3.4."""

    kind: Literal["identity"] = "identity"
    """Which back end this is."""


class SolidConfig(Config):
    """Fills the mask with one colour. Source: InstSynth section 3.4."""

    kind: Literal["solid"] = "solid"
    """Which back end this is."""
    colour: tuple[int, int, int] = (128, 128, 128)
    """RGB, 0 to 255."""


class NoiseConfig(Config):
    """Fills the mask with uniform noise. Source: InstSynth section 3.4."""

    kind: Literal["noise"] = "noise"
    """Which back end this is."""


class CopyFromBankConfig(Config):
    """Pastes another real instance of the class, scaled to the box: classical copy-paste. Source: InstSynth section 3.4."""

    kind: Literal["copy_from_bank"] = "copy_from_bank"
    """Which back end this is."""


RepaintConfig = Annotated[
    BlendedLatentConfig
    | InpaintingConfig
    | GligenConfig
    | IdentityConfig
    | SolidConfig
    | NoiseConfig
    | CopyFromBankConfig,
    Field(discriminator="kind"),
]
"""One of them, told apart by ``kind``."""
